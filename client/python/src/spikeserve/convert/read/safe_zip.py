"""Reads the members of a `.keras` archive without trusting its directory."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.strangers import PICKLE

# What zipfile and its decompressors raise for bytes that make no sense.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, RuntimeError, OSError,
    struct.error, UnicodeDecodeError,
)  # fmt: skip
_RESAVE = "save the model again with model.save('model.keras')"


def read_members(path: Path, limits: Limits) -> dict[str, bytes]:
    """The bytes of config.json, model.weights.h5 and metadata.json (if any); nothing else is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _directory(archive, path, limits)
            sizes = {"config.json": limits.config_bytes, "model.weights.h5": limits.weights_bytes}
            result = {n: _read(archive, members, n, size) for n, size in sizes.items()}
            if "metadata.json" in members:
                result["metadata.json"] = _read(archive, members, "metadata.json", limits.config_bytes)
            return result
    except _DAMAGED as error:
        raise ConversionError(f"{path}: a damaged zip archive: {error}") from error


def _directory(archive: zipfile.ZipFile, path: Path, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    entries = archive.infolist()
    if len(entries) > limits.archive_members:
        raise ConversionError(
            f"{path}: {len(entries)} archive members, the limit is {limits.archive_members}"
        )
    members: dict[str, zipfile.ZipInfo] = {}
    for info in entries:
        _check_member(info, path, limits)
        if info.filename in members:
            raise ConversionError(f"{path}: the archive holds {info.filename!r} twice; {_RESAVE}")
        members[info.filename] = info
    if "model.weights.h5" not in members:
        if any(n.endswith(".pkl") for n in members):
            raise ConversionError(f"{path}: {PICKLE}")
        other = [n for n in members if n.endswith((".npz", ".weights.json"))]
        found = f" (it holds {other[0]!r}, which is not read)" if other else ""
        raise ConversionError(f"{path}: no model.weights.h5 in the archive{found}; {_RESAVE}")
    if "config.json" not in members:
        raise ConversionError(f"{path}: no config.json in the archive; {_RESAVE}")
    return members


def _check_member(info: zipfile.ZipInfo, path: Path, limits: Limits) -> None:
    name = info.orig_filename
    parts = PurePosixPath(name).parts
    drive = len(name) > 1 and name[1] == ":"
    if name.startswith("/") or drive or ".." in parts or "\\" in name or "\0" in name:
        raise ConversionError(f"{path}: the archive member {name!r} has an unsafe path")
    if info.flag_bits & 0x1:
        raise ConversionError(f"{path}: the archive member {name!r} is encrypted")
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        raise ConversionError(f"{path}: the archive member {name!r} is a link")
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > limits.ratio_threshold and ratio > limits.zip_ratio:
        raise ConversionError(
            f"{path}: the archive member {name!r} would grow {ratio:.0f}-fold to "
            f"{info.file_size} bytes, the limit is {limits.zip_ratio}-fold"
        )


def _read(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str, limit: int) -> bytes:
    info = members[name]
    if info.file_size > limit:
        raise ConversionError(f"{name}: {info.file_size} bytes, the limit is {limit}")
    content = io.BytesIO()
    with archive.open(info) as stream:
        while block := stream.read(1 << 20):
            content.write(block)
            if content.tell() > limit:
                raise ConversionError(f"{name}: more than the {limit} bytes allowed")
    return content.getvalue()
