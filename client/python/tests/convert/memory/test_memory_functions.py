"""Activations beside ReLU as neurons with memory: rates, counts, scales, and where they stand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, h5_file, input_layer, keras_file, kinds, neurons, outputs, quiet, random_dense

import spikeserve
from spikeserve import ConversionError, MemoryFunction
from spikeserve.convert.definition.summary import settings_lines
from spikeserve.convert.memory.counts import run_counts
from spikeserve.convert.models.neurons import as_neuron

RNG = np.random.default_rng(12)
SAMPLES = RNG.uniform(-1, 1, (300, 6)).astype("f4")


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def gelu_tanh(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def elu(x: float, alpha: float = 1.0) -> float:
    return x if x > 0 else alpha * (math.exp(x) - 1)


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


# As Keras defines them, one number at a time.
KINDS: dict[str, Callable[[float], float]] = {
    "sigmoid": sigmoid,
    "tanh": math.tanh,
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "gelu": lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))),
    "elu": elu,
    "selu": lambda x: 1.05070098 * elu(x, 1.67326324),
    "softplus": softplus,
    "mish": lambda x: x * math.tanh(softplus(x)),
    "hard_sigmoid": lambda x: min(max(x / 6 + 0.5, 0), 1),
    "hard_silu": lambda x: x * min(max(x / 6 + 0.5, 0), 1),
    "exponential": math.exp,
    "softsign": lambda x: x / (1 + abs(x)),
}


def two_layers(folder: Path, activation: Any, **config: Any) -> tuple[Path, list[np.ndarray]]:
    """6 -> 8 with the activation -> 3; and the weights."""
    hidden, out = random_dense(6, 8, activation, name="hidden", **config), random_dense(8, 3, seed=1)
    return keras_file(folder, input_layer(6), hidden, out), [*hidden.weights, *out.weights]


def floats(weights: list[np.ndarray], function: Callable[[float], float]) -> np.ndarray:
    """The model's outputs, from the definition of the function."""
    drive = SAMPLES.astype(np.float64) @ weights[0] + weights[1]
    return np.asarray(np.vectorize(function)(drive) @ weights[2] + weights[3])


def error_of_a_run(network: spikeserve.Network, wanted: np.ndarray, steps: int) -> float:
    values = run_counts(network.definition, {"input": SAMPLES}, steps)
    found = values[network.definition.probes[0].target]
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("preset", ["balanced", "accurate"])
def test_rates_and_counts_are_those_of_the_function(tmp_path: Path, kind: str, preset: str) -> None:
    path, weights = two_layers(tmp_path, kind)
    network = quiet(path, preset=preset, sample_data=SAMPLES, class_labels=list("abc"))
    wanted = floats(weights, KINDS[kind])
    assert outputs(network, SAMPLES)[0] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    assert error_of_a_run(network, wanted, 1000) < 0.002
    assert error_of_a_run(network, wanted, 100) < 0.02
    (neuron,) = neurons(network).values()
    assert neuron.WhichOneof("model") == "memory_function"
    assert not neuron.HasField("gain")
    assert neuron.output_scale.tensor  # one for each channel
    assert neuron.initial_voltage.tensor  # that takes the mean of the rounding away


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (L("ELU", {"alpha": 0.5}), lambda x: elu(x, 0.5)),
        (L("ELU", {}), elu),
        (L("Activation", {"activation": "tanh"}), math.tanh),
        (L("Activation", {"activation": "celu"}), elu),
        (L("Activation", {"activation": "gelu_tanh"}), gelu_tanh),
        (L("Activation", {"activation": "hard_swish"}), KINDS["hard_silu"]),
    ],
    ids=["elu-alpha", "elu", "tanh", "celu", "gelu_tanh", "hard_swish"],
)
def test_layers_that_are_activations(tmp_path: Path, layer: L, function: Callable[[float], float]) -> None:
    hidden, out = random_dense(6, 8), random_dense(8, 3, seed=1)
    network = quiet(keras_file(tmp_path, input_layer(6), hidden, layer, out), sample_data=SAMPLES)
    wanted = floats([*hidden.weights, *out.weights], function)
    assert outputs(network, SAMPLES)[0] == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_the_hard_sigmoid_of_keras_2_is_steeper(tmp_path: Path) -> None:
    hidden, out = random_dense(6, 8), random_dense(8, 3, seed=1)
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 6], "name": "input"}},
        {"class_name": "Dense", "config": {"name": "a", "units": 8, "activation": "hard_sigmoid"}},
        {"class_name": "Dense", "config": {"name": "b", "units": 3, "activation": "linear"}},
    ]
    weights = {
        name: {f"{name}/kernel:0": layer.weights[0], f"{name}/bias:0": layer.weights[1]}
        for name, layer in (("a", hidden), ("b", out))
    }
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    network = quiet(h5_file(tmp_path, config, weights), sample_data=SAMPLES)
    wanted = floats([*hidden.weights, *out.weights], lambda x: min(max(0.2 * x + 0.5, 0), 1))
    assert outputs(network, SAMPLES)[0] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    assert "scale_shift" not in kinds(network)  # the factor is in the weights


