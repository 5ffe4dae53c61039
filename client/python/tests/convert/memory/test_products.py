"""Products of two signals, as in squeeze-and-excitation, as populations with memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, h5_file, input_layer, keras_file, neurons, outputs, quiet
from test_memory_presets import called, record

import spikeserve
from spikeserve import ConversionError
from spikeserve.convert.memory.counts import run_counts
from spikeserve.v1 import network_pb2 as pb

RNG = np.random.default_rng(21)
IMAGES = RNG.uniform(-1, 1, (200, 6, 6, 3)).astype("f4")
Weights = dict[str, tuple[np.ndarray, np.ndarray]]


def model(folder: Path, shape: list[int], layers: list[dict[str, Any]], weights: Weights) -> Path:
    """A Functional model of one input `x`, whose output is the last layer."""
    records = [record("InputLayer", "x", [], batch_input_shape=[None, *shape]), *layers]
    outs = [[layers[-1]["name"], 0, 0]]
    config = {"name": "m", "layers": records, "input_layers": [["x", 0, 0]], "output_layers": outs}
    stored = {name: {f"{name}/kernel:0": w, f"{name}/bias:0": b} for name, (w, b) in weights.items()}
    return h5_file(folder, {"class_name": "Functional", "config": config}, stored)


def dense(inputs: int, units: int) -> tuple[np.ndarray, np.ndarray]:
    return RNG.normal(size=(inputs, units)).astype("f4"), RNG.normal(size=units).astype("f4") / 2


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x.astype(np.float64))))


def products(network: spikeserve.Network) -> list[pb.Operation]:
    return [op for op in network.definition.operations if op.HasField("product")]


def check(path: Path, wanted: np.ndarray, samples: np.ndarray, **options: Any) -> spikeserve.Network:
    """Rates are the model's, and the counts of a long run come to them."""
    network = quiet(path, sample_data=samples, **options)
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-6
    assert outputs(network, samples)[0] == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    values = run_counts(network.definition, {"x": samples}, 2000)
    found = values[network.definition.probes[0].target]
    assert np.abs(found - wanted).max() < 0.01 * np.abs(wanted).max()
    return network


def squeeze_and_excite(folder: Path, first: bool = False) -> tuple[Path, np.ndarray]:
    """A map of 8 channels times a gate for each channel, then a Dense layer; and its outputs."""
    weights = {"a": dense(3, 8), "gate": dense(8, 8), "out": dense(8, 4)}
    layers = [
        record("Dense", "a", called("x"), units=8, activation="relu"),
        record("GlobalAveragePooling2D", "squeeze", called("a")),
        record("Dense", "gate", called("squeeze"), units=8, activation="sigmoid"),
        record("Reshape", "spread", called("gate"), target_shape=[1, 1, 8]),
        record("Multiply", "excite", called(*(("spread", "a") if first else ("a", "spread")))),
        record("Dense", "out", called("excite"), units=4),
    ]
    a = np.maximum(IMAGES @ weights["a"][0] + weights["a"][1], 0)
    gate = sigmoid(a.mean(axis=(1, 2)) @ weights["gate"][0] + weights["gate"][1])
    wanted = (a * gate[:, None, None]) @ weights["out"][0] + weights["out"][1]
    return model(folder, [6, 6, 3], layers, weights), wanted


@pytest.mark.parametrize("first", [False, True])
def test_a_gate_for_each_channel(tmp_path: Path, first: bool) -> None:
    path, wanted = squeeze_and_excite(tmp_path, first)
    network = check(path, wanted, IMAGES)
    (product,) = products(network)
    assert product.product.output_scale.tensor  # each channel has its quantum
    sources = {c.source for c in network.definition.connections if c.target == product.name}
    assert sources == {"a/neuron", "spread"} or sources == {"a/neuron", "excite/reshape"}


def test_two_maps_and_their_sign(tmp_path: Path) -> None:
    """What no population sends is sent first; a product of a value and itself is its square."""
    x = RNG.uniform(-1, 1, (200, 5)).astype("f4")
    weights = {"a": dense(5, 4), "b": dense(5, 4)}
    layers = [
        record("Dense", "a", called("x"), units=4, activation="linear"),
        record("Dense", "b", called("x"), units=4, activation="tanh"),
        record("Multiply", "both", called("a", "b", "a")),
        record("Flatten", "flat", called("both")),
    ]
    a, b = (x @ weights[name][0] + weights[name][1] for name in "ab")
    network = check(model(tmp_path, [5], layers, weights), a * np.tanh(b) * a, x)
    assert len(products(network)) == 2
    assert "'both' multiplies a linear result, of which neurons with memory ('both/neuron')" in (
        network.report.text()
    )


def test_a_factor_of_a_population_is_behind_the_product(tmp_path: Path) -> None:
    """As of a hard sigmoid that is spelled out: ReLU6(x + 3) / 6."""
    x = RNG.uniform(-1, 1, (100, 5)).astype("f4")
    layers = [
        record("ReLU", "a", called("x")),
        record("Rescaling", "more", called("x"), scale=4.0, offset=3.0),
        record("ReLU", "bounded", called("more"), max_value=6.0),
        record("Rescaling", "sixth", called("bounded"), scale=1 / 6),
        record("Multiply", "both", called("a", "sixth")),
        record("Flatten", "flat", called("both")),
    ]
    wanted = np.maximum(x, 0) * np.clip(4 * x + 3, 0, 6) / 6
    network = check(model(tmp_path, [5], layers, {}), wanted, x)
    assert len(neurons(network)) == 2


