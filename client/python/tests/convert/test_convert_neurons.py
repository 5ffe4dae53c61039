"""Every neuron type and synapse from an option to the definition, with its rate and its refusals."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from keras_files import L, input_layer, keras_file, random_dense

import spikeserve
from spikeserve import (
    LIF,
    AdaptiveLIF,
    AdaptiveLIFRate,
    Alpha,
    IntegrateAndFire,
    Izhikevich,
    LeakyReLU,
    LIFRate,
    LinearFilter,
    Lowpass,
    MemoryFunction,
    MemoryRectifiedLinear,
    PoissonSpiking,
    RectifiedLinear,
    RegularSpiking,
    Sigmoid,
    SoftLIFRate,
    SpikingLeakyReLU,
    SpikingRectifiedLinear,
    StochasticSpiking,
    Tanh,
    Triangle,
)
from spikeserve.cli import main
from spikeserve.convert.models import neurons
from spikeserve.convert.models.neuron import TYPES, Response
from spikeserve.v1 import network_pb2 as pb

SAMPLES = np.random.default_rng(3).uniform(0, 1, (40, 4)).astype(np.float32)
MODELS: list[Any] = [
    SpikingRectifiedLinear(0.5),
    IntegrateAndFire(0.5, min_voltage=-2),
    MemoryRectifiedLinear(0.5, max_value=0.75, negative_slope=0.125),
    LIF(min_voltage=-1),
    AdaptiveLIF(tau_n=0.1, inc_n=0.05),
    Izhikevich(coupling=0.25),
    SpikingLeakyReLU(0.1),
    MemoryFunction("elu", 0.5, alpha=0.25),
    RectifiedLinear(2),
    LeakyReLU(0.2),
    Sigmoid(),
    Tanh(),
    LIFRate(0.03),
    SoftLIFRate(sigma=0.5),
    AdaptiveLIFRate(inc_n=0.02),
    RegularSpiking(Tanh()),
    StochasticSpiking(Sigmoid(0.5), 0.5),
    PoissonSpiking(LIFRate()),
]
NAMES = [type(model).__name__ for model in MODELS]
WITHOUT_VOLTAGE = {"rectified_linear", "leaky_rectified_linear", "sigmoid", "tanh"}
WITHOUT_VOLTAGE |= {"lif_rate", "soft_lif_rate", "adaptive_lif_rate", "stochastic_spiking", "poisson_spiking"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return keras_file(tmp_path, input_layer(4), random_dense(4, 3, "tanh"), random_dense(3, 2))


def convert(path: Path, **options: Any) -> spikeserve.Network:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        return spikeserve.convert(path, sample_data=SAMPLES, **options)


def population(network: spikeserve.Network) -> pb.NeuronOperation:
    (found,) = [op.neuron for op in network.definition.operations if op.HasField("neuron")]
    return found


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_every_model_goes_through_the_wire_and_back(model: Any) -> None:
    message = pb.NeuronOperation()
    neurons.set_model(message, model)
    assert message.WhichOneof("model") == model.wire_field
    parsed = pb.NeuronOperation.FromString(message.SerializeToString())
    assert neurons.get_model(parsed) == model


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
@pytest.mark.parametrize("preset", ["spikeserve", "nengo_dl"])
def test_every_model_converts_with_a_passed_check(path: Path, model: Any, preset: str) -> None:
    network = convert(path, preset=preset, swap_activations={"tanh": model})
    assert population(network).WhichOneof("model") == model.wire_field
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-4
    voltage = population(network).HasField("initial_voltage")
    assert voltage == (model.wire_field not in WITHOUT_VOLTAGE)
    (layer,) = network.report.layers
    assert (layer.expected_spikes is None) == isinstance(model, neurons.RateModel)


def test_no_model_is_left_out() -> None:
    assert [type(model) for model in MODELS] == list(TYPES.values())
    assert sorted(NAMES) == sorted(neurons.__all__)
    for cls in TYPES.values():
        assert getattr(spikeserve, cls.__name__) is cls
        assert cls.__name__ in spikeserve.__all__


def test_a_type_that_leaves_something_out_cannot_be_made() -> None:
    wanted = ["amplitude", "has_voltage", "response", "spikes", "steady_rate", "wire_field"]
    assert sorted(neurons.NeuronModel.__abstractmethods__) == wanted

    @dataclass(frozen=True)
    class Unfinished(neurons.RateModel):
        response = Response.LINEAR

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="frozen"):
        dataclass(type("Mutable", (neurons.RateModel,), {}))


def test_tanh_and_sigmoid_keep_the_activation_at_any_scale() -> None:
    current = np.linspace(-3, 3, 13)
    for base, exact in ((Tanh(), np.tanh(current)), (Sigmoid(), 1 / (1 + np.exp(-current)))):
        assert base.steady_rate(current) == pytest.approx(exact)
        for wrapper in (RegularSpiking, StochasticSpiking, PoissonSpiking):
            assert wrapper(base).scaled_rate(current, 250.0) == pytest.approx(exact)


def test_steady_rates_against_closed_forms() -> None:
    current = np.array([-2.0, 0.5, 1.5, 10.0])
    lif = [0, 0, 41.7149, 243.474]
    assert LIFRate().steady_rate(current) == pytest.approx(lif, rel=1e-5)
    assert LeakyReLU(0.1, 2).steady_rate(current) == pytest.approx([-0.4, 1, 3, 20])
    adapted = AdaptiveLIF(inc_n=0.05).steady_rate(current)
    assert adapted == pytest.approx(LIFRate().steady_rate(current - 0.05 * adapted), abs=1e-6)
    bounded = MemoryRectifiedLinear(2, max_value=1.5, negative_slope=-0.5)
    assert bounded.steady_rate(current) == pytest.approx([2, 1, 3, 3])
    assert bounded.scaled_rate(current, 40.0) == pytest.approx([2, 1, 3, 3])
    assert MemoryRectifiedLinear().steady_rate(current) == pytest.approx([0, 0.5, 1.5, 10])
    soft = SoftLIFRate(sigma=0.001).steady_rate(current)
    assert soft == pytest.approx(lif, rel=1e-4, abs=0.1)


def test_names_that_hold_a_base(path: Path) -> None:
    network = convert(path, swap_activations={"tanh": "RegularSpiking(Tanh)"})
    assert population(network).regular_spiking.base.HasField("tanh")
    with pytest.raises(spikeserve.ConversionError, match="wants a base"):
        convert(path, swap_activations={"tanh": "PoissonSpiking"})


def test_leaky_relu_by_name_takes_the_slope_of_the_layer(tmp_path: Path) -> None:
    path = keras_file(tmp_path, input_layer(4), random_dense(4, 3, "leaky_relu"), random_dense(3, 2))
    by_name = population(convert(path, swap_activations={"leaky_relu": "LeakyReLU"}))
    assert by_name.leaky_rectified_linear.negative_slope == pytest.approx(0.2)
    given = population(convert(path, swap_activations={"leaky_relu": SpikingLeakyReLU(0.4)}))
    assert given.spiking_leaky_rectified_linear.negative_slope == 0.4


def nengo_object(name: str, module: str = "nengo.neurons", **values: Any) -> Any:
    return type(name, (), {"__module__": module, **values})()


def test_nengo_objects_with_a_base() -> None:
    tanh = nengo_object("Tanh", tau_ref=0.01)
    regular = nengo_object("RegularSpiking", base_type=tanh, amplitude=0.5)
    assert neurons.as_neuron(regular) == RegularSpiking(Tanh(0.01), 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LIF(tau_rc=-1), "tau_rc is -1"),
        (lambda: AdaptiveLIF(tau_n=0), "tau_n is 0"),
        (lambda: SoftLIFRate(tau_ref=-1), "tau_ref is -1"),
        (lambda: SoftLIFRate(sigma=0), "sigma is 0"),
        (lambda: Tanh(0), "tau_ref is 0"),
        (lambda: IntegrateAndFire(min_voltage=1), "min_voltage is 1"),
        (lambda: MemoryRectifiedLinear(max_value=0), "max_value is 0, wanted a number above 0"),
        (lambda: MemoryRectifiedLinear(max_value=math.inf), "max_value is inf"),
        (lambda: MemoryRectifiedLinear(negative_slope=1.5), "negative_slope is 1.5, wanted a number from -1"),
        (lambda: Izhikevich(reset_voltage=40), "reset_voltage is 40"),
        (lambda: SpikingLeakyReLU(-0.1), "negative_slope is -0.1"),
        (lambda: AdaptiveLIFRate(inc_n=math.nan), "inc_n is nan"),
        (lambda: RegularSpiking(Tanh(), 0), "amplitude is 0"),
        (lambda: RegularSpiking(LIF()), "wanted a rate neuron"),  # type: ignore[arg-type]
        (lambda: Alpha(-1), "tau is -1"),
        (lambda: Triangle(math.inf), "t is inf"),
        (lambda: LinearFilter([1], [1, -1]), "unstable"),
        (lambda: LinearFilter([1], [1, -1.5], analog=False), "unstable"),
        (lambda: LinearFilter([1, 1], [1]), "coefficients"),
        (lambda: LinearFilter([1], [0, 1]), r"den\[0\]"),
        (lambda: LinearFilter([1], [1] * 6), "coefficients"),
    ],
)
def test_wrong_parameters_are_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


SYNAPSES = [
    (Lowpass(0.01), "lowpass"),
    (Alpha(0.01), "alpha"),
    (Triangle(0.004), "triangle"),
    (LinearFilter([1], [0.01, 1]), "linear_filter"),
    (LinearFilter([0.5], [1, -0.5], analog=False), "linear_filter"),
    (nengo_object("Alpha", "nengo.synapses", tau=0.02), "alpha"),
    (nengo_object("Triangle", "nengo.synapses", t=0.02), "triangle"),
    (nengo_object("LinearFilter", "nengo.synapses", num=[1], den=[0.1, 1], analog=True), "linear_filter"),
    (0.01, "lowpass"),
]


@pytest.mark.parametrize(("synapse", "kind"), SYNAPSES, ids=[f"{i}-{s[1]}" for i, s in enumerate(SYNAPSES)])
def test_every_synapse_behind_neurons_and_on_the_probe(path: Path, synapse: Any, kind: str) -> None:
    network = convert(path, swap_activations={"tanh": "Tanh"}, synapse=synapse, probe_synapse=synapse)
    links = [c for c in network.definition.connections if c.HasField("synapse")]
    assert [link.synapse.WhichOneof("kind") for link in links] == [kind]
    assert network.definition.probes[0].synapse.WhichOneof("kind") == kind


def test_a_filter_keeps_its_coefficients(path: Path) -> None:
    given = LinearFilter(np.array([1.0, 2.0]), [3, 4], analog=True)
    network = convert(path, swap_activations={"tanh": "Tanh"}, synapse=given)
    (link,) = [c for c in network.definition.connections if c.HasField("synapse")]
    body = link.synapse.linear_filter
    assert (list(body.num), list(body.den), body.discrete) == ([1, 2], [3, 4], False)


def test_inspect_shows_every_setting(path: Path, tmp_path: Path) -> None:
    model = AdaptiveLIF(tau_rc=0.031, tau_ref=0.0041, min_voltage=-0.51, tau_n=0.61, inc_n=0.071)
    network = convert(
        path,
        swap_activations={"tanh": model},
        synapse=LinearFilter([1], [0.0001, 0.012, 1]),
        probe_synapse=Triangle(0.0043),
        scale_firing_rates=3,
        initial_voltage=("uniform", 17),
    )
    network.definition.connections[-1].delay_steps = 9
    network.save(tmp_path / "model.spk")
    shown = CliRunner().invoke(main, ["inspect", str(tmp_path / "model.spk")]).output
    wanted = [
        f"{field.name}={getattr(model, field.name):g}" for field in fields(model) if field.name != "amplitude"
    ]
    wanted += ["gain 3", "seed 17", "(1)/(0.0001 0.012 1) in s", "triangle 0.0043 s", "delay 9 steps"]
    for text in [*wanted, "readout: mean"]:
        assert text in shown


def test_synapses_and_swaps_of_the_command_line(path: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "samples.npy", SAMPLES)
    out = tmp_path / "model.spk"
    arguments = ["convert", str(path), str(out), "--sample-data", str(tmp_path / "samples.npy")]
    arguments += ["--swap", "tanh=RegularSpiking(Tanh)", "--synapse", "alpha:0.005"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    definition = spikeserve.load_network(out).definition
    assert {c.synapse.alpha.tau for c in definition.connections if c.HasField("synapse")} == {0.005}
    wrong = CliRunner().invoke(main, [*arguments[:-1], "beta:1"])
    assert wrong.exit_code == 2
    assert "alpha:" in wrong.output


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("LIF(tau_rc=0.03)", LIF(tau_rc=0.03)),
        ("RegularSpiking(Tanh(tau_ref=0.5), amplitude=2)", RegularSpiking(Tanh(0.5), 2)),
        ("RegularSpiking(base=Tanh)", RegularSpiking(Tanh())),
        ("MemoryRectifiedLinear(max_value=6)", spikeserve.MemoryRectifiedLinear(max_value=6)),
    ],
)
def test_a_name_may_have_parameters(text: str, wanted: Any) -> None:
    assert neurons.as_neuron(text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LIF(0.03)", "the parameters of LIF are given by name, such as tau_rc=1"),
        ("LIF(tau=1)", r"LIF\(\) has no option 'tau'; did you mean 'tau_rc'"),
        ("LIF(tau_rc=open('x'))", r"tau_rc is open\('x'\), wanted a number"),
        ("LIF(tau_rc=-1)", "tau_rc is -1"),
        ("RegularSpiking(LIF)", "base is LIF"),
        ("RegularSpiking", "wants a base"),
        ("LIF(", "is not a neuron; choose one of"),
        ("os.system('x')", "is not a neuron; choose one of"),
    ],
)
def test_wrong_parameters_in_a_name_are_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        neurons.as_neuron(text)


def test_parameters_in_a_name_stand_for_those_of_the_layer(tmp_path: Path) -> None:
    leaky = L("LeakyReLU", {"negative_slope": 0.3})
    model = keras_file(tmp_path, input_layer(4), random_dense(4, 4), leaky, random_dense(4, 2))
    given = convert(model, swap_activations={"leaky_relu": "SpikingLeakyReLU(negative_slope=0.4)"})
    assert population(given).spiking_leaky_rectified_linear.negative_slope == 0.4
