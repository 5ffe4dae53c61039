"""Max pools: of what populations with memory have sent, wherever a model has them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, h5_file, input_layer, keras_file, kinds, neurons, outputs, quiet, random_dense
from memory_simulation import MemorySimulation, Steps
from test_memory_presets import called, per_channel, record

import spikeserve
from spikeserve import ConversionError
from spikeserve.convert.memory.counts import run_counts
from spikeserve.v1 import network_pb2 as pb

RNG = np.random.default_rng(8)
SIZE = 7
IMAGES = RNG.uniform(-1, 1, (100, SIZE, SIZE, 3)).astype("f4")
BYTES = RNG.integers(0, 256, (200, 8, 8, 3), np.uint8)


def largest(x: np.ndarray, window: int, stride: int, padding: str) -> np.ndarray:
    """The largest of each window [n, height, width, channels], one cell at a time; 'same' centres them."""
    size = x.shape[1]
    count = -(-size // stride) if padding == "same" else (size - window) // stride + 1
    before = max((count - 1) * stride + window - size, 0) // 2 if padding == "same" else 0
    result = np.full((len(x), count, count, x.shape[3]), -np.inf)
    for i, j, p, q in itertools.product(range(count), range(count), range(window), range(window)):
        row, column = i * stride + p - before, j * stride + q - before
        if 0 <= row < size and 0 <= column < size:
            result[:, i, j] = np.maximum(result[:, i, j], x[:, row, column])
    return result


def relu(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(x, 0))


def pools(network: spikeserve.Network) -> list[pb.Operation]:
    return [op for op in network.definition.operations if op.pool.kind == pb.POOL_KIND_MAX]


def check(path: Path, wanted: np.ndarray, samples: np.ndarray = IMAGES, **options: Any) -> spikeserve.Network:
    """Rates are the model's, and the counts of a long run come to them."""
    network = quiet(path, sample_data=samples, **options)
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-6
    (got,) = outputs(network, samples)
    assert got == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    values = run_counts(network.definition, {"input": samples}, 2000)
    found = values[network.definition.probes[0].target]
    assert np.abs(found - wanted).max() < 0.01 * np.abs(wanted).max()
    return network


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("window", "stride"), [(2, None), (3, 2), (3, 1), (2, 3)])
def test_windows_behind_neurons(tmp_path: Path, padding: str, window: int, stride: int | None) -> None:
    config = {"pool_size": [window, window], "strides": stride and [stride, stride], "padding": padding}
    path = keras_file(tmp_path, input_layer(SIZE, SIZE, 3), L("ReLU"), L("MaxPooling2D", config))
    network = check(path, largest(relu(IMAGES), window, stride or window, padding))
    assert kinds(network) == ["input", "neuron", "pool"]


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (L("GlobalMaxPooling2D"), lambda x: x.max(axis=(1, 2))),
        (L("GlobalMaxPooling2D", {"keepdims": True}), lambda x: x.max(axis=(1, 2), keepdims=True)),
        (L("GlobalMaxPooling2D", {"data_format": "channels_first"}), lambda x: x.max(axis=(2, 3))),
        (
            L("MaxPooling2D", {"pool_size": [2, 3], "data_format": "channels_first"}),
            lambda x: x[:, :, :6].reshape(len(x), SIZE, 3, 2, 3).max(axis=(3, 4))[..., None],
        ),
    ],
    ids=["global", "keepdims", "global-first", "first"],
)
def test_axes(tmp_path: Path, layer: L, wanted: Callable[[np.ndarray], np.ndarray]) -> None:
    check(keras_file(tmp_path, input_layer(SIZE, SIZE, 3), L("ReLU"), layer), wanted(relu(IMAGES)))


def test_sequences(tmp_path: Path) -> None:
    x = RNG.uniform(-1, 1, (80, 9, 4)).astype("f4")
    layers = [L("ReLU"), L("MaxPooling1D", {"pool_size": 3, "strides": 2}), L("GlobalMaxPooling1D")]
    path = keras_file(tmp_path, input_layer(9, 4), *layers[:2])
    halves = np.stack([relu(x)[:, i : i + 3].max(axis=1) for i in (0, 2, 4, 6)], axis=1)
    check(path, halves, x)
    check(keras_file(tmp_path, input_layer(9, 4), *layers), relu(x).max(axis=1), x)


