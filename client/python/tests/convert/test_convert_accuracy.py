"""The accuracy that the presets promise, on real networks and images."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from keras_files import MODELS, outputs, quiet
from step_simulation import StepSimulation

import spikeserve

FASHION = Path("/usr/share/datasets/fashion-mnist")
NETWORKS = ["digits_mlp", "fashion_mlp", "legacy_fashion_mlp", "fashion_lenet", "fashion_cnn"]


@dataclass
class Data:
    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray


def _idx(name: str, header: int) -> np.ndarray:
    path = FASHION / name
    if not path.exists():
        pytest.skip(f"{path} is missing (Debian package dataset-fashion-mnist)")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def load(name: str, train: int = 300, test: int = 1000) -> Data:
    if name == "digits_mlp":
        digits = np.load(MODELS / "digits.npz")
        images = digits["images"].astype(np.float32) / 16
        return Data(images[:train], images[-397:], digits["labels"][-397:])
    shape = (-1, 28, 28) if "mlp" in name else (-1, 28, 28, 1)
    images = [_idx(f"{part}-images-idx3-ubyte.gz", 16).reshape(shape) for part in ("train", "t10k")]
    labels = _idx("t10k-labels-idx1-ubyte.gz", 8)
    scaled = [(array[:n] / np.float32(255)) for array, n in zip(images, (train, test), strict=True)]
    return Data(scaled[0], scaled[1], labels[:test])


def model_path(name: str) -> Path:
    path = MODELS / f"{name}.keras"
    return path if path.exists() else MODELS / f"{name}.h5"


def accuracy(values: np.ndarray, labels: np.ndarray) -> float:
    return 100 * float((values.argmax(axis=-1) == labels).mean())


@pytest.mark.parametrize("name", NETWORKS)
def test_float_accuracy_is_that_of_the_model(name: str) -> None:
    data = load(name)
    (logits,) = outputs(quiet(model_path(name)), data.test)
    stated = {"legacy_fashion_mlp": 0.879}
    report = MODELS / f"{name}.json"
    wanted = json.loads(report.read_text())["float_accuracy_first_1000"] if report.exists() else stated[name]
    assert accuracy(logits, data.labels) == pytest.approx(100 * wanted, abs=0.11)


@pytest.mark.parametrize("name", NETWORKS)
def test_spikeserve_preset_keeps_the_accuracy_in_8_and_16_steps(name: str) -> None:
    data = load(name, test=300 if name == "fashion_cnn" else 1000)
    network = spikeserve.convert(model_path(name), preset="spikeserve", sample_data=data.train)
    assert not network.report.warnings
    (logits,) = outputs(network, data.test)
    means = StepSimulation(network.definition, data.test).run((8, 16))
    best = accuracy(logits, data.labels)
    assert accuracy(means[8], data.labels) >= best - 1
    assert accuracy(means[16], data.labels) >= best - 0.5
    assert accuracy(means[16], logits.argmax(axis=-1)) >= 98.5


@pytest.mark.parametrize("name", ["digits_mlp", "fashion_mlp", "legacy_fashion_mlp"])
def test_spikeserve_preset_is_the_float_network_in_64_steps(name: str) -> None:
    data = load(name)
    network = quiet(model_path(name), preset="spikeserve", sample_data=data.train)
    (logits,) = outputs(network, data.test)
    means = StepSimulation(network.definition, data.test).run((64,))
    assert accuracy(means[64], data.labels) >= accuracy(logits, data.labels) - 0.3
    assert accuracy(means[64], logits.argmax(axis=-1)) >= 99.5


@pytest.mark.parametrize("name", ["digits_mlp", "fashion_mlp", "legacy_fashion_mlp", "fashion_lenet"])
def test_nengo_dl_preset_at_scale_100_keeps_the_accuracy_in_100_steps(name: str) -> None:
    data = load(name, test=200 if name == "fashion_lenet" else 1000)
    network = spikeserve.convert(
        model_path(name), preset="nengo_dl", sample_data=data.train, scale_firing_rates=100
    )
    (logits,) = outputs(network, data.test)
    means = StepSimulation(network.definition, data.test).run((100,))
    assert accuracy(means[100], data.labels) >= accuracy(logits, data.labels) - 1


@pytest.mark.parametrize("preset", ["balanced", "spikeserve"])
@pytest.mark.parametrize("name", ["digits_mlp", "fashion_mlp"])
def test_random_inputs_give_usable_scales_where_there_is_no_data(name: str, preset: str) -> None:
    data = load(name)
    with pytest.warns(spikeserve.ConversionWarning, match="no sample_data.*between 0 and 1"):
        network = spikeserve.convert(model_path(name), preset=preset)
    assert network.definition.defaults.steps == 16
    (logits,) = outputs(network, data.test)
    means = StepSimulation(network.definition, data.test).run((16,))
    assert accuracy(means[16], data.labels) >= accuracy(logits, data.labels) - 1


@pytest.mark.parametrize("name", ["digits_mlp", "fashion_mlp"])
def test_a_hopeless_conversion_warns_and_names_scales_that_work(name: str) -> None:
    data = load(name)
    with pytest.warns(spikeserve.ConversionWarning, match="fewer than one expected spike"):
        hopeless = spikeserve.convert(model_path(name), preset="nengo_dl", sample_data=data.train)
    scales = {item.layer: item.suggested_scale or 0 for item in hopeless.report.layers}
    network = spikeserve.convert(
        model_path(name), preset="nengo_dl", sample_data=data.train, scale_firing_rates=scales
    )
    (logits,) = outputs(network, data.test)
    best = accuracy(logits, data.labels)
    bad = StepSimulation(hopeless.definition, data.test).run((100,))[100]
    good = StepSimulation(network.definition, data.test).run((100,))[100]
    assert accuracy(bad, data.labels) < best - 10
    assert accuracy(good, data.labels) >= best - 1


def test_scale_100_starves_a_deep_network_and_says_so() -> None:
    """The first layer of the CNN then spikes 0.4 times per active neuron and run."""
    data = load("fashion_cnn", test=200)
    with pytest.warns(spikeserve.ConversionWarning, match="'conv2d' .*scale_firing_rates="):
        starved = spikeserve.convert(
            model_path("fashion_cnn"), preset="nengo_dl", scale_firing_rates=100, sample_data=data.train
        )
    (suggested,) = [i.suggested_scale for i in starved.report.layers if i.suggested_scale is not None]
    assert 500 < suggested < 2000
