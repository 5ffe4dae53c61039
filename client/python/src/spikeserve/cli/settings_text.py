"""Every setting that a network brings along, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message

from spikeserve.v1 import network_pb2 as pb


def setting_lines(definition: pb.NetworkDefinition) -> Iterator[str]:
    """Defaults of a run, then every neuron layer, synapse and probe with its parameters."""
    defaults = definition.defaults
    kind = pb.ReadoutKind.Name(defaults.readout.kind).removeprefix("READOUT_KIND_").lower()
    readout = "mean" if kind == "unspecified" else kind
    yield (
        f"run: {defaults.steps or 100} steps of {defaults.dt or 0.001:g} s, readout {readout}, "
        f"skip {defaults.readout.skip_steps} steps"
    )
    for operation in definition.operations:
        if operation.HasField("input") and operation.input.HasField("uint8_scale"):
            body = operation.input
            yield f"input {operation.name}: {body.uint8_scale:g} * byte + {body.uint8_offset:g}"
        if operation.HasField("neuron"):
            yield f"neurons {operation.name}: {_neuron(operation.neuron)}"
    for connection in definition.connections:
        if connection.HasField("synapse"):
            yield f"synapse {connection.source} -> {connection.target}: {_one_of(connection.synapse, 'kind')}"
    for probe in definition.probes:
        quantity = pb.ProbeQuantity.Name(probe.quantity).removeprefix("PROBE_QUANTITY_").lower()
        synapse = f", {_one_of(probe.synapse, 'kind')}" if probe.HasField("synapse") else ""
        yield f"probe {probe.name}: {quantity} of {probe.target}{synapse}"


def _neuron(neuron: pb.NeuronOperation) -> str:
    parts = [_one_of(neuron, "model")]
    for name, absent in (("gain", "1"), ("bias", "0")):
        parameter = getattr(neuron, name)
        kind = parameter.WhichOneof("kind")
        value = absent if kind is None else "per neuron" if kind == "tensor" else f"{parameter.scalar:g}"
        parts.append(f"{name} {value}")
    voltage = neuron.initial_voltage
    kind = voltage.WhichOneof("kind")
    shown = f" {voltage.constant:g}" if kind == "constant" else ""
    if kind == "uniform":
        shown = f", seed {voltage.uniform.seed}"
    parts.append(f"initial voltage {kind or 'zero'}{shown}")
    return ", ".join(parts)


def _one_of(message: Message, name: str) -> str:
    """The member of a oneof that is set, with all of its fields."""
    kind = message.WhichOneof(name)
    return "unknown" if kind is None else f"{kind}({_fields(getattr(message, kind))})"


def _fields(message: Message) -> str:
    items = []
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if isinstance(value, float):
            items.append(f"{field.name}={value:g}")
        elif isinstance(value, (int, str)):
            items.append(f"{field.name}={value}")
        elif isinstance(value, Message):
            if message.HasField(field.name):
                items.append(f"{field.name}=({_fields(value)})")
        else:  # repeated numbers
            items.append(f"{field.name}={list(value)}")
    return ", ".join(items)
