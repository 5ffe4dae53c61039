"""Chooses the reader for whatever was given as a model."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.graph import InputShape, SourceModel
from spikeserve.convert.read.keras_h5 import read_keras_h5
from spikeserve.convert.read.keras_zip import read_keras_zip
from spikeserve.convert.read.limits import DEFAULT_LIMITS, Limits
from spikeserve.convert.read.live import is_live_model, read_live_model
from spikeserve.convert.read.onnx.reader import read_onnx
from spikeserve.convert.read.strangers import HEAD_BYTES, file_advice, folder_advice, looks_like_onnx
from spikeserve.convert.read.torch.live import is_torch_module, read_torch_module

_ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def read_model(model: Any, input_shape: InputShape = None, limits: Limits = DEFAULT_LIMITS) -> SourceModel:
    """Reads a path, a (model.json, weights.h5) pair or a live model.

    `input_shape`, without batch, is for ONNX files that leave it open and for torch modules, which have to be
    traced. Files are recognised by their first bytes. Raises ConversionError for what cannot be read and
    FileNotFoundError for a missing file.
    """
    if is_live_model(model):
        return read_live_model(model, limits)
    if is_torch_module(model):
        return read_torch_module(model, limits, input_shape)
    if isinstance(model, (tuple, list)) and len(model) == 2:
        source = read_keras_h5(Path(model[1]), limits, json_path=Path(model[0]))
        return replace(source, sha256=_digest(Path(model[1])))
    if not isinstance(model, (str, os.PathLike)):
        raise ConversionError(
            f"{type(model).__name__} is not a model; give a path to a .keras, .h5 or .onnx file, "
            "a (model.json, weights.h5) pair, a Keras model or a torch.nn.Module"
        )
    return _read_path(Path(model), limits, input_shape)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _read_path(path: Path, limits: Limits, input_shape: InputShape) -> SourceModel:
    if path.is_dir():
        raise ConversionError(f"{path}: {folder_advice(path)}")
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if head.startswith(_ZIP_MAGIC):
        return replace(read_keras_zip(path, limits), sha256=_digest(path))
    if head.startswith(HDF5_MAGIC):
        return replace(read_keras_h5(path, limits), sha256=_digest(path))
    advice = file_advice(path, head)
    if advice is not None:
        raise ConversionError(f"{path}: {advice}")
    if path.suffix.lower() == ".onnx" or looks_like_onnx(head):
        return read_onnx(path, limits, input_shape)
    raise ConversionError(
        f"{path}: neither a .keras archive nor an HDF5 file nor an ONNX file; save it with "
        "model.save('model.keras'), or export it to ONNX"
    )
