"""Real Keras files of both generations give what Keras computed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from keras_files import MODELS, kinds, outputs, quiet

TRAINED = sorted([*MODELS.glob("*.keras"), *MODELS.glob("*.h5")])
LAYERS = sorted([*(MODELS / "layers").glob("*.keras"), *(MODELS / "layers").glob("*.h5")])


def test_the_files_are_there() -> None:
    assert len(TRAINED) >= 8
    assert len(LAYERS) == 18


@pytest.mark.parametrize("path", [p for p in TRAINED if "legacy" not in p.name], ids=lambda p: p.name)
def test_trained_networks_give_the_outputs_of_keras(path: Path) -> None:
    reference = np.load(path.with_suffix("").with_suffix(".reference.npz"))
    (got,) = outputs(quiet(path, keep_softmax=True), reference["inputs"])
    assert np.abs(got - reference["outputs"]).max() < 1e-5 * np.abs(reference["outputs"]).max()


@pytest.mark.parametrize("path", LAYERS, ids=lambda p: p.name)
def test_every_layer_gives_the_outputs_of_keras(path: Path) -> None:
    stored = np.load(path.with_suffix(".npz"))
    network = quiet(path, keep_softmax=True)
    names = [op.name for op in network.definition.operations if op.HasField("input")]
    inputs = [stored[key] for key in stored if key.startswith("input_")]
    if len(names) > 1:
        inputs = [stored[f"input_{name}"] for name in names]
    tolerance = 1e-2 if path.stem == "float16" else 2e-6  # Keras computes that one in 16 bits
    got = outputs(network, *inputs)
    wanted = [stored[key] for key in sorted(stored) if key.startswith("output_")]
    assert len(got) == len(wanted)
    for ours, keras in zip(got, wanted, strict=True):
        assert ours.shape == keras.shape
        assert np.abs(ours - keras).max() <= tolerance * np.abs(keras).max()


@pytest.mark.parametrize("path", LAYERS, ids=lambda p: p.name)
def test_the_rate_check_ran_and_passed(path: Path) -> None:
    error = quiet(path).report.max_error
    assert error is not None
    assert error < 1e-6


@pytest.mark.parametrize("name", ["digits_mlp", "fashion_lenet", "layers/conv2d", "layers/branches"])
def test_both_file_formats_give_one_network(name: str) -> None:
    ours, theirs = (quiet(MODELS / f"{name}.{kind}").definition for kind in ("keras", "h5"))
    for definition in (ours, theirs):
        definition.ClearField("provenance")
    assert ours == theirs


def test_provenance_names_the_file() -> None:
    path = MODELS / "digits_mlp.h5"
    provenance = quiet(path).definition.provenance
    assert provenance.source_format == "keras .h5 (Keras 3.15.1)"
    assert provenance.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert provenance.converter_version.startswith("spikeserve ")


def test_batch_normalization_and_permutations_leave_no_trace() -> None:
    assert "scale_shift" not in kinds(quiet(MODELS / "layers/residual.keras"))
    assert kinds(quiet(MODELS / "layers/channels_first.keras")).count("permute") == 1  # at the input
