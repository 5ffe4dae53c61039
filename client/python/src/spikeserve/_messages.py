"""Messages of the server as the client's own types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from spikeserve import _arrays, encodings
from spikeserve.errors import InternalError
from spikeserve.outputs import activations
from spikeserve.recording import records
from spikeserve.results import (
    InputInfo,
    LayerInfo,
    LayerStatistics,
    NetworkInfo,
    NetworkInfos,
    ProbeInfo,
    ProbeValues,
    Progress,
    Settings,
    SimulationResult,
    Timing,
    TopK,
)
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import simulation_pb2 as pb

MODES = {
    "exact": network_pb.MODE_EXACT,
    "fast": network_pb.MODE_FAST,
    "int8": network_pb.MODE_INT8,
    "reference": network_pb.MODE_REFERENCE,
}


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def mode_name(value: network_pb.Mode) -> str:
    """ "exact", "fast", "int8" or "reference"."""
    return "exact" if value == network_pb.MODE_UNSPECIFIED else _word(network_pb.Mode.Name(value), "MODE_")


def network_info(message: network_pb.NetworkInfo) -> NetworkInfo:
    """What the server says about one network."""
    return NetworkInfo(
        name=message.name,
        version=message.version,
        state=_word(network_pb.NetworkState.Name(message.state), "NETWORK_STATE_"),
        mode=mode_name(message.mode),
        backend=message.backend,
        resident_bytes=message.resident_bytes,
        neurons=message.neurons,
        parameters=message.parameters,
        dt=message.defaults.dt or 0.001,  # what 0 stands for
        steps=message.defaults.steps or 100,
        inputs=tuple(_input(item) for item in message.inputs),
        probes=tuple(_probe(item) for item in message.probes),
        layers=tuple(
            LayerInfo(item.name, item.kind, tuple(item.shape), item.neurons, item.parameters)
            for item in message.layers
        ),
        class_labels=tuple(message.defaults.class_labels),
        sha256=message.sha256,
        message=message,
    )


def network_infos(messages: Iterable[network_pb.NetworkInfo]) -> NetworkInfos:
    """What the server says about several networks."""
    return NetworkInfos(network_info(message) for message in messages)


def _input(item: network_pb.InputInfo) -> InputInfo:
    types = (_word(network_pb.DataType.Name(value), "DATA_TYPE_") for value in item.data_types)
    return InputInfo(item.name, tuple(item.shape), frozenset(types))


def _probe(item: network_pb.ProbeInfo) -> ProbeInfo:
    quantity = _word(network_pb.ProbeQuantity.Name(item.quantity), "PROBE_QUANTITY_")
    return ProbeInfo(item.name, item.target, quantity, tuple(item.shape), activations.text(item.activation))


def event(message: pb.SimulateStreamResponse) -> Progress | SimulationResult:
    """One message of a stream."""
    kind = message.WhichOneof("event")
    if kind == "progress":
        return progress(message.progress)
    if kind == "result":
        return result(message.result)
    raise InternalError("the stream has an event of a kind that this client does not know")


def progress(message: pb.Progress) -> Progress:
    """One update of a stream."""
    return Progress(
        message.steps_done,
        probes(message.probes),
        _classes(message.classification),
        _margins(message.classification),
    )


def result(message: pb.SimulateResponse) -> SimulationResult:
    """The answer to one request."""
    classification = message.classification
    return SimulationResult(
        probes=probes(message.probes),
        classes=_classes(classification),
        margins=_margins(classification),
        top_k=_top_k(classification.top_k),
        scores=_arrays.decode(classification.scores) if classification.HasField("scores") else None,
        stats=tuple(statistics(item) for item in message.statistics),
        timing=Timing(
            message.timing.queue_s,
            message.timing.compute_s,
            message.timing.total_s,
            message.timing.batch_size,
            message.timing.cached,
            message.timing.coalesced,
        ),
        settings=settings(message.settings),
        steps_used=np.asarray(message.steps_used, np.int64) if message.steps_used else None,
        records=records(message.records),
        warnings=tuple(message.warnings),
    )


def probes(items: Iterable[pb.ProbeResult]) -> dict[str, ProbeValues]:
    """What the probes answered, by name, with the activations that the network leaves to its clients."""
    values = {item.name: _probe_values(item) for item in items}
    if not values:
        raise InternalError("the server answered without any probe")
    return values


def _probe_values(item: pb.ProbeResult) -> ProbeValues:
    readout = _arrays.decode(item.outputs)
    trajectory = _arrays.decode(item.trajectory) if item.HasField("trajectory") else None
    activation = item.activation
    if not activation.function:
        return ProbeValues(item.name, readout, trajectory)
    outputs = activations.apply(activation, readout)
    return ProbeValues(item.name, outputs, trajectory, readout, activations.text(activation))


def _classes(message: pb.Classification) -> npt.NDArray[np.int64]:
    return np.asarray(message.classes, np.int64)


def _margins(message: pb.Classification) -> npt.NDArray[np.float64]:
    return np.asarray(message.margins, np.float64)


def _top_k(items: Sequence[pb.TopK]) -> TopK | None:
    if not items:
        return None
    return TopK(
        np.asarray([item.classes for item in items], np.int64),
        np.asarray([item.values for item in items], np.float64),
    )


def statistics(item: pb.LayerStatistics) -> LayerStatistics:
    """The activity of one layer."""
    return LayerStatistics(
        layer=item.layer,
        neurons=item.neurons,
        spikes=item.spikes,
        mean_rate_hz=item.mean_rate_hz,
        max_rate_hz=item.max_rate_hz,
        silent_fraction=item.silent_fraction,
        synaptic_operations=item.synaptic_operations,
        net=item.net,
    )


def settings(message: pb.EffectiveSettings) -> Settings:
    """What was in force for a run."""
    readout = _word(network_pb.ReadoutKind.Name(message.readout.kind), "READOUT_KIND_")
    chosen = message.early_exit
    return Settings(
        network=message.network,
        version=message.version,
        dt=message.dt,
        steps=message.steps,
        seed=message.seed,
        mode=mode_name(message.mode),
        backend=message.backend,
        readout=readout,
        skip_steps=message.readout.skip_steps,
        encodings={item.input: encodings.text(item) for item in message.encodings},
        early_exit=(chosen.margin, chosen.min_steps, chosen.check_every)
        if message.HasField("early_exit")
        else None,
        initial_voltage=_initial_voltage(message.initial_voltage),
    )


def _initial_voltage(message: network_pb.InitialVoltage) -> float | tuple[str, int] | None:
    kind = message.WhichOneof("kind")
    if kind == "uniform":
        return "uniform", message.uniform.seed
    return {"constant": message.constant, "zero": 0.0}.get(kind or "")
