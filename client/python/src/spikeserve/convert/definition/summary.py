"""A table of a definition's operations."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from spikeserve import _show
from spikeserve.convert.definition.forward import in_turn
from spikeserve.convert.definition.units import has_units
from spikeserve.convert.models.neurons import get_model
from spikeserve.convert.models.synapses import describe_synapse
from spikeserve.outputs import activations
from spikeserve.v1 import network_pb2 as pb

_TENSOR_FIELDS = ("weight", "bias", "scale", "shift")


def operation_shapes(definition: pb.NetworkDefinition) -> dict[str, tuple[int, ...]]:
    """The output shape of every operation, without the batch."""
    nothing = {  # a pass over no samples, for which no values are read
        op.name: np.zeros((0, *op.input.shape), np.float32)
        for op in definition.operations
        if op.HasField("input")
    }
    blank = {t.id: np.broadcast_to(np.float32(0), tuple(t.shape)) for t in definition.tensors}
    passed = in_turn(definition, nothing, np.float32, blank)
    return {operation.name: tuple(value.shape[1:]) for operation, _, value in passed}


def settings_lines(definition: pb.NetworkDefinition) -> list[str]:
    """A line for all that `summary_table` does not show: windows, neurons, filters, defaults."""
    lines = [f"{op.name}: {text}" for op in definition.operations if (text := _operation_text(op))]
    for link in definition.connections:
        if link.HasField("synapse") or link.delay_steps:
            lines.append(f"{link.source} -> {link.target}: {_filter_text(link)}")
    for probe in definition.probes:
        quantity = pb.ProbeQuantity.Name(probe.quantity).removeprefix("PROBE_QUANTITY_").lower()
        left_out = activations.text(probe.activation)
        behind = f", then {left_out} of the readout, by the client" if left_out else ""
        lines.append(f"probe {probe.name}: {quantity} of {probe.target}, {_filter_text(probe)}{behind}")
    readout = definition.defaults.readout
    kind = "last step" if readout.kind == pb.READOUT_KIND_LAST else f"mean after {readout.skip_steps} steps"
    if readout.kind == pb.READOUT_KIND_CORRECTED_MEAN:
        kind = f"start-up-corrected {kind}"
    labels = definition.defaults.class_labels
    kinds = {
        pb.OUTPUT_KIND_CLASSES: ["outputs: one for each class"],
        pb.OUTPUT_KIND_PROBABILITY: ["output: the probability of class 1"],
        pb.OUTPUT_KIND_LOGIT: ["output: the logit of class 1"],
        pb.OUTPUT_KIND_VALUE: ["outputs: values"],
        pb.OUTPUT_KIND_LABELS: ["outputs: the logits of labels, several of which may hold"],
    }
    lines += [f"readout: {kind}", *kinds.get(definition.defaults.output_kind, [])]
    return [*lines, *([f"class labels: {', '.join(labels)}"] if labels else [])]


def _operation_text(op: pb.Operation) -> str:
    """What an operation is set to, or nothing where its shape says all."""
    match op.WhichOneof("kind"):
        case "input" if op.input.HasField("uint8_scale"):
            return f"takes bytes as {op.input.uint8_scale:g} * byte + {op.input.uint8_offset:g}"
        case "conv":
            groups = f", groups {op.conv.groups}" if op.conv.groups > 1 else ""
            return f"{_window_text(op.conv)}, dilation {_by(op.conv.dilation)}{groups}"
        case "pool":
            padded = ", padding counts" if op.pool.count_include_pad else ""
            return f"{_largest(op)}window {_by(op.pool.window)}, {_window_text(op.pool)}{padded}"
        case "product":
            return f"of two populations, amplitude {op.product.amplitude:g}"
        case "activation" if op.activation.HasField("leaky_relu"):
            return f"leaky_relu, negative slope {op.activation.leaky_relu.negative_slope:g}"
        case "activation":
            return str(op.activation.WhichOneof("kind"))
        case "neuron":
            return _neuron_text(op.neuron)
    return ""


def _largest(op: pb.Operation) -> str:
    return "largest of " if op.pool.kind == pb.POOL_KIND_MAX else ""


def _window_text(body: pb.ConvOperation | pb.PoolOperation) -> str:
    return f"stride {_by(body.stride)}, padding {_by(body.pad_before)} before and {_by(body.pad_after)} after"


def _by(values: Iterable[int]) -> str:
    return "x".join(map(str, values))


def _neuron_text(neuron: pb.NeuronOperation) -> str:
    model = get_model(neuron)
    text = str(model)
    for name in ("gain", "bias", "output_scale"):
        if neuron.HasField(name):
            value: pb.Parameter = getattr(neuron, name)
            kind = value.WhichOneof("kind")
            shown = f"{value.scalar:g}" if kind == "scalar" else f"tensor {value.tensor}"
            text += f", {name.replace('_', ' ')} {shown}"
    start = neuron.initial_voltage
    kind = start.WhichOneof("kind")
    if kind == "constant":
        return f"{text}, initial voltage {start.constant:g}"
    if kind == "uniform":
        return f"{text}, initial voltage uniform with seed {start.uniform.seed}"
    if kind == "tensor":
        return f"{text}, initial voltage tensor {start.tensor}"
    return f"{text}, initial voltage 0" if model.has_voltage else text


def _filter_text(holder: pb.Connection | pb.Probe) -> str:
    text = f"synapse {describe_synapse(holder.synapse)}"
    return f"{text}, delay {holder.delay_steps} steps" if holder.delay_steps else text


COLUMNS = ("operation", "kind", "shape", "neurons", "parameters")


def summary_rows(definition: pb.NetworkDefinition) -> list[tuple[str, str, str, str, str]]:
    """The COLUMNS of every operation."""
    shapes = operation_shapes(definition)
    sizes = _sizes(definition)
    rows = []
    for op in definition.operations:
        kind = str(op.WhichOneof("kind"))
        count = math.prod(shapes[op.name]) if has_units(op) else 0
        if kind == "neuron":
            kind = f"neuron {op.neuron.WhichOneof('model')}"
        elif op.pool.kind == pb.POOL_KIND_MAX:
            kind = "pool max"
        body = getattr(op, str(op.WhichOneof("kind")))
        used = sum(sizes.get(str(getattr(body, name, "")), 0) for name in _TENSOR_FIELDS)
        shape = _by(shapes[op.name])
        rows.append((op.name, kind, shape, f"{count:,}" if count else "", f"{used:,}" if used else ""))
    return rows


def _sizes(definition: pb.NetworkDefinition) -> dict[str, int]:
    return {tensor.id: math.prod(tensor.shape) for tensor in definition.tensors}


def summary_table(definition: pb.NetworkDefinition) -> str:
    """One line per operation: name, kind, output shape, neurons, parameters; then the totals."""
    rows = [COLUMNS, *summary_rows(definition)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    neurons = sum(int(row[3].replace(",", "")) for row in rows[1:] if row[3])
    defaults = definition.defaults
    lines.append(
        f"{neurons:,} neurons, {sum(_sizes(definition).values()):,} parameters; "
        f"{_show.count(defaults.steps or 100, 'step')} of {defaults.dt or 0.001:g} s"
    )
    return "\n".join(lines)