@pytest.mark.parametrize(
    ("layers", "wanted", "what"),
    [
        ([], lambda x: largest(x, 2, 2, "valid"), "an input"),
        (
            [L("Rescaling", {"scale": -2.0, "offset": 0.5})],
            lambda x: largest(0.5 - 2 * x, 2, 2, "valid"),
            "a linear result",
        ),
        (
            [L("ZeroPadding2D", {"padding": [[1, 0], [1, 0]]})],
            lambda x: largest(np.pad(x, [(0, 0), (1, 0), (1, 0), (0, 0)]), 2, 2, "valid"),
            "an input",
        ),
        (
            [L("Permute", {"dims": [2, 1, 3]})],
            lambda x: largest(x.transpose(0, 2, 1, 3), 2, 2, "valid"),
            "an input",
        ),
    ],
    ids=["input", "linear", "zeros", "permuted"],
)
def test_what_sends_no_spikes_is_sent_first(
    tmp_path: Path, layers: list[L], wanted: Callable[[np.ndarray], np.ndarray], what: str
) -> None:
    """Of either sign, and zeros of a padding count."""
    pool = L("MaxPooling2D", {"name": "pool"})
    network = check(keras_file(tmp_path, input_layer(SIZE, SIZE, 3), *layers, pool), wanted(IMAGES))
    (neuron,) = neurons(network).values()
    assert neuron.memory_rectified_linear.negative_slope == 1
    assert f"'pool' takes the largest of {what}, of which neurons with memory ('pool/neuron')" in (
        network.report.text()
    )


def test_zeros_in_front_of_neurons_count(tmp_path: Path) -> None:
    leaky = L("LeakyReLU", {"negative_slope": 0.5})
    padding = L("ZeroPadding2D", {"padding": [[1, 1], [1, 1]]})
    path = keras_file(tmp_path, input_layer(SIZE, SIZE, 3), leaky, padding, L("MaxPooling2D"))
    x = -np.abs(IMAGES)
    padded = np.pad(0.5 * x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    network = check(path, largest(padded, 2, 2, "valid"), x)
    assert kinds(network) == ["input", "neuron", "pad", "pool"]


def conv(inputs: int, filters: int, activation: str = "relu", **config: Any) -> L:
    """A 3x3 convolution with random weights."""
    kernel = RNG.normal(size=(3, 3, inputs, filters)).astype("f4") / np.sqrt(4.5 * inputs)
    bias = RNG.normal(size=filters).astype("f4") / 5
    settings = {"filters": filters, "kernel_size": [3, 3], "padding": "same", "activation": activation}
    return L("Conv2D", {**settings, **config}, [kernel, bias])


def network_of(folder: Path, *layers: L) -> Path:
    return keras_file(folder, input_layer(8, 8, 3), *layers)


def chain(folder: Path) -> Path:
    """Two convolutions with pools, then a Dense layer."""
    second = [conv(6, 5), L("MaxPooling2D", {"pool_size": [3, 3], "strides": [2, 2], "padding": "same"})]
    return network_of(folder, conv(3, 6), L("MaxPooling2D"), *second, L("Flatten"), random_dense(20, 4))


def test_channels_keep_their_quanta_through_pools(tmp_path: Path) -> None:
    """Each unit of a pool is of one channel; the weights behind undo what a spike counts for."""
    network = quiet(chain(tmp_path), sample_data=BYTES / np.float32(255), uint8_scale=1 / 255)
    assert set(per_channel(network).values()) == {True}
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-6
    assert len(pools(network)) == 2


def test_steps_and_totals_come_to_the_same_counts(tmp_path: Path) -> None:
    """In whole numbers, at every step, as the converter counts too."""
    network = quiet(chain(tmp_path), sample_data=BYTES / np.float32(255), uint8_scale=1 / 255)
    simulation = MemorySimulation(network.definition, BYTES[:20])
    steps = Steps(simulation)
    for step, sent in enumerate(steps.run(12), 1):
        counts = simulation.counts_at(step)
        for name, values in sent.items():
            assert np.array_equal(values, counts[name]), (step, name)
    found = run_counts(network.definition, {"input": BYTES[:20] / np.float32(255)}, 12)
    target = network.definition.probes[0].target
    assert found[target] == pytest.approx(simulation.output(12), rel=0.02, abs=0.02)


def test_a_rectifier_behind_a_pool_moves_in_front_of_it(tmp_path: Path) -> None:
    """Without a population that only repeats a linear result, and with one synapse fewer."""
    norm = L("BatchNormalization", {}, [RNG.uniform(0.5, 2, 6).astype("f4") for _ in range(4)])
    layers = [conv(3, 6, "linear"), norm, L("MaxPooling2D", {"name": "pool"}), L("ReLU", {"name": "act"})]
    path = network_of(tmp_path, *layers, conv(6, 4, "linear"))
    samples = BYTES / np.float32(255)
    network = quiet(path, sample_data=samples)
    assert kinds(network) == ["input", "conv", "neuron", "pool", "conv"]
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-6
    assert "'act' stands in front of 'pool', which takes the largest of its spikes" in network.report.text()
    assert [item.layer for item in network.report.layers] == ["act", "pool"]
    filtered = quiet(path, sample_data=samples, synapse=0.005).definition
    assert [link.source for link in filtered.connections if link.HasField("synapse")] == ["pool"]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_scale_in_front_of_a_pool_follows_it_where_it_rises(tmp_path: Path, sign: int) -> None:
    gamma = (sign * RNG.uniform(0.5, 2, 3)).astype("f4")
    gamma[0] = abs(gamma[0])
    rest = [RNG.uniform(0.5, 2, 3).astype("f4") for _ in range(3)]
    layers = [L("ReLU"), L("BatchNormalization", {}, [gamma, *rest]), L("MaxPooling2D", {"name": "pool"})]
    factor = gamma / np.sqrt(rest[2] + 1e-3)
    wanted = largest(factor * (relu(IMAGES) - rest[1]) + rest[0], 2, 2, "valid")
    network = check(keras_file(tmp_path, input_layer(SIZE, SIZE, 3), *layers), wanted)
    assert len(neurons(network)) == (1 if sign > 0 else 2)


def branches(folder: Path, *behind: dict[str, Any], axis: int = -1) -> Path:
    """x -> a (relu) -> b (relu, much larger), joined along an axis -> layers `behind` -> out."""
    layers = [
        record("InputLayer", "x", [], batch_input_shape=[None, 6, 4]),
        record("Dense", "a", called("x"), units=4, activation="relu"),
        record("Dense", "b", called("a"), units=4, activation="relu"),
        record("Concatenate", "join", called("a", "b"), axis=axis),
        *behind,
    ]
    last = behind[-1]["name"]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [[last, 0, 0]]}
    rng = np.random.default_rng(1)
    weights = {
        name: {
            f"{name}/kernel:0": rng.normal(size=(4, 4)).astype("f4") * scale,
            f"{name}/bias:0": rng.normal(size=4).astype("f4"),
        }
        for name, scale in (("a", 1), ("b", 20))
    }
    return h5_file(folder, {"class_name": "Functional", "config": config}, weights)


