"""Chooses the reader for whatever was given as a model."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.graph import SourceModel
from spikeserve.convert.read.keras_h5 import read_keras_h5
from spikeserve.convert.read.keras_zip import read_keras_zip
from spikeserve.convert.read.limits import DEFAULT_LIMITS, Limits
from spikeserve.convert.read.live import is_live_model, read_live_model

_ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def read_model(model: Any, limits: Limits = DEFAULT_LIMITS) -> SourceModel:
    """Reads a path, a (model.json, weights.h5) pair or a live model.

    Files are recognised by their first bytes. Raises ConversionError for what cannot be read and
    FileNotFoundError for a missing file.
    """
    if is_live_model(model):
        return read_live_model(model, limits)
    if isinstance(model, (tuple, list)) and len(model) == 2:
        source = read_keras_h5(Path(model[1]), limits, json_path=Path(model[0]))
        return replace(source, sha256=_digest(Path(model[1])))
    if not isinstance(model, (str, os.PathLike)):
        raise ConversionError(
            f"{type(model).__name__} is not a model; give a path to a .keras or .h5 file, "
            "a (model.json, weights.h5) pair or a Keras model"
        )
    return _read_path(Path(model), limits)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _read_path(path: Path, limits: Limits) -> SourceModel:
    if path.is_dir():
        raise ConversionError(
            f"{path}: a folder (a TensorFlow SavedModel?) cannot be read; "
            "load it in Keras and save it with model.save('model.keras')"
        )
    with path.open("rb") as stream:
        magic = stream.read(8)
    if magic.startswith(_ZIP_MAGIC):
        return replace(read_keras_zip(path, limits), sha256=_digest(path))
    if magic == HDF5_MAGIC:
        return replace(read_keras_h5(path, limits), sha256=_digest(path))
    if magic[:1] == b"{":
        raise ConversionError(
            f"{path}: a JSON configuration alone has no weights; use convert(('model.json', 'weights.h5'))"
        )
    raise ConversionError(
        f"{path}: neither a .keras archive nor an HDF5 file; save it with model.save('model.keras')"
    )