@pytest.mark.parametrize("kind", ["tanh", "softplus", "silu"])
def test_the_largest_of_a_function_that_rises_is_that_of_the_largest(tmp_path: Path, kind: str) -> None:
    """So that the pool needs no population of its own."""
    x = RNG.uniform(-2, 2, (100, 8, 4)).astype("f4")
    layers = [L("Rescaling", {"scale": 1.5}), L("MaxPooling1D"), L("Activation", {"activation": kind})]
    last = L("GlobalAveragePooling1D")
    network = quiet(keras_file(tmp_path, input_layer(8, 4), *layers, last), sample_data=x)
    largest = 1.5 * x.astype(np.float64).reshape(100, 4, 2, 4).max(axis=2)
    wanted = np.vectorize(KINDS[kind])(largest).mean(axis=1)
    assert outputs(network, x)[0] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    assert len(neurons(network)) == (2 if kind == "silu" else 1)
    values = run_counts(network.definition, {"input": x}, 500)
    found = values[network.definition.probes[0].target]
    assert np.abs(found - wanted).max() < 0.01 * np.abs(wanted).max()


def test_scales_multiply_what_the_function_gives(tmp_path: Path) -> None:
    path, weights = two_layers(tmp_path, "tanh")
    network = quiet(path, sample_data=SAMPLES, scale_firing_rates=2000)
    (neuron,) = neurons(network).values()
    assert neuron.output_scale.scalar == 2000
    assert neuron.memory_function.amplitude == 1 / 2000
    assert outputs(network, SAMPLES)[0] == pytest.approx(floats(weights, math.tanh), rel=1e-5, abs=1e-5)
    assert network.report.layers[0].scale == 2000
    assert "output scale 2000" in "\n".join(settings_lines(network.definition))


def test_sparse_searches_with_functions_too(tmp_path: Path) -> None:
    samples = RNG.uniform(-1, 1, (900, 6)).astype("f4")
    path, _ = two_layers(tmp_path, "gelu")
    network = quiet(path, preset="sparse", sample_data=samples, class_labels=list("abc"))
    values = run_counts(network.definition, {"input": samples}, 1)
    wanted = outputs(quiet(path, sample_data=samples), samples)[0].argmax(axis=-1)
    assert np.mean(values[network.definition.probes[0].target].argmax(axis=-1) == wanted) > 0.9


def test_other_presets_say_which_has_them(tmp_path: Path) -> None:
    path, _ = two_layers(tmp_path, "gelu")
    with pytest.raises(ConversionError, match="take preset 'accurate' or 'balanced'"):
        spikeserve.convert(path, preset="spikeserve")