@pytest.mark.parametrize(("axis", "population"), [(-1, 2), (1, 3)])
def test_branches_are_pooled_one_by_one(tmp_path: Path, axis: int, population: int) -> None:
    """Their spikes count for different amounts; joined along other axes they are sent anew."""
    padding = record("ZeroPadding1D", "zeros", called("join"), padding=[1, 1])
    pool = record("MaxPooling1D", "pool", called("zeros"), pool_size=2)
    samples = RNG.uniform(-1, 1, (100, 6, 4)).astype("f4")
    network = quiet(branches(tmp_path, padding, pool, axis=axis), sample_data=samples)
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-6
    assert len(neurons(network)) == population
    assert len(pools(network)) == (2 if axis == -1 else 1)
    for found in pools(network):
        amplitudes = {
            neurons(network)[name].memory_rectified_linear.amplitude for name in fed(network, found)
        }
        assert len(amplitudes) == 1
    exact = outputs(network, samples)[0]
    counts = run_counts(network.definition, {"x": samples}, 2000)[network.definition.probes[0].target]
    assert np.abs(counts - exact).max() < 0.01 * np.abs(exact).max()


def fed(network: spikeserve.Network, operation: pb.Operation) -> set[str]:
    """The populations that reach an operation without weights."""
    links = network.definition.connections
    names = {link.source for link in links if link.target == operation.name}
    found = {name for name in names if name in neurons(network)}
    others = [op for op in network.definition.operations if op.name in names - found]
    return found.union(*(fed(network, op) for op in others))


def test_filters_and_delays_are_behind_the_pool(tmp_path: Path) -> None:
    """Only there the engine takes them; a convolution that reads the same neurons has its own."""
    layers = [
        record("InputLayer", "x", [], batch_input_shape=[None, 6, 4]),
        record("Dense", "a", called("x"), units=4, activation="relu"),
        record("ZeroPadding1D", "zeros", called("a"), padding=[1, 0]),
        record("MaxPooling1D", "pool", called("zeros"), pool_size=3),
        record("Dense", "b", called("pool"), units=4),
        record("GlobalAveragePooling1D", "c", called("zeros")),
    ]
    outs = [["b", 0, 0], ["c", 0, 0]]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": outs}
    weights = {
        name: {f"{name}/kernel:0": np.eye(4, dtype="f4"), f"{name}/bias:0": np.zeros(4, "f4")}
        for name in "ab"
    }
    path = h5_file(tmp_path, {"class_name": "Functional", "config": config}, weights)
    samples = RNG.uniform(-1, 1, (80, 6, 4)).astype("f4")
    network = quiet(path, sample_data=samples, synapse=0.01, delay_steps={"a": 3})
    late = {(c.source, c.target) for c in network.definition.connections if c.HasField("synapse")}
    assert late == {("pool", "b"), ("a/neuron", "zeros")}
    assert {c.delay_steps for c in network.definition.connections if c.HasField("synapse")} == {3}
    assert {c.delay_steps for c in network.definition.connections if not c.HasField("synapse")} == {0}


