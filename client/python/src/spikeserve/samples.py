"""Samples and labels from files: .npy, .npz, IDX (also .gz), CSV (also .gz) and PNG."""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

MAX_BYTES = 1 << 31  # of one array, whatever a header or a compressed file claims

_CSV = (".csv", ".csv.gz")
_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class SampleFileError(ValueError):
    """A file that holds no usable array; the message names the file and the reason."""


def read_samples(paths: Sequence[str | Path]) -> npt.NDArray[Any]:
    """The arrays of all files, joined along the batch; every PNG is one sample (uint8, grey or RGB)."""
    arrays = [read_array(path) for path in paths]
    if not arrays:
        raise SampleFileError("no file was given")
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) != 1:
        raise SampleFileError(f"the files hold samples of different shapes: {sorted(map(list, shapes))}")
    types = {str(path): array.dtype for path, array in zip(paths, arrays, strict=True)}
    if len({dtype == np.uint8 for dtype in types.values()}) != 1:
        listed = ", ".join(f"{path} ({dtype})" for path, dtype in types.items())
        raise SampleFileError(f"the files mix bytes, which are scaled, with other numbers: {listed}")
    return np.concatenate(arrays)


def read_array(path: str | Path) -> npt.NDArray[Any]:
    """One array. SampleFileError or OSError.

    NAME.npz:KEY picks one of several in an .npz file. A .csv file is [rows, columns], [rows] where it has one
    column; NAME.csv:A,B picks columns by the names in its first row, NAME.csv:-A all but those.
    """
    source, key = _split_key(str(path))
    if source.name.lower().endswith(_CSV):
        return _read_csv(source, key)
    with source.open("rb") as stream:
        magic = stream.read(8)
    if magic.startswith(b"\x93NUMPY"):
        return _read_npy(source)
    if magic.startswith(b"PK"):
        return _read_npz(source, key)
    if magic.startswith(b"\x89PNG"):
        return _read_png(source)
    if magic.startswith(b"\x1f\x8b"):
        with gzip.open(source) as packed:
            return _read_idx(source, packed)
    if magic.startswith(b"\0\0"):
        with source.open("rb") as stream:
            return _read_idx(source, stream)
    raise SampleFileError(f"{source}: not a .npy, .npz, IDX, IDX.gz, PNG or .csv file")


def fit_shape(samples: npt.NDArray[Any], shape: Sequence[int]) -> npt.NDArray[Any]:
    """`samples` as [batch, shape...]: one sample gets a batch, equal sizes are reshaped."""
    wanted = tuple(shape)
    if samples.shape == wanted:
        return samples[np.newaxis]
    if samples.shape[1:] == wanted:
        return samples
    if samples.ndim > 0 and math.prod(samples.shape[1:]) == math.prod(wanted):
        return samples.reshape(len(samples), *wanted)
    wants = ", ".join(map(str, wanted))
    raise SampleFileError(f"the samples have shape {list(samples.shape)}, the network takes [batch, {wants}]")


def fit_steps(samples: npt.NDArray[Any], shape: Sequence[int]) -> npt.NDArray[Any]:
    """`samples` as [batch, steps, shape...]: one value per step; SampleFileError for anything else."""
    wanted = tuple(shape)
    if samples.ndim > 1 and math.prod(samples.shape[2:]) == math.prod(wanted):
        return samples.reshape(*samples.shape[:2], *wanted)
    wants = ", ".join(map(str, wanted))
    raise SampleFileError(
        f"the samples have shape {list(samples.shape)}, --per-step takes [batch, steps, {wants}]"
    )


def _split_key(text: str) -> tuple[Path, str | None]:
    base, colon, key = text.rpartition(":")
    if colon and base.lower().endswith((".npz", *_CSV)) and not Path(text).exists():
        return Path(base), key
    return Path(text), None


def _read_npy(source: Path) -> npt.NDArray[Any]:
    try:
        mapped = np.load(source, mmap_mode="r", allow_pickle=False)
        return np.array(mapped)
    except (ValueError, EOFError) as error:
        raise SampleFileError(f"{source}: not a usable .npy file: {error}") from error