def test_neurons_given_by_the_caller(tmp_path: Path) -> None:
    path, weights = two_layers(tmp_path, "relu")
    swap = {"relu": "MemoryFunction(function='softplus')"}
    network = quiet(path, preset="spikeserve", sample_data=SAMPLES, swap_activations=swap)
    assert outputs(network, SAMPLES)[0] == pytest.approx(floats(weights, softplus), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MemoryFunction", "wants its function, e.g. MemoryFunction"),
        ("MemoryFunction(function='cosine')", "function is 'cosine', wanted one of sigmoid, tanh"),
        ("MemoryFunction(function='tanh', alpha=1)", "wanted 0 for any function but elu"),
        ("MemoryFunction(function='normalise')", "alpha is 0.0, wanted a number above 0"),
        ("MemoryFunction(function='tanh', amplitude=0)", "amplitude is 0"),
        ("MemoryFunction(amplitude='tanh')", "wanted a number"),
    ],
)
def test_what_no_function_is(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_neuron(text)


def test_error_functions_are_right_where_they_bend() -> None:
    x = np.linspace(-8, 8, 4001)
    wanted = [KINDS["gelu"](value) for value in x]
    assert MemoryFunction("gelu").steady_rate(x) == pytest.approx(wanted, abs=1e-8)


def rows(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> np.ndarray:
    """What LayerNormalization does before its factors, one row at a time."""
    result = np.empty_like(x, np.float64)
    size = math.prod(x.shape[axis] for axis in axes)
    for found, row in zip(result.reshape(-1, size), x.astype(np.float64).reshape(-1, size), strict=True):
        found[:] = (row - row.mean()) / math.sqrt(row.var() + epsilon)
    return result


@pytest.mark.parametrize(
    ("config", "axes"),
    [({}, (3,)), ({"axis": [3], "epsilon": 0.1}, (3,)), ({"axis": [2, 3], "scale": False}, (2, 3))],
    ids=["last", "epsilon", "two"],
)
def test_rows_are_normalised_by_their_mean_and_spread(
    tmp_path: Path, config: dict[str, Any], axes: tuple[int, ...]
) -> None:
    x = RNG.uniform(-1, 1, (200, 3, 4, 5)).astype("f4")
    shape = tuple(x.shape[axis] for axis in axes)
    beta = RNG.normal(size=shape).astype("f4")
    gamma = RNG.uniform(0.5, 2, shape).astype("f4") if config.get("scale", True) else np.ones(shape, "f4")
    layer = L("LayerNormalization", config, [gamma, beta] if config.get("scale", True) else [beta])
    network = quiet(keras_file(tmp_path, input_layer(3, 4, 5), layer), sample_data=x)
    wanted = gamma * rows(x, axes, config.get("epsilon", 1e-3)) + beta
    assert outputs(network, x)[0] == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    values = run_counts(network.definition, {"input": x}, 1000)
    assert np.abs(values[network.definition.probes[0].target] - wanted).max() < 0.01 * np.abs(wanted).max()


def test_normalisation_goes_into_the_weights_behind(tmp_path: Path) -> None:
    """Its factors; each channel keeps its quantum."""
    weights = [RNG.uniform(0.5, 2, 8).astype("f4"), RNG.normal(size=8).astype("f4")]
    layers = [random_dense(6, 8), L("LayerNormalization", {}, weights), random_dense(8, 3, seed=1)]
    network = quiet(keras_file(tmp_path, input_layer(6), *layers), sample_data=SAMPLES)
    assert kinds(network) == ["input", "affine", "neuron", "affine"]
    (neuron,) = neurons(network).values()
    assert neuron.output_scale.tensor
    drive = SAMPLES.astype(np.float64) @ layers[0].weights[0] + layers[0].weights[1]
    wanted = (weights[0] * rows(drive, (1,), 1e-3) + weights[1]) @ layers[2].weights[0] + layers[2].weights[1]
    assert error_of_a_run(network, wanted, 1000) < 0.01


def test_a_hidden_softmax_is_one_of_rows(tmp_path: Path) -> None:
    path, weights = two_layers(tmp_path, "softmax")
    network = quiet(path, sample_data=SAMPLES)
    drive = SAMPLES.astype(np.float64) @ weights[0] + weights[1]
    shares = np.exp(drive) / np.exp(drive).sum(axis=1, keepdims=True)
    wanted = shares @ weights[2] + weights[3]
    assert outputs(network, SAMPLES)[0] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    assert error_of_a_run(network, wanted, 1000) < 0.01


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({"axis": 1}, {}, "normalises along the axes .1.; normalise along the last axes"),
        ({"rms_scaling": True}, {}, "rms_scaling"),
        ({}, {"preset": "spikeserve"}, "its own input, so it has no fixed weights; take preset 'balanced'"),
    ],
    ids=["axis", "rms", "preset"],
)
def test_normalisation_that_is_refused(
    tmp_path: Path, config: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    layer = L("LayerNormalization", config, [np.ones(4, "f4"), np.ones(4, "f4")])
    with pytest.raises(ConversionError, match=message):
        spikeserve.convert(keras_file(tmp_path, input_layer(3, 4), layer), **options)
