"""Encodings, records, energy and the calibration of early exit, without a server."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import spikeserve
from spikeserve import encodings, recording
from spikeserve._messages import network_info
from spikeserve.cli import simulate_command
from spikeserve.energy import DEVICES, count_connections
from spikeserve.errors import InternalError
from spikeserve.results import LayerStatistics, SimulationResult
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import simulation_pb2 as pb


def test_encodings_become_messages() -> None:
    assert list(encodings.messages(None)) == []
    assert list(encodings.messages("direct")) == []
    (message,) = encodings.messages("poisson")
    assert message == pb.Encoding(poisson=pb.Encoding.Poisson())
    (message,) = encodings.messages(encodings.Burst(window_steps=20, max_spikes=4))
    assert (message.burst.window_steps, message.burst.max_spikes, message.burst.max_gap) == (20, 4, 0)
    both = list(encodings.messages({"a": "latency:window_steps=8", "b": "direct"}))
    assert [(item.input, item.latency.window_steps) for item in both] == [("a", 8)]
    assert encodings.text(message) == "burst:window_steps=20,max_spikes=4,min_gap=0,max_gap=0"
    assert encodings.parse(encodings.text(message)) == encodings.Burst(20, 4)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("morse", "give one of direct, poisson"),
        ("poisson:window_steps=3", "'window_steps' is no parameter, poisson has max_rate_hz"),
        ("burst:max_spikes=many", "max_spikes is 'many', wanted a number"),
    ],
)
def test_encodings_that_are_none_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        list(encodings.messages(text))


def test_records_are_read_from_text() -> None:
    assert recording.parse("dense") == recording.Record("dense")
    assert recording.parse("a.b.spikes") == recording.Record("a.b", "spikes")
    assert recording.parse("a.b") == recording.Record("a.b")
    parsed = recording.parse("dense.voltage:every=4,reduction=max,filter_tau=0.01,name=v")
    assert parsed == recording.Record("dense", "voltage", "max", 4, filter_tau=0.01, name="v")
    message = parsed.message()
    assert message.quantity == network_pb.PROBE_QUANTITY_VOLTAGE
    assert message.reduction == pb.REDUCTION_MAX
    with pytest.raises(ValueError, match="'speed' is no option"):
        recording.parse("dense:speed=4")
    with pytest.raises(ValueError, match="reduction is 'min', give one of none, mean"):
        recording.parse("dense:reduction=min").message()
    with pytest.raises(ValueError, match="quantity is 'colour'"):
        recording.Record("dense", "colour").message()


@pytest.mark.parametrize(
    ("layer", "quantity", "wanted"),
    [
        ("dense", "spikes", "dense/neuron"),
        ("dense", "output", "dense/neuron"),
        ("logits", "output", "logits"),  # the network's own probe reads it
        ("logits", "spikes", "logits/neuron"),
        ("dense/neuron", "spikes", "dense/neuron"),
        ("relu", "voltage", "relu"),
        ("nowhere", "spikes", "nowhere"),  # the server says what there is
    ],
)
def test_a_keras_layer_stands_for_its_neurons(layer: str, quantity: str, wanted: str) -> None:
    kinds = {
        "dense": "affine", "dense/neuron": "neuron.lif", "logits": "affine", "logits/neuron": "neuron.lif",
        "relu": "neuron.lif", "relu/neuron": "neuron.lif",
    }  # fmt: skip
    info = network_info(
        network_pb.NetworkInfo(
            layers=[network_pb.LayerInfo(name=name, kind=kind, shape=[3]) for name, kind in kinds.items()],
            probes=[network_pb.ProbeInfo(target="logits", quantity=network_pb.PROBE_QUANTITY_OUTPUT)],
        )
    )
    record = spikeserve.Record(layer, quantity).resolved(info)
    assert record.layer == wanted
    assert record.name in ("", f"{layer}.{quantity}")
    assert (record.name == "") == (wanted == layer)
    assert spikeserve.Record(layer, quantity, name="mine").resolved(info).name == "mine"


def test_sparse_counts_become_arrays() -> None:
    counts = pb.SparseCounts(shape=[2, 3], gaps=[1, 0, 2], counts=[5, 1, 2])
    values = recording.records([pb.ProbeRecord(name="s", counts=counts)])["s"]
    np.testing.assert_array_equal(values, [[0, 5, 1], [0, 0, 2]])
    ones = pb.SparseCounts(shape=[1, 4], gaps=[3])
    np.testing.assert_array_equal(recording.records([pb.ProbeRecord(counts=ones)])[""], [[0, 0, 0, 1]])
    none = pb.SparseCounts(shape=[1, 2])
    np.testing.assert_array_equal(recording.records([pb.ProbeRecord(counts=none)])[""], [[0, 0]])
    for bad in (pb.SparseCounts(shape=[2], gaps=[2]), pb.SparseCounts(shape=[3], gaps=[0, 0], counts=[1])):
        with pytest.raises(InternalError, match="sparse counts"):
            recording.records([pb.ProbeRecord(counts=bad)])


def _published_network() -> spikeserve.Network:
    """The example of keras-spiking: Conv 7x7x1 -> 2 on 28x28, ReLU, Dense 968 -> 128."""
    definition = network_pb.NetworkDefinition(format_version=1)
    operations = definition.operations
    operations.add(name="in").input.shape.extend([28, 28, 1])
    conv = operations.add(name="conv").conv
    conv.weight = "k"
    conv.stride.extend([1, 1])
    conv.dilation.extend([1, 1])
    conv.pad_before.extend([0, 0])
    conv.pad_after.extend([0, 0])
    conv.groups = 1
    operations.add(name="relu").neuron.rectified_linear.amplitude = 1
    operations.add(name="flat").reshape.shape.append(968)
    operations.add(name="dense").affine.weight = "w"
    names = ["in", "conv", "relu", "flat", "dense"]
    for source, target in itertools.pairwise(names):
        definition.connections.add(source=source, target=target)
    for key, shape in (("k", [2, 1, 7, 7]), ("w", [128, 968])):
        data = np.zeros(shape, "<f4").tobytes()
        definition.tensors.add(id=key, shape=shape, data_type=network_pb.DATA_TYPE_FLOAT32, data=data)
    return spikeserve.Network(definition)


def test_connections_are_those_of_the_published_example() -> None:
    counted = count_connections(_published_network())
    assert (counted.from_inputs, counted.from_neurons, counted.neurons) == (47_432, 123_904, 968)
    assert counted.from_inputs * DEVICES["cpu"].synaptic_j == pytest.approx(4.1e-4, rel=0.01)
    assert counted.neurons * DEVICES["cpu"].neuron_j == pytest.approx(8.3e-6, rel=0.01)
    assert counted.neurons * DEVICES["loihi"].neuron_j == pytest.approx(7.8e-8, rel=0.01)
    assert counted.from_neurons * DEVICES["gpu"].synaptic_j == pytest.approx(3.7e-5, rel=0.01)


def _result(**changes: Any) -> SimulationResult:
    values = {
        "probes": {"output": SimpleNamespace(outputs=np.zeros((4, 2)))},
        "classes": np.zeros(4),
        "stats": (LayerStatistics("relu", 968, 10, 1, 1, 0, 400),),
        "settings": SimpleNamespace(steps=20),
        "margins": None, "top_k": None, "scores": None, "timing": None,
    }  # fmt: skip
    return SimulationResult(**cast("dict[str, Any]", values | changes))


def test_energy_is_of_measured_events() -> None:
    network = _published_network()
    estimate = spikeserve.estimate_energy(network, _result(), "spinnaker2")
    assert estimate.synaptic_operations == 100
    assert estimate.input_operations == 20 * 47_432
    assert estimate.neuron_updates == 20 * 968
    assert estimate.total_j == pytest.approx((100 + 20 * 47_432) * 450e-12 + 20 * 968 * 2.19e-9)
    dense = spikeserve.estimate_energy(network, _result(), "gpu")
    assert dense.synaptic_operations == 20 * 123_904
    assert dense.total_j == pytest.approx(20 * dense.float_j)
    early = spikeserve.estimate_energy(network, _result(steps_used=np.asarray([5, 5, 10, 20])), "loihi")
    assert early.neuron_updates == 10 * 968
    with pytest.raises(ValueError, match="no statistics"):
        spikeserve.estimate_energy(network, _result(stats=()), "cpu")


def _memory_network() -> spikeserve.Network:
    network = _published_network()
    relu = next(item for item in network.definition.operations if item.name == "relu")
    relu.neuron.memory_rectified_linear.amplitude = 1
    return network


def test_energy_says_that_spikes_taken_back_are_not_counted(recwarn: pytest.WarningsRecorder) -> None:
    net = (LayerStatistics("relu", 968, 10, 1, 1, 0, 400, net=True),)
    estimate = spikeserve.estimate_energy(_memory_network(), _result(stats=net), "spinnaker2")
    (note,) = estimate.notes
    assert spikeserve.estimate_energy(_memory_network(), _result(), "spinnaker2").notes == ()
    assert note.startswith("'relu': spikes that neurons with memory take back")
    assert estimate.warnings == ()
    for network, device in ((_memory_network(), "gpu"), (_published_network(), "loihi")):
        other = spikeserve.estimate_energy(network, _result(), device)
        assert (other.notes, other.warnings) == ((), ())
    assert not recwarn


def test_energy_warns_of_devices_without_signed_spikes() -> None:
    with pytest.warns(UserWarning, match=r"'relu': .* with a sign, which loihi does not have") as caught:
        estimate = spikeserve.estimate_energy(_memory_network(), _result(), "loihi")
    assert caught[0].filename == __file__
    assert [str(item.message) for item in caught] == list(estimate.warnings)
    own = spikeserve.Device("loihi 2", 1e-12, 1e-12, True)
    assert spikeserve.estimate_energy(_memory_network(), _result(), own).warnings == ()


def test_energy_warns_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    result = _result(settings=SimpleNamespace(steps=20, encodings={}, dt=0.001))
    image = np.zeros((4, 28, 28, 1), np.float32)
    estimate = simulate_command._estimate(_memory_network(), result, "loihi", image)
    assert capsys.readouterr().err == f"warning: {estimate.warnings[0]}\n"


def _ran(steps: int, encoding: str | None = None, **changes: Any) -> SimulationResult:
    settings = SimpleNamespace(steps=steps, dt=0.001, encodings={"in": encoding} if encoding else {})
    return _result(settings=settings, probes={"output": SimpleNamespace(outputs=np.zeros((1, 2)))}, **changes)


def _input_operations(
    pixels: dict[tuple[int, int], float], *arguments: Any, **changes: Any
) -> tuple[float, str]:
    image = np.zeros((1, 28, 28, 1), np.float32)
    for (row, column), value in pixels.items():
        image[0, row, column] = value
    ran = _ran(*arguments, **changes)
    estimate = spikeserve.estimate_energy(_published_network(), ran, "loihi", image)
    return estimate.input_operations, estimate.input_count


CENTRE, CORNER = 7 * 7 * 2, 2  # weights of the 7x7 kernels, 2 channels, that reach a pixel


@pytest.mark.parametrize(
    ("encoding", "steps", "value", "events", "known"),
    [
        (None, 20, 0.3, 20, "counted"),
        ("regular:max_rate_hz=1000", 10, 0.3, 3, "counted"),
        ("poisson:max_rate_hz=500", 10, 0.3, 1.5, "expected"),
        ("bernoulli:max_rate_hz=1000", 10, 0.3, 3, "expected"),
        ("latency:window_steps=8", 20, 1.0, 3, "counted"),  # at steps 1, 9, 17
        ("latency:window_steps=8", 20, 0.1, 2, "counted"),  # at steps 7, 15
        (
            "burst:window_steps=10,max_spikes=4,min_gap=1,max_gap=3",
            13,
            1.0,
            7,
            "counted",
        ),  # 4, then 3 in 3 steps
        ("burst:window_steps=10,max_spikes=4,min_gap=1,max_gap=3", 10, 0.3, 2, "counted"),
    ],
)
def test_inputs_cost_their_events(
    encoding: str | None, steps: int, value: float, events: float, known: str
) -> None:
    operations, how = _input_operations({(14, 14): value, (0, 0): value}, steps, encoding)
    assert operations == pytest.approx(events * (CENTRE + CORNER))
    assert how == known


def test_input_events_end_with_the_sample_and_are_dense_where_unknown() -> None:
    assert _input_operations({(14, 14): 1}, 20, steps_used=np.asarray([5])) == (5 * CENTRE, "counted")
    assert spikeserve.estimate_energy(_published_network(), _ran(20), "loihi").input_count == "upper bound"
    image = np.zeros((1, 20, 28, 28, 1), np.float32)
    image[0, 3, 14, 14] = 1  # one step of twenty
    estimate = spikeserve.estimate_energy(_published_network(), _ran(20), "loihi", image)
    assert estimate.input_operations == CENTRE
    with pytest.raises(ValueError, match="'in' has not the 1 samples"):
        spikeserve.estimate_energy(_published_network(), _ran(20), "loihi", np.zeros((2, 28, 28, 1)))


class _FakeClient:
    """Answers with trajectories whose class 0 leads by a growing margin; sample 2 changes its mind late."""

    def simulate(self, name: str, samples: Any, **options: Any) -> Any:
        assert options["trajectories"]
        outputs = np.zeros((4, 10, 2), np.float32)
        outputs[:, :, 0] = np.asarray([4.0, 2.0, 1.0, 0.5])[:, None]
        outputs[2, 5:, 1] = 4
        return SimpleNamespace(
            settings=SimpleNamespace(steps=10, skip_steps=0, readout=options.get("readout", "mean")),
            classes=np.zeros(len(samples)),
            trajectories={"output": outputs},
        )


def test_calibration_finds_the_fewest_steps_within_the_loss() -> None:
    client, labels = cast("spikeserve.Client", _FakeClient()), np.asarray([0, 0, 1, 0])
    samples = np.zeros((4, 2))
    strict = spikeserve.calibrate_early_exit(client, "net", samples, labels, max_loss=0)
    assert (strict.full_accuracy, strict.accuracy) == (1, 1)
    assert 1 < strict.early_exit.margin <= 2  # above the margin that misleads sample 2
    assert strict.mean_steps == (1 + 1 + 10 + 10) / 4
    loose = spikeserve.calibrate_early_exit(client, "net", samples, labels, max_loss=0.25)
    assert (loose.accuracy, loose.mean_steps) == (0.75, 1)
    later = spikeserve.calibrate_early_exit(client, "net", samples, labels, max_loss=0.25, min_steps=4)
    assert later.early_exit.min_steps == 4
    assert later.mean_steps == 4
    with pytest.raises(ValueError, match="4 samples, but labels"):
        spikeserve.calibrate_early_exit(client, "net", samples, labels[:3])
    for wrong in ({"max_loss": -1}, {"min_steps": 11}, {"check_every": 0}, {"check_every": 11}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
            spikeserve.calibrate_early_exit(client, "net", samples, labels, **cast("dict[str, Any]", wrong))
    assert spikeserve.calibrate_early_exit(client, "net", samples, labels.tolist(), max_loss=0) == strict
    with pytest.raises(TypeError, match="client is an AsyncClient, wanted a Client"):
        spikeserve.calibrate_early_exit(
            cast("spikeserve.Client", spikeserve.AsyncClient.__new__(spikeserve.AsyncClient)),
            "net", samples, labels,
        )  # fmt: skip
    with pytest.raises(ValueError, match="readout is last"):
        spikeserve.calibrate_early_exit(client, "net", samples, labels, readout="last")
