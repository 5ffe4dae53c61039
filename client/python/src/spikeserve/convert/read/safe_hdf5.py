"""Reads datasets and attributes of an HDF5 file without following links or loading plugins."""

from __future__ import annotations

import io
import math
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.hdf5_heaps import check_heaps
from spikeserve.convert.read.limits import Limits

_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, 32000}

_DAMAGED = (OSError, RuntimeError, KeyError, TypeError, ValueError)  # what h5py raises for broken files
_REFERENCE_BYTES = np.dtype(object).itemsize
_BFLOAT16 = np.dtype("V2")  # numpy has no such type; in .h5 files the bytes are marked by this alone


class SafeFile:
    """An HDF5 file opened read-only; only hard links are followed. Use as a context manager."""

    def __init__(self, source: Path | bytes, label: str, limits: Limits) -> None:
        self._limits = limits
        self._parameters = 0
        self.label = label
        check_heaps(source, label)
        try:
            self._file_bytes = len(source) if isinstance(source, bytes) else source.stat().st_size
            self._file = h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r")
        except (OSError, RuntimeError, ValueError) as error:
            raise ConversionError(f"{label}: a damaged HDF5 file: {error}") from error

    def __enter__(self) -> SafeFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if isinstance(error, _DAMAGED) and not isinstance(error, ConversionError):
            raise ConversionError(f"{self.label}: a damaged HDF5 file: {error}") from error

    def find(self, path: str) -> Any | None:
        """The group or dataset at `path` ("" is the root), or None; ConversionError for a link."""
        item: Any = self._file
        for part in [p for p in path.split("/") if p]:
            if part in (".", "..") or not isinstance(item, h5py.Group):
                return None
            link = item.get(part, getlink=True)
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise ConversionError(
                    f"{self.label}: {path!r} is a soft or external link, which is not followed"
                )
            item = item[part]
        return item

    def children(self, path: str) -> list[str]:
        """The member names of a group; none where there is no group."""
        item = self.find(path)
        if not isinstance(item, h5py.Group):
            return []
        if len(item) > self._limits.hdf5_members:
            raise ConversionError(f"{self.label}: {path!r} has {len(item)} members")
        return list(item.keys())

    def attribute(self, path: str, name: str) -> Any | None:
        """An attribute of a fixed-size or string type, or None; strings come back as str."""
        item = self.find(path)
        if item is None or name not in item.attrs:
            return None
        ident = item.attrs.get_id(name)
        limit = self._limits.config_bytes
        count = int(np.prod(ident.shape, dtype=object)) if ident.shape else 1
        declared = count * max(ident.dtype.itemsize, 1)
        if declared > limit:
            raise ConversionError(f"{self.label}: attribute {name!r} is larger than {limit} bytes")
        if ident.dtype.hasobject:
            self._check_references(declared // _REFERENCE_BYTES, name)
        return _plain(item.attrs[name])

    def _check_references(self, count: int, name: str) -> None:
        """Values of variable length are references into the file, and many may refer to the same bytes.

        HDF5 reads an attribute as a whole and only then tells the lengths, so the bound is that each refers
        to the whole file. A single one is always within it; Keras writes lists with a fixed length.
        """
        limit = self._limits.ratio_threshold
        if count > 1 and count * self._file_bytes > limit:
            raise ConversionError(
                f"{self.label}: attribute {name!r} has {count} values of variable length in a file of "
                f"{self._file_bytes} bytes, which may be more than {limit} bytes; save the model with Keras"
            )

    def names(self, path: str, name: str) -> list[str]:
        """A list-of-strings attribute, joined from `name0`, `name1`, ... where it was split."""
        whole = self.attribute(path, name)
        if whole is not None:
            return _strings(whole, self.label, name)
        result: list[str] = []
        index = size = 0
        while (part := self.attribute(path, f"{name}{index}")) is not None:
            strings = _strings(part, self.label, name)
            size += sum(map(len, strings))
            if size > self._file_bytes:
                raise ConversionError(f"{self.label}: attribute {name!r} is longer than the file")
            result += strings
            index += 1
        return result

    def weight(self, path: str, layer: str = "") -> Array:
        """A finite float or integer dataset, of a layer; ConversionError for anything unusual about it."""
        dataset = self.find(path)
        where = f"{self.label}: weight {path!r}" + (f" of '{layer}'" if layer else "")
        if not isinstance(dataset, h5py.Dataset):
            raise ConversionError(f"{where} is missing")
        if dataset.dtype.kind not in "fiu" and dataset.dtype != _BFLOAT16:
            raise ConversionError(f"{where} has the type {dataset.dtype}, wanted numbers")
        self._check_dataset(dataset, where)
        values: Array = np.asarray(dataset[()])
        if values.dtype == _BFLOAT16 or self.attribute(path, "dtype") == "bfloat16":
            values = _widen_bfloat16(values, where)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ConversionError(f"{where} holds NaN or infinity; retrain or repair the model")
        return values

    def is_text(self, path: str) -> bool:
        """True for a dataset of text."""
        dataset = self.find(path)
        return isinstance(dataset, h5py.Dataset) and dataset.dtype.kind in "SO"

    def texts(self, path: str, most: int) -> list[str]:
        """The values of a dataset of text in row-major order, at most so many; one where it is a scalar.

        They are read one by one, and a long one ends it: each of variable length refers into the file, and
        many may refer to the same bytes.
        """
        dataset = self.find(path)
        where = f"{self.label}: {path!r}"
        if not isinstance(dataset, h5py.Dataset) or not self.is_text(path):
            raise ConversionError(f"{where} is {'missing' if dataset is None else 'no text'}")
        self._check_dataset(dataset, where)
        count = math.prod(int(n) for n in dataset.shape or ())
        if count > most:
            raise ConversionError(f"{where} has {count} values, the limit is {most}")
        result = []
        for index in np.ndindex(*(dataset.shape or ())):
            value = _plain(dataset[index])
            if not isinstance(value, str) or len(value) > self._limits.hdf5_text:
                raise ConversionError(f"{where} is no text of at most {self._limits.hdf5_text} characters")
            result.append(value)
        return result

    def _check_dataset(self, dataset: h5py.Dataset, where: str) -> None:
        if dataset.is_virtual:
            raise ConversionError(f"{where} is a virtual dataset, which is not followed")
        if dataset.external:
            raise ConversionError(f"{where} has its data in another file, which is not followed")
        plist = dataset.id.get_create_plist()
        filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
        if not filters <= _FILTERS:
            raise ConversionError(f"{where} uses the HDF5 filters {sorted(filters - _FILTERS)}")
        self._check_chunks(dataset, where)
        self._check_size(dataset, where)

    def _check_chunks(self, dataset: h5py.Dataset, where: str) -> None:
        """A chunk is unpacked as a whole, however few of its values lie in the dataset."""
        size = math.prod(int(n) for n in dataset.chunks or ()) * dataset.dtype.itemsize
        if size > self._limits.hdf5_chunk_bytes:
            raise ConversionError(
                f"{where} is stored in chunks of {size} bytes, limit {self._limits.hdf5_chunk_bytes}"
            )

    def _check_size(self, dataset: h5py.Dataset, where: str) -> None:
        count = 1
        for size in dataset.shape or ():
            count *= int(size)
        declared = count * dataset.dtype.itemsize
        stored = max(dataset.id.get_storage_size(), 1)
        if declared > self._limits.weights_bytes:
            raise ConversionError(f"{where} declares {declared} bytes, over the limit")
        if declared > self._limits.ratio_threshold and declared > self._limits.hdf5_ratio * stored:
            raise ConversionError(f"{where} declares {declared} bytes but stores only {stored}")
        self._parameters += count
        if self._parameters > self._limits.parameters:
            raise ConversionError(f"{self.label}: more than {self._limits.parameters} parameters in the file")


def _widen_bfloat16(values: Array, where: str) -> Array:
    if values.dtype.itemsize != 2:
        raise ConversionError(f"{where} says bfloat16 but has {values.dtype.itemsize}-byte values")
    return (values.view("<u2").astype("<u4") << 16).view("<f4")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, h5py.Empty):
        return None
    return value


def _strings(value: Any, label: str, name: str) -> list[str]:
    items = [_plain(item) for item in np.asarray(value).ravel().tolist()]
    if not all(isinstance(item, str) for item in items):
        raise ConversionError(f"{label}: attribute {name!r} is not a list of names")
    return items