def test_fewer_axes_are_spread_as_keras_does(tmp_path: Path) -> None:
    x = RNG.uniform(0, 1, (100, 4, 3)).astype("f4")
    layers = [
        record("ReLU", "a", called("x")),
        record("GlobalAveragePooling1D", "mean", called("a")),
        record("ReLU", "b", called("mean")),
        record("Multiply", "both", called("b", "a")),
    ]
    check(model(tmp_path, [4, 3], layers, {}), x * x.mean(axis=1, keepdims=True), x)


def test_products_in_other_layouts(tmp_path: Path) -> None:
    """One factor is stored with its axes in another order."""
    x = RNG.uniform(-1, 1, (100, 4, 3)).astype("f4")
    layers = [
        record("ReLU", "a", called("x")),
        record("Permute", "turned", called("a"), dims=[2, 1]),
        record("Dense", "b", called("turned"), units=4, activation="relu"),
        record("Permute", "back", called("b"), dims=[2, 1]),
        record("Multiply", "both", called("a", "back")),
    ]
    weights = {"b": dense(4, 4)}
    a = np.maximum(x, 0)
    b = np.maximum(a.transpose(0, 2, 1) @ weights["b"][0] + weights["b"][1], 0).transpose(0, 2, 1)
    check(model(tmp_path, [4, 3], layers, weights), a * b, x)


def test_pools_take_products(tmp_path: Path) -> None:
    x = RNG.uniform(-1, 1, (100, 6, 3)).astype("f4")
    layers = [
        record("ReLU", "a", called("x")),
        record("Dense", "b", called("a"), units=3, activation="sigmoid"),
        record("Multiply", "both", called("a", "b")),
        record("MaxPooling1D", "pool", called("both"), pool_size=2),
        record("Dense", "out", called("pool"), units=2),
    ]
    weights = {"b": dense(3, 3), "out": dense(3, 2)}
    a = np.maximum(x, 0)
    both = a * sigmoid(a @ weights["b"][0] + weights["b"][1])
    wanted = both.reshape(100, 3, 2, 3).max(axis=2) @ weights["out"][0] + weights["out"][1]
    network = check(model(tmp_path, [6, 3], layers, weights), wanted, x)
    assert len(neurons(network)) == 2  # none that only repeats


def test_filters_and_delays_are_behind_the_product(tmp_path: Path) -> None:
    path, _ = squeeze_and_excite(tmp_path)
    network = quiet(path, sample_data=IMAGES, synapse=0.01, delay_steps={"excite": 2})
    late = {
        (c.source, c.target): c.delay_steps for c in network.definition.connections if c.HasField("synapse")
    }
    assert late == {("a/neuron", "squeeze"): 0, ("excite", "out"): 2}


def test_scales_and_reports(tmp_path: Path) -> None:
    path, wanted = squeeze_and_excite(tmp_path)
    network = quiet(path, sample_data=IMAGES, scale_firing_rates={"excite": 500})
    (product,) = products(network)
    assert product.product.amplitude == 1 / 500
    assert outputs(network, IMAGES)[0] == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    (report,) = [item for item in network.report.layers if item.layer == "excite"]
    assert (report.model, report.neurons, report.scale) == ("product", 6 * 6 * 8, 500)
    assert "excite" in network.summary()


def test_few_levels_keep_classes(tmp_path: Path) -> None:
    path, wanted = squeeze_and_excite(tmp_path)
    names = [f"{i}-{j}-{k}" for i in range(6) for j in range(6) for k in range(4)]
    network = quiet(path, sample_data=IMAGES, class_labels=names, preset="accurate")
    values = run_counts(network.definition, {"x": IMAGES}, 8)
    found = values[network.definition.probes[0].target]
    assert math.sqrt(float(np.mean((found - wanted) ** 2))) < 0.06 * float(wanted.std())


def test_products_without_memory_are_refused(tmp_path: Path) -> None:
    path, _ = squeeze_and_excite(tmp_path)
    with pytest.raises(
        ConversionError, match="a product takes neurons with memory, and reads IntegrateAndFire; preset"
    ):
        spikeserve.convert(path, preset="spikeserve", swap_activations={"sigmoid": "RegularSpiking(Sigmoid)"})


def test_one_factor_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="called with 1 tensor"):
        spikeserve.convert(keras_file(tmp_path, input_layer(4), L("ReLU"), L("Multiply")))


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    layers = [
        record("ReLU", "a", called("x")),
        record("Cropping1D", "less", called("a"), cropping=[1, 1]),
        record("Multiply", "both", called("a", "less")),
    ]
    with pytest.raises(ConversionError, match=r"multiplies the shapes \(6, 3\) and \(4, 3\)"):
        spikeserve.convert(model(tmp_path, [6, 3], layers, {}))
