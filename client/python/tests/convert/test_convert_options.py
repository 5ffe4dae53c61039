"""Every option ends up in the definition, and every wrong one is named."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import MODELS, L, dense, input_layer, keras_file, outputs, quiet, random_dense

import spikeserve
from spikeserve.convert import LIF, IntegrateAndFire, Lowpass, RectifiedLinear, SpikingRectifiedLinear
from spikeserve.v1 import network_pb2 as pb

RNG = np.random.default_rng(3)
SAMPLES = RNG.uniform(size=(40, 4)).astype("f4")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """4 -> hidden (6, relu) -> second (5, relu) -> out (3)."""
    return keras_file(
        tmp_path,
        input_layer(4),
        random_dense(4, 6, "relu", name="hidden"),
        random_dense(6, 5, "relu", seed=1, name="second"),
        random_dense(5, 3, seed=2, name="out"),
    )


def neurons(network: spikeserve.Network) -> dict[str, pb.NeuronOperation]:
    return {op.name: op.neuron for op in network.definition.operations if op.HasField("neuron")}


def gains(network: spikeserve.Network) -> list[float]:
    return [n.gain.scalar if n.HasField("gain") else 1.0 for n in neurons(network).values()]


def filtered(network: spikeserve.Network) -> dict[str, float]:
    links = network.definition.connections
    return {f"{c.source}>{c.target}": c.synapse.lowpass.tau for c in links if c.HasField("synapse")}


def activations(network: spikeserve.Network, layer: str) -> np.ndarray:
    """Float activations of a population over SAMPLES."""
    from spikeserve.convert.definition.forward import run_rates

    return run_rates(network.definition, {"input": SAMPLES})[f"{layer}/neuron"]


def test_the_spikeserve_preset(path: Path) -> None:
    network = spikeserve.convert(path, preset="spikeserve", sample_data=SAMPLES)
    definition = network.definition
    assert [n.WhichOneof("model") for n in neurons(network).values()] == ["integrate_and_fire"] * 2
    assert [n.initial_voltage.constant for n in neurons(network).values()] == [0.5, 0.5]
    assert filtered(network) == {}
    assert not definition.probes[0].HasField("synapse")
    assert (definition.defaults.dt, definition.defaults.steps) == (0.001, 16)
    assert definition.defaults.readout.kind == pb.READOUT_KIND_MEAN
    for (name, neuron), layer in zip(neurons(network).items(), ("hidden", "second"), strict=True):
        values = activations(network, layer)
        percentile = np.quantile(values[values > 0], 0.99)
        assert neuron.gain.scalar * percentile * 0.001 == pytest.approx(2, rel=1e-5), name
        assert neuron.gain.scalar * neuron.integrate_and_fire.amplitude == pytest.approx(1)


def test_the_nengo_dl_preset(path: Path) -> None:
    network = quiet(path, preset="nengo_dl")
    definition = network.definition
    assert [n.WhichOneof("model") for n in neurons(network).values()] == ["spiking_rectified_linear"] * 2
    assert [n.initial_voltage.WhichOneof("kind") for n in neurons(network).values()] == ["uniform"] * 2
    assert filtered(network) == {"hidden/neuron>second": 0.005, "second/neuron>out": 0.005}
    assert definition.probes[0].synapse.lowpass.tau == 0.01
    assert definition.defaults.steps == 100
    assert gains(network) == [1, 1]


def test_a_synapse_follows_neurons_and_nothing_else() -> None:
    """Flatten is transparent, a pool is filtered on its way in only, inputs and linear layers never."""
    network = quiet(MODELS / "fashion_lenet.keras", synapse=0.005)
    sources = {edge.split(">")[0] for edge in filtered(network)}
    assert sources == set(neurons(network))
    assert len(filtered(network)) == len(sources)
    assert not network.definition.probes[0].HasField("synapse")  # the output is linear


def test_an_output_of_neurons_gets_the_synapse_on_its_probe(tmp_path: Path) -> None:
    path = keras_file(tmp_path, input_layer(4), random_dense(4, 3, "relu"))
    assert quiet(path, synapse=0.005).definition.probes[0].synapse.lowpass.tau == 0.005
    both = quiet(path, synapse=0.005, probe_synapse=0.02)
    assert both.definition.probes[0].synapse.lowpass.tau == 0.02
    assert not quiet(path).definition.probes[0].HasField("synapse")


def test_synapses_can_be_taken_from_a_preset(path: Path) -> None:
    network = quiet(path, preset="nengo_dl", synapse=None, probe_synapse=None)
    assert filtered(network) == {}
    assert not network.definition.probes[0].HasField("synapse")
    assert set(filtered(quiet(path, synapse=Lowpass(0.1))).values()) == {0.1}
    assert set(filtered(quiet(path, synapse=np.float32(0.5))).values()) == {0.5}


def relu(x: Any) -> Any:
    return x


class ReLU:
    pass


@pytest.mark.parametrize("key", ["relu", "tf.nn.relu", "ReLU", relu, ReLU, ReLU(), "rectified_linear"])
def test_every_spelling_of_relu_is_one(path: Path, key: Any) -> None:
    network = quiet(path, swap_activations={key: LIF(tau_rc=0.03)})
    assert {n.lif.tau_rc for n in neurons(network).values()} == {0.03}


def nengo_object(name: str, **values: float) -> Any:
    return type(name, (), {"__module__": "nengo.neurons", **values})()


@pytest.mark.parametrize(
    ("value", "model"),
    [
        ("SpikingRectifiedLinear", "spiking_rectified_linear"),
        (SpikingRectifiedLinear, "spiking_rectified_linear"),
        (IntegrateAndFire(), "integrate_and_fire"),
        (RectifiedLinear(), "rectified_linear"),
        (nengo_object("SpikingRectifiedLinear", amplitude=1.0), "spiking_rectified_linear"),
        (nengo_object("LIF", tau_rc=0.05, tau_ref=0.002, amplitude=1.0), "lif"),
        (relu, "spiking_rectified_linear"),
        ("relu", "spiking_rectified_linear"),
    ],
    ids=str,
)
def test_what_an_activation_can_become(path: Path, value: Any, model: str) -> None:
    network = quiet(path, preset="nengo_dl", swap_activations={"relu": value})
    assert {n.WhichOneof("model") for n in neurons(network).values()} == {model}


def test_nengo_parameters_are_taken_over(path: Path) -> None:
    lif = nengo_object("LIF", tau_rc=0.05, tau_ref=0.004, min_voltage=-1.0, amplitude=0.5)
    neuron = neurons(quiet(path, swap_activations={"relu": lif}))["hidden/neuron"]
    assert (neuron.lif.tau_rc, neuron.lif.tau_ref, neuron.lif.min_voltage) == (0.05, 0.004, -1)
    assert neuron.lif.amplitude == 0.5
    synapse = type("Lowpass", (), {"__module__": "nengo.synapses", "tau": 0.02})()
    assert set(filtered(quiet(path, synapse=synapse)).values()) == {0.02}


def test_other_activations_can_be_swapped_or_left_out(tmp_path: Path) -> None:
    layers = [input_layer(4), random_dense(4, 3, "tanh"), random_dense(3, 2)]
    path = keras_file(tmp_path, *layers)
    assert len(neurons(quiet(path, swap_activations={"tanh": "IntegrateAndFire"}))) == 1
    linear = quiet(path, swap_activations={"tanh": None})
    assert neurons(linear) == {}
    (first, second) = (layer.weights for layer in layers[1:])
    wanted = (SAMPLES @ first[0] + first[1]) @ second[0] + second[1]
    assert outputs(linear, SAMPLES)[0] == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_unused_swaps_warn(path: Path) -> None:
    with pytest.warns(spikeserve.ConversionWarning, match="no layer has the activation 'tanh'"):
        spikeserve.convert(path, sample_data=SAMPLES, swap_activations={"tanh": "LIF"})


def test_rates_with_lif_are_checked_as_lif_rates(path: Path) -> None:
    network = quiet(path, swap_activations={"relu": LIF()}, scale_firing_rates=20, sample_data=SAMPLES)
    assert network.report.max_error is not None
    assert any("changes the outputs of LIF" in text for text in network.report.warnings)
    hidden = network.report.layers[0]
    assert 0 < (hidden.expected_rate_hz or 0) < 1 / 0.002


def test_scales_are_gains_that_amplitudes_undo(path: Path) -> None:
    network = quiet(path, preset="spikeserve", scale_firing_rates=100, sample_data=SAMPLES)
    assert gains(network) == [100, 100]
    assert {n.integrate_and_fire.amplitude for n in neurons(network).values()} == {0.01}
    plain = quiet(path, scale_firing_rates=1, sample_data=SAMPLES)
    assert outputs(network, SAMPLES)[0] == pytest.approx(outputs(plain, SAMPLES)[0], rel=1e-4, abs=1e-4)


def test_scales_per_layer(path: Path) -> None:
    assert gains(quiet(path, preset="nengo_dl", scale_firing_rates={"second": 7})) == [1, 7]
    calibrated = gains(quiet(path, sample_data=SAMPLES))
    assert gains(quiet(path, sample_data=[SAMPLES])) == calibrated  # as Keras takes one input, too
    assert gains(quiet(path, sample_data=SAMPLES, scale_firing_rates={"second": 7})) == [calibrated[0], 7]


def test_target_rate_sets_the_mean_rate_of_active_neurons(path: Path) -> None:
    network = quiet(path, target_rate_hz=50, sample_data=SAMPLES)
    for item in network.report.layers:
        assert item.scale * (item.mean_activation or 0) == pytest.approx(50)
        values = activations(network, item.layer)
        assert item.scale * values[values > 0].mean() == pytest.approx(50, rel=1e-4)


def test_the_report_says_what_will_be_seen(path: Path) -> None:
    network = quiet(path, scale_firing_rates=30, sample_data=SAMPLES, steps=200)
    (hidden, _) = network.report.layers
    values = activations(network, "hidden")
    active = values.mean(axis=0)[values.mean(axis=0) > 0].mean()
    assert (hidden.name, hidden.layer, hidden.neurons) == ("hidden/neuron", "hidden", 6)
    assert hidden.expected_rate_hz == pytest.approx(30 * values.mean(), rel=1e-5)
    assert hidden.expected_spikes == pytest.approx(30 * active * 0.2, rel=1e-5)
    assert "hidden/neuron: scale 30" in network.report.text()


def test_low_rates_warn_with_scales_for_five_spikes(path: Path) -> None:
    with pytest.warns(spikeserve.ConversionWarning, match="scale_firing_rates=.*'hidden'"):
        low = spikeserve.convert(path, preset="nengo_dl", sample_data=SAMPLES, scale_firing_rates=0.1)
    named = {item.layer: item.suggested_scale or 0 for item in low.report.layers}
    fine = spikeserve.convert(path, preset="nengo_dl", sample_data=SAMPLES, scale_firing_rates=named)
    assert not fine.report.warnings
    for item in fine.report.layers:
        assert 5 <= (item.expected_spikes or 0) < 5.6


def test_layers_that_no_sample_reaches_warn(tmp_path: Path) -> None:
    dead = dense(3, [np.ones((4, 3)), np.full(3, -100.0)], "relu", name="dead")
    path = keras_file(tmp_path, input_layer(4), dead, random_dense(3, 2))
    with pytest.warns(spikeserve.ConversionWarning, match="no neuron of 'dead' is active"):
        spikeserve.convert(path, sample_data=SAMPLES)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0, "zero"), (0.25, "constant"), (np.float32(0.25), "constant"), ("uniform", "uniform")],
)
def test_initial_voltages(path: Path, value: Any, kind: str) -> None:
    found = neurons(quiet(path, initial_voltage=value))
    assert {n.initial_voltage.WhichOneof("kind") for n in found.values()} == {kind}


def test_initial_voltages_per_layer_and_as_arrays(path: Path) -> None:
    voltages = {"hidden": np.linspace(0, 0.9, 6), "second": ("uniform", 9)}
    network = quiet(path, initial_voltage=voltages)
    first, second = neurons(network).values()
    assert second.initial_voltage.uniform.seed == 9
    (tensor,) = [t for t in network.definition.tensors if t.id == first.initial_voltage.tensor]
    assert np.frombuffer(tensor.data, "<f4") == pytest.approx(voltages["hidden"])
    rest = neurons(quiet(path, initial_voltage={"hidden": 0}))["second/neuron"]
    assert rest.initial_voltage.constant == 0.5  # the preset's


def test_voltages_of_channels_first_layers_follow_the_operation(tmp_path: Path) -> None:
    kernel = np.ones((1, 1, 2, 3), "f4")
    settings = {"filters": 3, "kernel_size": [1, 1], "data_format": "channels_first", "use_bias": False}
    conv = L("Conv2D", {**settings, "activation": "relu", "name": "conv"}, [kernel])
    path = keras_file(tmp_path, input_layer(2, 4, 5), conv)
    values = np.arange(60.0).reshape(3, 4, 5) / 60
    network = quiet(path, initial_voltage={"conv": values})
    (tensor,) = [t for t in network.definition.tensors if t.id.endswith("initial_voltage")]
    assert tensor.shape == [4, 5, 3]
    stored = np.frombuffer(tensor.data, "<f4").reshape(4, 5, 3)
    assert stored == pytest.approx(np.moveaxis(values, 0, -1))


@pytest.mark.parametrize(
    ("readout", "kind", "skip"),
    [
        (None, pb.READOUT_KIND_MEAN, 0),
        ("mean", pb.READOUT_KIND_MEAN, 0),
        ("last", pb.READOUT_KIND_LAST, 0),
        (("mean", 4), pb.READOUT_KIND_MEAN, 4),
        (pb.Readout(kind=pb.READOUT_KIND_LAST), pb.READOUT_KIND_LAST, 0),
    ],
)
def test_run_defaults(path: Path, readout: Any, kind: int, skip: int) -> None:
    network = quiet(path, readout=readout, dt=0.002, steps=20, class_labels=["a", "b", "c"])
    defaults = network.definition.defaults
    assert (defaults.dt, defaults.steps, list(defaults.class_labels)) == (0.002, 20, ["a", "b", "c"])
    assert (defaults.readout.kind, defaults.readout.skip_steps) == (kind, skip)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "other"}, "preset is 'other', choose one of balanced, accurate, sparse, spikeserve"),
        ({"synapse": -1}, "synapse: tau is -1.0"),
        ({"probe_synapse": "fast"}, "probe_synapse: 'fast' is not a synapse"),
        ({"dt": 0}, "dt is 0"),
        ({"dt": math.nan}, "dt is nan"),
        ({"dt": "1ms"}, "dt is '1ms'"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"readout": "sum"}, "readout is 'sum'"),
        ({"readout": ("mean", 16)}, "skips 16 of 16 steps"),
        ({"readout": ("last", 1)}, "skips 1 of 16 steps"),
        ({"readout": ("mean", -1)}, "skip_steps is -1"),
        ({"initial_voltage": "random"}, "initial_voltage is 'random'"),
        ({"initial_voltage": math.inf}, "initial_voltage is inf"),
        ({"initial_voltage": ("uniform", -1)}, "seed is -1"),
        ({"initial_voltage": {"other": 0}}, "initial_voltage names 'other'.* hidden, second"),
        ({"initial_voltage": {"hidden": np.zeros(5)}}, r"shape \(5,\).*shape \(6,\)"),
        ({"scale_firing_rates": 0}, "scale_firing_rates of 'hidden' is 0"),
        ({"scale_firing_rates": "100"}, "scale_firing_rates of 'hidden' is '100'"),
        ({"scale_firing_rates": {"out": 5}}, "names 'out', the layers with neurons are hidden, second"),
        ({"target_rate_hz": -5}, "target_rate_hz is -5"),
        ({"swap_activations": {"relu": "HodgkinHuxley"}}, "'HodgkinHuxley' is not a neuron"),
        ({"uint8_scale": 0}, "uint8_scale is 0"),
        ({"uint8_scale": (1, 2, 3)}, "uint8_scale is"),
        ({"class_labels": "abc"}, "class_labels"),
        ({"sample_data": np.zeros((0, 4))}, "0 samples|number above 0"),
        ({"sample_data": np.zeros((3, 5))}, r"shape \(3, 5\), wanted \(n, 4\)"),
        ({"sample_data": np.full((3, 4), np.nan)}, "NaN or infinity"),
        ({"sample_data": np.array([["a"] * 4])}, "wanted numbers"),
        ({"sample_data": {"other": np.zeros((3, 4))}}, "lacks the inputs"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_wrong_options_are_named(path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(spikeserve.ConversionError, match=message):
        spikeserve.convert(path, **options)


def test_wrong_neurons_are_refused() -> None:
    for make in (
        lambda: LIF(tau_rc=0), lambda: LIF(tau_ref=-1), lambda: LIF(min_voltage=0.1),
        lambda: IntegrateAndFire(0), lambda: SpikingRectifiedLinear(math.nan), lambda: Lowpass(math.inf),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="wanted"):
            make()


def uint8_of(network: spikeserve.Network) -> tuple[float, float] | None:
    operation = network.definition.operations[0].input
    return (operation.uint8_scale, operation.uint8_offset) if operation.HasField("uint8_scale") else None


def test_bytes_by_option(path: Path) -> None:
    assert uint8_of(quiet(path)) is None
    assert uint8_of(quiet(path, uint8_scale=0.5)) == (0.5, 0)
    assert uint8_of(quiet(path, uint8_scale=(2, -1))) == (2, -1)


def test_bytes_given_as_samples_are_scaled_by_the_option(path: Path) -> None:
    raw = RNG.integers(0, 256, (40, 4)).astype(np.uint8)
    floats = (raw * np.float32(1 / 255)).astype("f4")
    by_bytes, by_floats = quiet(path, sample_data=raw, uint8_scale=1 / 255), quiet(path, sample_data=floats)
    assert gains(by_bytes) == pytest.approx(gains(by_floats), rel=1e-5)


def test_bytes_detected_on_samples_are_reported(path: Path) -> None:
    raw = RNG.integers(0, 256, (40, 4))
    fractions = quiet(path, sample_data=raw / 255)
    assert uint8_of(fractions) == (1 / 255, 0)
    assert "multiples of 1/255" in fractions.report.notes[0]
    assert list(fractions.definition.provenance.notes) == fractions.report.notes
    assert uint8_of(quiet(path, sample_data=raw)) == (1, 0)
    assert uint8_of(quiet(path, sample_data=raw / 255 - 0.5)) is None
    assert uint8_of(quiet(path, sample_data=SAMPLES)) is None


def test_bytes_of_a_model_that_rescales_itself(tmp_path: Path) -> None:
    rescaling = L("Rescaling", {"scale": 1 / 127.5, "offset": -1})
    path = keras_file(tmp_path, input_layer(4), rescaling, random_dense(4, 3))
    network = quiet(path)
    assert uint8_of(network) == (1, 0)
    assert "rescales its input itself" in network.report.notes[0]


def test_softmax_is_left_out_and_said_so_or_kept() -> None:
    path = MODELS / "digits_mlp.keras"
    assert "softmax at the output" in quiet(path).report.notes[0]
    last = quiet(path, keep_softmax=True).definition.operations[-1]
    assert last.activation.HasField("softmax")