def _read_csv(source: Path, key: str | None) -> npt.NDArray[Any]:
    """Numbers in rows; a first row that holds none names the columns. Whole numbers come as integers."""
    try:
        with _open_text(source) as stream:
            text = stream.read(MAX_BYTES + 1)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SampleFileError(f"{source}: not a usable .csv file: {error}") from error
    if len(text) > MAX_BYTES:
        raise SampleFileError(f"{source}: it has more than {MAX_BYTES:,} characters, the limit")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise SampleFileError(f"{source}: it is empty")
    separator = max(",;\t", key=lines[0].count)
    names = [cell.strip().strip('"') for cell in lines[0].split(separator)]
    named = not all(_is_number(name) for name in names)
    if len(lines) == named:
        raise SampleFileError(f"{source}: it has no rows")
    columns = None if key is None else _columns(source, key, names if named else None)
    try:
        values = np.loadtxt(
            lines[named:], delimiter=separator, usecols=columns, ndmin=2, comments=None, quotechar='"'
        )
    except ValueError as error:
        raise SampleFileError(f"{source}: not a usable .csv file: {error}") from error
    if np.isfinite(values).all() and (values == np.round(values)).all() and np.abs(values).max() < 2**53:
        values = values.astype(np.int64)
    return values[:, 0] if values.shape[1] == 1 else values


def _open_text(source: Path) -> IO[str]:
    if source.name.lower().endswith(".gz"):
        return gzip.open(source, "rt", encoding="utf-8-sig")
    return source.open(encoding="utf-8-sig")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _columns(source: Path, key: str, names: Sequence[str] | None) -> list[int]:
    """The positions of the columns that are asked for."""
    wanted = key.removeprefix("-").split(",")
    if names is None:
        raise SampleFileError(f"{source}:{key}: the file has no row of names to pick columns by")
    missing = [name for name in wanted if name not in names]
    if missing:
        shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise SampleFileError(f"{source}: there is no column '{missing[0]}', it has {shown}")
    if key.startswith("-"):
        return [place for place, name in enumerate(names) if name not in wanted]
    return [names.index(name) for name in wanted]


def _read_npz(source: Path, key: str | None) -> npt.NDArray[Any]:
    try:
        with np.load(source, allow_pickle=False) as archive:
            name = key or (archive.files[0] if len(archive.files) == 1 else None)
            if name not in archive.files:
                raise SampleFileError(f"{source}: pick one array, as in {source}:{_names(archive.files)}")
            size = archive.zip.getinfo(f"{name}.npy").file_size
            if size > MAX_BYTES:
                raise SampleFileError(f"{source}: '{name}' has {size:,} bytes, the limit is {MAX_BYTES:,}")
            array: npt.NDArray[Any] = archive[name]
            return array
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as error:
        if isinstance(error, SampleFileError):
            raise
        raise SampleFileError(f"{source}: not a usable .npz file: {error}") from error


def _names(names: Sequence[str]) -> str:
    return "|".join(names) if names else "(it is empty)"


def _read_idx(source: Path, stream: IO[bytes] | gzip.GzipFile) -> npt.NDArray[Any]:
    """The format of the MNIST files: type and rank in 4 bytes, big-endian sizes, then the values."""
    try:
        zeros, code, rank = struct.unpack(">HBB", stream.read(4))
        if zeros != 0 or code not in _IDX_TYPES or rank == 0:
            raise SampleFileError(f"{source}: not an IDX file")
        shape = struct.unpack(f">{rank}I", stream.read(4 * rank))
        dtype = np.dtype(_IDX_TYPES[code])
        size = math.prod(shape) * dtype.itemsize
        if size > MAX_BYTES:
            raise SampleFileError(f"{source}: {size:,} bytes, the limit is {MAX_BYTES:,}")
        data = stream.read(size + 1)
    except (struct.error, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SampleFileError(f"{source}: damaged: {error}") from error
    if len(data) != size:
        raise SampleFileError(f"{source}: the header promises {size:,} bytes, there are others")
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_png(source: Path) -> npt.NDArray[Any]:
    try:
        from PIL import Image
    except ImportError:
        raise SampleFileError(f"{source}: reading PNG files takes Pillow: install spikeserve[plot]") from None
    try:
        with Image.open(source, formats=["PNG"]) as image:
            grey = image.mode in ("1", "L", "LA", "I", "I;16")
            return np.asarray(image.convert("L" if grey else "RGB"))[np.newaxis]
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise SampleFileError(f"{source}: not a usable PNG file: {error}") from error
