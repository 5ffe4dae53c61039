"""Data of an ONNX model that lie in files beside it."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from pathlib import Path, PurePosixPath

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.onnx.schema import Tensor


class ExternalData:
    """Files in or below the folder of a model, mapped; each is opened once, and links are not followed."""

    def __init__(self, folder: Path, label: str, limits: Limits) -> None:
        self._folder = folder
        self._label = label
        self._limits = limits
        self._files: dict[str, memoryview] = {}

    def read(self, tensor: Tensor) -> memoryview:
        """The bytes of a tensor; ConversionError for a place that is not in the folder or in the file."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        where = f"{self._label}: the external data of '{tensor.name}'"
        location = entries.get("location", "")
        if location not in self._files:
            self._files[location] = self._open(location, where)
        data = self._files[location]
        offset = _size(entries.get("offset", "0"), where, "offset")
        length = _size(entries.get("length", str(max(len(data) - offset, 0))), where, "length")
        if offset + length > len(data):
            raise ConversionError(
                f"{where}: bytes {offset} to {offset + length} of '{location}', which has {len(data)}"
            )
        return data[offset : offset + length]

    def update(self, digest: hashlib._Hash) -> None:
        """Adds the files that were read, in the order of their names."""
        for _, data in sorted(self._files.items()):
            digest.update(data)

    def _open(self, location: str, where: str) -> memoryview:
        path = PurePosixPath(location)
        odd = any(c in location for c in "\\:\0") or not path.parts
        if odd or path.is_absolute() or ".." in path.parts:
            raise ConversionError(f"{where}: '{location}' is not a file in the model's own folder")
        at = self._folder
        for part in path.parts:
            at = at / part
            if at.is_symlink():
                raise ConversionError(f"{where}: '{location}' leads through a link, which is not followed")
        return self._map(at, location, where)

    def _map(self, path: Path, location: str, where: str) -> memoryview:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(path, flags)
        except OSError as error:
            raise ConversionError(f"{where}: '{location}' cannot be opened: {error.strerror}") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ConversionError(f"{where}: '{location}' is not a file")
            if status.st_size > self._limits.weights_bytes:
                raise ConversionError(
                    f"{where}: '{location}' has {status.st_size} bytes, limit {self._limits.weights_bytes}"
                )
            if status.st_size == 0:  # which cannot be mapped
                return memoryview(b"")
            return memoryview(mmap.mmap(descriptor, status.st_size, access=mmap.ACCESS_READ))
        finally:
            os.close(descriptor)


def _size(text: str, where: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ConversionError(f"{where}: {what} is {text!r:.40}, wanted a number of bytes")
    return int(text)
