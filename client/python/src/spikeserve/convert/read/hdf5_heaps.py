"""Checks what the HDF5 library does not: it never ends on a damaged heap of texts."""

from __future__ import annotations

import mmap
from pathlib import Path

from spikeserve.convert.errors import ConversionError

_SIGNATURE = b"GCOL\x01\x00\x00\x00"  # of a collection, with its version
_MAGIC = b"\x89HDF\r\n\x1a\n"
_BEFORE_SIZE = 8  # bytes of an object's header before its size


def check_heaps(source: Path | bytes, label: str) -> None:
    """ConversionError for a collection of texts of variable length whose parts do not lead to its end."""
    if isinstance(source, bytes):
        _check(source, label)
        return
    with source.open("rb") as stream:
        if not stream.read(1):
            raise ConversionError(f"{label}: an empty file")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check(content, label)


def _check(content: bytes | mmap.mmap, label: str) -> None:
    width = _size_of_lengths(content)
    begin = content.find(_SIGNATURE)
    while begin >= 0:
        _check_collection(content, begin, width, label)
        begin = content.find(_SIGNATURE, begin + 1)


def _size_of_lengths(content: bytes | mmap.mmap) -> int:
    """Bytes of a size in this file, as its first block says."""
    head = content[:16]
    if len(head) < 16 or not head.startswith(_MAGIC):
        return 8
    return head[14] if head[8] < 2 else head[10]


def _check_collection(content: bytes | mmap.mmap, begin: int, width: int, label: str) -> None:
    header = _BEFORE_SIZE + width
    size = int.from_bytes(content[begin + 8 : begin + header], "little")
    end = begin + size
    good = header <= size <= len(content) - begin
    place = begin + (header + 7) // 8 * 8
    while good and place + header <= end:
        index = int.from_bytes(content[place : place + 2], "little")
        length = int.from_bytes(content[place + _BEFORE_SIZE : place + header], "little")
        step = length if index == 0 else (header + 7) // 8 * 8 + (length + 7) // 8 * 8
        good = header <= step <= end - place
        place += max(step, 1)
    if not good:
        raise ConversionError(
            f"{label}: a damaged HDF5 file: its collection of texts at byte {begin} has no end"
        )
