"""Presets with a quantum for each channel: what they write into a definition, and that it stays the model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import MODELS, L, h5_file, input_layer, keras_file, neurons, outputs, quiet, random_dense
from memory_simulation import MemorySimulation, Steps

import spikeserve
from spikeserve.convert.definition.forward import run_rates
from spikeserve.convert.memory.counts import run_counts
from spikeserve.v1 import network_pb2 as pb

RNG = np.random.default_rng(3)
SAMPLES = RNG.uniform(size=(400, 4)).astype("f4")
BYTES = RNG.integers(0, 256, (300, 8, 8, 3), np.uint8)
LAYERS = sorted(path.stem for path in (MODELS / "layers").glob("*.keras"))


def convert(model: Any, samples: Any = SAMPLES, **options: Any) -> spikeserve.Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        return spikeserve.convert(model, sample_data=samples, **{"preset": "balanced", **options})


def per_channel(network: spikeserve.Network) -> dict[str, bool]:
    return {name: neuron.gain.WhichOneof("kind") == "tensor" for name, neuron in neurons(network).items()}


def simple(folder: Path, *more: L) -> Path:
    hidden = random_dense(4, 6, "relu", name="hidden")
    second = random_dense(6, 5, "relu", seed=1, name="second")
    return keras_file(folder, input_layer(4), hidden, second, *more)


@pytest.mark.parametrize(("preset", "steps"), [("accurate", 8), ("balanced", 2), ("sparse", 1)])
def test_what_the_presets_set(tmp_path: Path, preset: str, steps: int) -> None:
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    network = convert(path, preset=preset, class_labels=["a", "b", "c"])
    definition = network.definition
    assert {n.WhichOneof("model") for n in neurons(network).values()} == {"memory_rectified_linear"}
    assert neurons(network)["hidden/neuron"].initial_voltage.constant == 0.5
    assert not any(link.HasField("synapse") for link in definition.connections)
    assert not definition.probes[0].HasField("synapse")
    assert definition.defaults.steps == steps
    assert definition.defaults.readout.kind == pb.READOUT_KIND_MEAN
    assert per_channel(network) == {"hidden/neuron": True, "second/neuron": True}


def random_inputs(name: str) -> dict[str, np.ndarray]:
    stored = np.load(MODELS / "layers" / f"{name}.npz")
    inputs = {key[6:]: stored[key] for key in stored.files if key.startswith("input_")}
    rng = np.random.default_rng(0)
    return {
        key: rng.uniform(values.min(), values.max(), (100, *values.shape[1:])).astype("f4")
        for key, values in inputs.items()
    }


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_takes_the_quanta_of_its_inputs(name: str) -> None:
    """In rate mode nothing changes, and with many steps a run comes to the same."""
    given = random_inputs(name)
    samples = given if len(given) > 1 else next(iter(given.values()))
    path = MODELS / "layers" / f"{name}.keras"
    network = convert(path, samples, steps=512)
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-6
    wanted = outputs(quiet(path), *given.values())
    names = [op.name for op in network.definition.operations if op.HasField("input")]
    values = run_counts(network.definition, dict(zip(names, given.values(), strict=True)), 512)
    for probe, floats in zip(network.definition.probes, wanted, strict=True):
        difference = np.abs(values[probe.target] - floats).max() / np.abs(floats).max()
        assert difference < 0.01, probe.name


def test_a_spike_counts_for_what_its_channel_says(tmp_path: Path) -> None:
    """The gains differ by channel, and the weights behind undo it."""
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    given, plain = convert(path), quiet(path, preset="spikeserve", sample_data=SAMPLES)
    tensors = {t.id: np.frombuffer(t.data, "<f4") for t in given.definition.tensors}
    gains = tensors[neurons(given)["second/neuron"].gain.tensor]
    assert gains.shape == (5,)
    assert gains.max() > 1.2 * gains.min()
    weights = [
        {t.id: np.frombuffer(t.data, "<f4") for t in network.definition.tensors} for network in (given, plain)
    ]
    (name,) = [op.affine.weight for op in given.definition.operations if op.name == "dense_3"]
    ratio = (weights[0][name] / weights[1][name]).reshape(3, 5)
    height = neurons(given)["second/neuron"].memory_rectified_linear.amplitude
    assert ratio == pytest.approx(np.tile(1 / (gains * height), (3, 1)), rel=1e-5)


def test_outputs_that_a_probe_reads_stay_in_true_units(tmp_path: Path) -> None:
    network = convert(simple(tmp_path), steps=1000)
    assert per_channel(network) == {"hidden/neuron": True, "second/neuron": False}
    (floats,) = outputs(quiet(tmp_path / "model.keras", sample_data=SAMPLES), SAMPLES)
    runs = run_counts(network.definition, {"input": SAMPLES}, 1000)[network.definition.probes[0].target]
    assert np.abs(runs - floats).max() < 0.01 * floats.max()


@pytest.mark.parametrize("preset", ["balanced", "sparse"])
def test_spikes_that_meet_no_weights_are_not_saved(tmp_path: Path, preset: str) -> None:
    """Outputs would only be rounded more coarsely, and tie."""
    network = convert(simple(tmp_path), preset=preset)
    (floats,) = outputs(quiet(tmp_path / "model.keras", sample_data=SAMPLES), SAMPLES)
    defaults, model = network.definition.defaults, neurons(network)["second/neuron"].memory_rectified_linear
    unit = model.amplitude / (defaults.dt * defaults.steps)
    assert np.quantile(floats[floats > 0], 0.99) / unit == pytest.approx(256, rel=1e-3)


def record(class_name: str, name: str, calls: list[Any], **config: Any) -> dict[str, Any]:
    config = {"name": name, **config}
    return {"class_name": class_name, "name": name, "config": config, "inbound_nodes": calls}


def called(*names: str) -> list[Any]:
    return [[[name, 0, 0, {}] for name in names]]


def two_branches(folder: Path, join: str) -> Path:
    """x -> a -> b, a and b joined -> out; a and b with relu, b with much larger activations."""
    layers = [
        record("InputLayer", "x", [], batch_input_shape=[None, 4]),
        record("Dense", "a", called("x"), units=4, activation="relu"),
        record("Dense", "b", called("a"), units=4, activation="relu"),
        record(join, "join", called("a", "b")),
        record("Dense", "out", called("join"), units=3),
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["out", 0, 0]]}
    rng = np.random.default_rng(1)
    shapes = {"a": (4, 4), "b": (4, 4), "out": (8 if join == "Concatenate" else 4, 3)}
    weights = {
        name: {
            f"{name}/kernel:0": rng.normal(size=shape).astype("f4") * (5 if name == "b" else 1),
            f"{name}/bias:0": rng.normal(size=shape[1]).astype("f4"),
        }
        for name, shape in shapes.items()
    }
    return h5_file(folder, {"class_name": "Functional", "config": config}, weights)


def test_branches_of_a_sum_share_one_quantum(tmp_path: Path) -> None:
    """Their counts can then be added as they are."""
    path = two_branches(tmp_path, "Add")
    network = convert(path, steps=2)
    assert per_channel(network) == {"a/neuron": False, "b/neuron": False}
    first, second = neurons(network).values()
    assert first.gain.scalar == second.gain.scalar
    height = first.memory_rectified_linear.amplitude
    assert height == second.memory_rectified_linear.amplitude
    values = run_rates(quiet(path, preset="nengo_dl").definition, {"x": SAMPLES})
    together = np.concatenate([values["a/neuron"].ravel(), values["b/neuron"].ravel()])
    quantile = np.quantile(together[together > 0], 0.99)
    assert height / network.definition.defaults.dt == pytest.approx(quantile / 4, rel=1e-4)


def test_joined_channels_keep_their_own_quanta(tmp_path: Path) -> None:
    network = convert(two_branches(tmp_path, "Concatenate"), steps=512)
    assert per_channel(network) == {"a/neuron": True, "b/neuron": True}
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-6


def test_a_layer_that_is_called_twice_gets_weights_for_each_call(tmp_path: Path) -> None:
    """Its two inputs have other quanta, so that one tensor cannot serve both."""
    layers = [
        record("InputLayer", "x", [], batch_input_shape=[None, 4]),
        record("Dense", "a", called("x"), units=4, activation="relu"),
        record("Dense", "b", called("a"), units=4, activation="relu"),
        record("Dense", "top", [*called("a"), *called("b")], units=4),
        record("Concatenate", "both", [[["top", 0, 0, {}], ["top", 1, 0, {}]]]),
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["both", 0, 0]]}
    rng = np.random.default_rng(2)
    weights = {
        name: {
            f"{name}/kernel:0": rng.normal(size=(4, 4)).astype("f4"),
            f"{name}/bias:0": np.zeros(4, "f4"),
        }
        for name in ("a", "b", "top")
    }
    path = h5_file(tmp_path, {"class_name": "Functional", "config": config}, weights)
    network = convert(path)
    assert per_channel(network) == {"a/neuron": True, "b/neuron": True}
    maps = [op.affine for op in network.definition.operations if op.name.startswith("top")]
    assert len({body.weight for body in maps}) == 2
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-6


def conv_network(folder: Path, activation: L) -> Path:
    rng = np.random.default_rng(5)
    kernel = rng.normal(size=(3, 3, 3, 6)).astype("f4")
    config = {"filters": 6, "kernel_size": [3, 3], "padding": "same"}
    second = rng.normal(size=(3, 3, 6, 4)).astype("f4") / 5
    return keras_file(
        folder,
        input_layer(8, 8, 3),
        L("Conv2D", config, [kernel, rng.normal(size=6).astype("f4") / 5]),
        activation,
        L("AveragePooling2D", {"pool_size": [2, 2]}),
        L("Conv2D", {**config, "filters": 4, "activation": "relu"}, [second, np.zeros(4, "f4")]),
        L("Flatten"),
        random_dense(64, 3),
    )


@pytest.mark.parametrize(
    "activation",
    [L("ReLU"), L("ReLU", {"max_value": 0.9}), L("ReLU", {"negative_slope": 0.2, "max_value": 1.5})],
    ids=["relu", "max_value", "max_value-slope"],
)
def test_steps_and_totals_come_to_the_same_counts(tmp_path: Path, activation: L) -> None:
    """In whole numbers, at every step; some spikes are taken back on the way."""
    path = conv_network(tmp_path, activation)
    network = convert(path, BYTES / np.float32(255), uint8_scale=1 / 255)
    simulation = MemorySimulation(network.definition, BYTES[:20])
    steps = Steps(simulation)
    for step, sent in enumerate(steps.run(20), 1):
        counts = simulation.counts_at(step)
        for name, values in sent.items():
            assert np.array_equal(values, counts[name]), (step, name)
    assert steps.taken_back < 0


def test_the_closed_form_of_the_converter_is_that_of_whole_numbers(tmp_path: Path) -> None:
    """Float sums may differ where a total is next to a half: in very few neurons, by one spike."""
    path = conv_network(tmp_path, L("ReLU", {"max_value": 0.9}))
    network = convert(path, BYTES / np.float32(255), uint8_scale=1 / 255)
    values = run_counts(network.definition, {"input": BYTES / np.float32(255)}, 3)
    counts = MemorySimulation(network.definition, BYTES).counts_at(3)
    for name, neuron in neurons(network).items():
        height = neuron.memory_rectified_linear.amplitude / network.definition.defaults.dt / 3
        difference = np.abs(np.rint(values[name] / height) - counts[name])
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3


def test_voltages_take_the_mean_of_the_rounding_away(tmp_path: Path) -> None:
    """In the drive of a population, for runs of the length it was made for; rate mode stays the model."""
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    network, plain = convert(path, steps=1), quiet(path, sample_data=SAMPLES)
    second = neurons(network)["second/neuron"]
    tensors = {t.id: np.frombuffer(t.data, "<f4") for t in network.definition.tensors}
    gains, starts = tensors[second.gain.tensor], tensors[second.initial_voltage.tensor]
    runs = run_counts(network.definition, {"input": SAMPLES}, 1)["second"]
    error = runs - run_rates(plain.definition, {"input": SAMPLES})["second"]
    given = (starts - 0.5) / (gains * network.definition.defaults.dt)
    assert np.abs((error + given).mean(axis=0)).max() < 1e-3 * error.std()
    assert np.abs(error.mean(axis=0)).max() > 0.01 * error.std()
    assert outputs(network, SAMPLES)[0] == pytest.approx(outputs(plain, SAMPLES)[0], abs=1e-5)


def test_voltages_that_are_given_stay_as_they_are(tmp_path: Path) -> None:
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    uniform = neurons(convert(path, initial_voltage="uniform"))
    assert {n.initial_voltage.WhichOneof("kind") for n in uniform.values()} == {"uniform"}
    lower = neurons(convert(path, initial_voltage=0.25))
    assert {n.initial_voltage.constant for n in lower.values()} == {0.25}


def test_biases_of_sparse_take_the_mean_of_the_rounding_away(tmp_path: Path) -> None:
    """Of the outputs as well."""
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    network, plain = convert(path, preset="sparse"), quiet(path, sample_data=SAMPLES)
    target, fitted = network.definition.probes[0].target, SAMPLES[: len(SAMPLES) // 3]
    floats = run_rates(plain.definition, {"input": fitted})[target]
    error = run_counts(network.definition, {"input": fitted}, 1)[target] - floats
    assert np.abs(error.mean(axis=0)).max() < 1e-3 * error.std()


def test_few_samples_leave_the_voltages_alone(tmp_path: Path) -> None:
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    network = convert(path, SAMPLES[:30])
    assert "rounding is not corrected for: that takes 64 samples" in network.report.text()
    assert {n.initial_voltage.constant for n in neurons(network).values()} == {0.5}


def test_scales_that_are_given_stay_as_they_are(tmp_path: Path) -> None:
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    network = convert(path, scale_firing_rates={"hidden": 700})
    assert neurons(network)["hidden/neuron"].gain.scalar == 700
    assert per_channel(network) == {"hidden/neuron": False, "second/neuron": True}
    aimed = convert(path, target_rate_hz=300)
    assert per_channel(aimed) == {"hidden/neuron": False, "second/neuron": False}


def test_other_neurons_beside_those_with_memory(tmp_path: Path) -> None:
    layers = [random_dense(5, 4, "tanh", seed=4), random_dense(4, 3, seed=5)]
    network = convert(simple(tmp_path, *layers), swap_activations={"tanh": "RegularSpiking(Tanh)"})
    tanh = neurons(network)["dense_3/neuron"]
    assert tanh.WhichOneof("model") == "regular_spiking"
    assert tanh.initial_voltage.constant == 0.5
    assert per_channel(network)["second/neuron"]


def test_without_samples_balanced_guesses_and_sparse_refuses(tmp_path: Path) -> None:
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    with pytest.warns(spikeserve.ConversionWarning, match="no sample_data"):
        network = spikeserve.convert(path, preset="balanced")
    assert per_channel(network) == {"hidden/neuron": False, "second/neuron": False}
    with pytest.raises(spikeserve.ConversionError, match=r"sparse.*some thousand training inputs"):
        spikeserve.convert(path, preset="sparse")
    with pytest.raises(spikeserve.ConversionError, match=r"has 299 samples.*at least 300"):
        convert(path, SAMPLES[:299], preset="sparse")


def test_sparse_refuses_outputs_that_are_no_classes(tmp_path: Path) -> None:
    path = simple(tmp_path, random_dense(5, 1, seed=2))
    with pytest.raises(spikeserve.ConversionError, match=r"is no class; take preset 'balanced'"):
        convert(path, preset="sparse")
    judged = simple(tmp_path, random_dense(5, 1, "sigmoid", seed=2))
    network = convert(judged, preset="sparse", swap_activations={"sigmoid": None})
    assert network.definition.defaults.output_kind == pb.OUTPUT_KIND_LOGIT
    assert "samples" in network.report.text()


def test_sparse_says_which_levels_it_found(tmp_path: Path) -> None:
    network = convert(simple(tmp_path, random_dense(5, 3, seed=2)), preset="sparse")
    text = network.report.text()
    assert "levels, spikes that a neuron at the 99th percentile sends in a run: 'hidden': " in text
    assert "fewer than one expected spike" not in text  # few are what it is for
