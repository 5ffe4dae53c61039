"""Models as exporters write them, and what they compute (`tests/data/models/onnx/generate.py`)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from keras_files import MODELS, kinds, outputs, quiet

import spikeserve

ONNX = MODELS / "onnx"
NAMES = ("digits_cnn", "residual", "residual_old", "unet", "unet_one")


@pytest.mark.parametrize("name", NAMES)
def test_exported_models_compute_what_onnxruntime_computes(name: str) -> None:
    network = quiet(ONNX / f"{name}.onnx", keep_softmax=True)
    with np.load(ONNX / f"{name}.npz") as recorded:
        (got,) = outputs(network, recorded["inputs"])
        wanted = recorded["outputs"]
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1e-5 * float(np.abs(wanted).max())


def test_normalizations_are_folded_and_flattening_moves_weights() -> None:
    assert kinds(quiet(ONNX / "digits_cnn.onnx")) == [
        "input", "reshape", "conv", "neuron", "pool", "conv", "neuron", "pool", "reshape", "affine", "neuron",
        "affine",
    ]  # fmt: skip
    assert "scale_shift" not in kinds(quiet(ONNX / "residual.onnx"))


def test_external_data_count_for_the_digest(tmp_path: Path) -> None:
    for name in ("unet.onnx", "unet.onnx.data"):
        shutil.copy(ONNX / name, tmp_path / name)
    first = quiet(tmp_path / "unet.onnx").definition.provenance.source_sha256
    data = bytearray((tmp_path / "unet.onnx.data").read_bytes())
    data[0] ^= 1  # the least bit of a weight
    (tmp_path / "unet.onnx.data").write_bytes(data)
    assert quiet(tmp_path / "unet.onnx").definition.provenance.source_sha256 != first


def test_the_ending_of_the_name_does_not_matter(tmp_path: Path) -> None:
    shutil.copy(ONNX / "digits_cnn.onnx", tmp_path / "digits")
    network = quiet(tmp_path / "digits")
    assert network.definition.operations == quiet(ONNX / "digits_cnn.onnx").definition.operations


def test_a_preset_with_samples_keeps_the_classes() -> None:
    with np.load(MODELS / "digits.npz") as data:
        images = (data["images"] / 16).reshape(-1, 1, 8, 8).astype("f4")
    network = spikeserve.convert(
        ONNX / "digits_cnn.onnx", sample_data=images[:500], class_labels=[*"0123456789"]
    )
    assert network.definition.defaults.steps == 2
    assert not network.report.warnings