def test_an_output_that_is_pooled_is_filtered_as_that_of_neurons(tmp_path: Path) -> None:
    path = keras_file(tmp_path, input_layer(SIZE, SIZE, 3), L("ReLU"), L("MaxPooling2D"))
    network = quiet(path, sample_data=IMAGES, synapse=0.01)
    assert network.definition.probes[0].synapse.lowpass.tau == 0.01


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"preset": "spikeserve"}, "IntegrateAndFire"),
        ({"preset": "nengo_dl"}, "SpikingRectifiedLinear"),
        ({"swap_activations": {"relu": "LIF"}}, "LIF"),
        ({"swap_activations": {"relu": "MemoryRectifiedLinear(amplitude=-1)"}}, "amplitude -1"),
    ],
    ids=lambda value: str(value),
)
def test_neurons_without_memory_are_refused(tmp_path: Path, options: dict[str, Any], what: str) -> None:
    path = keras_file(tmp_path, input_layer(SIZE, SIZE, 3), L("ReLU"), L("MaxPooling2D", {"name": "pool"}))
    with pytest.raises(ConversionError) as caught:
        spikeserve.convert(path, sample_data=IMAGES, **options)
    assert "'pool' (MaxPooling2D): " in str(caught.value)
    assert what in str(caught.value)
    if "amplitude" not in what:
        wanted = f"max pooling takes neurons with memory, and reads {what}; preset 'balanced' has them"
        assert wanted in str(caught.value)


def test_linear_results_are_refused_where_the_preset_has_no_memory(tmp_path: Path) -> None:
    path = network_of(tmp_path, conv(3, 4, "linear"), L("MaxPooling2D"))
    with pytest.raises(ConversionError, match="takes neurons with memory, and reads a linear result"):
        spikeserve.convert(path, preset="spikeserve")


def test_without_samples_the_neurons_keep_their_memory(tmp_path: Path) -> None:
    with pytest.warns(spikeserve.ConversionWarning, match="no sample_data"):
        network = spikeserve.convert(chain(tmp_path))
    assert {n.WhichOneof("model") for n in neurons(network).values()} == {"memory_rectified_linear"}
    assert set(per_channel(network).values()) == {False}
    assert network.definition.defaults.steps == 16


def test_reports_and_tables_show_the_units(tmp_path: Path) -> None:
    network = quiet(chain(tmp_path), sample_data=BYTES / np.float32(255))
    shown = {item.layer: item for item in network.report.layers}
    pool, source = shown["maxpooling2d_2"], shown["conv2d_1"]
    assert (pool.model, pool.neurons, pool.scale) == ("pool.max", 4 * 4 * 6, source.scale)
    assert pool.expected_rate_hz is not None
    assert source.expected_rate_hz is not None
    assert pool.expected_rate_hz > source.expected_rate_hz
    assert re.search(r"^maxpooling2d_2 +pool max +4x4x6 +96$", network.summary(), re.MULTILINE)
    assert (
        spikeserve.energy.count_connections(network).neurons == 8 * 8 * 6 + 4 * 4 * 6 + 4 * 4 * 5 + 2 * 2 * 5
    )


@pytest.mark.parametrize("preset", ["balanced", "sparse"])
def test_classes_are_kept(tmp_path: Path, preset: str) -> None:
    samples = RNG.integers(0, 256, (900, 8, 8, 3), np.uint8)
    floats = samples / np.float32(255)
    path = chain(tmp_path)
    network = quiet(
        path, preset=preset, sample_data=floats[:600], class_labels=list("abcd"), uint8_scale=1 / 255
    )
    wanted = outputs(quiet(path, sample_data=floats[:100]), floats[600:])[0].argmax(axis=-1)
    steps = network.definition.defaults.steps
    found = MemorySimulation(network.definition, samples[600:]).output(steps).argmax(axis=-1)
    assert np.mean(found == wanted) > 0.9
