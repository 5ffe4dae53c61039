"""Models that other frameworks have written, converted and run on a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import spikeserve

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "data" / "models"
Images = npt.NDArray[np.float32]


def digits() -> tuple[Images, npt.NDArray[np.int64]]:
    """Images as torch takes them, channels first, and their labels; the last 397 are for tests."""
    with np.load(MODELS / "digits.npz") as data:
        return (data["images"] / np.float32(16)).reshape(-1, 1, 8, 8), data["labels"]


def test_an_onnx_model_keeps_its_classes(client: spikeserve.Client) -> None:
    images, labels = digits()
    network = spikeserve.convert(
        MODELS / "onnx" / "digits_cnn.onnx", sample_data=images[:500], class_labels=[*"0123456789"]
    )
    floats = spikeserve.float_outputs(network, images[-397:]).argmax(1)
    client.load("digits_cnn", network)
    result = client.simulate("digits_cnn", images[-397:])
    expected = np.mean(floats == labels[-397:])
    assert expected > 0.95
    assert np.mean(result.outputs.argmax(1) == labels[-397:]) >= expected - 0.015  # six images of 397
    assert np.mean(result.outputs.argmax(1) == floats) >= 0.97


def test_outputs_for_each_pixel_come_close_to_those_of_onnxruntime(client: spikeserve.Client) -> None:
    with np.load(MODELS / "onnx" / "unet.npz") as recorded:
        inputs, wanted = recorded["inputs"], recorded["outputs"]
    network = spikeserve.convert(MODELS / "onnx" / "unet.onnx", sample_data=inputs, preset="spikeserve")
    client.load("unet", network)
    result = client.simulate("unet", inputs, steps=2000)
    assert result.outputs.shape == wanted.shape
    # A neuron's count is off by less than a spike: the error falls with the steps, 1 of 4,000 spikes here.
    assert np.abs(result.outputs - wanted).max() <= 0.01 * np.abs(wanted).max()


def test_the_command_line_converts_onnx_files(tmp_path: Path, client: spikeserve.Client) -> None:
    images, _ = digits()
    np.save(tmp_path / "images.npy", images[:200])
    command = [sys.executable, "-m", "spikeserve.cli", "convert", MODELS / "onnx" / "digits_cnn.onnx"]
    options = [tmp_path / "digits.spk", "--sample-data", tmp_path / "images.npy", "--json"]
    done = subprocess.run(
        [str(part) for part in (*command, *options)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["max_error"] < 1e-5
    client.load("digits_cli", spikeserve.load_network(tmp_path / "digits.spk"))
    assert client.simulate("digits_cli", images[:3]).outputs.shape == (3, 10)


@pytest.mark.filterwarnings("ignore::spikeserve.ConversionWarning")  # of a softmax that is kept
@pytest.mark.parametrize("name", ["residual", "residual_old", "unet_one"])
def test_definitions_of_exported_models_are_what_a_server_takes(name: str, client: spikeserve.Client) -> None:
    with np.load(MODELS / "onnx" / f"{name}.npz") as recorded:
        inputs, wanted = recorded["inputs"], recorded["outputs"]
    network = spikeserve.convert(
        MODELS / "onnx" / f"{name}.onnx", sample_data=inputs, preset="accurate", keep_softmax=True
    )
    client.load(name, network)
    result = client.simulate(name, inputs, steps=1000)
    assert np.abs(result.outputs - wanted).max() <= 0.02 * np.abs(wanted).max()
