"""A table of a definition's operations."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.forward import run_rates
from spikeserve.v1 import network_pb2 as pb

_TENSOR_FIELDS = ("weight", "bias", "scale", "shift")


def operation_shapes(definition: pb.NetworkDefinition) -> dict[str, tuple[int, ...]]:
    """The output shape of every operation, without the batch."""
    inputs = {
        op.name: np.zeros((1, *op.input.shape), np.float32)
        for op in definition.operations
        if op.HasField("input")
    }
    values = run_rates(definition, inputs, np.float32)
    return {name: tuple(value.shape[1:]) for name, value in values.items()}


def summary_table(definition: pb.NetworkDefinition) -> str:
    """One line per operation: name, kind, output shape, neurons, parameters; then the totals."""
    shapes = operation_shapes(definition)
    sizes = {tensor.id: math.prod(tensor.shape) for tensor in definition.tensors}
    rows = [("operation", "kind", "shape", "neurons", "parameters")]
    neurons = 0
    for op in definition.operations:
        kind = str(op.WhichOneof("kind"))
        count = math.prod(shapes[op.name]) if kind == "neuron" else 0
        neurons += count
        if kind == "neuron":
            kind = f"neuron {op.neuron.WhichOneof('model')}"
        body = getattr(op, str(op.WhichOneof("kind")))
        used = sum(sizes.get(str(getattr(body, name, "")), 0) for name in _TENSOR_FIELDS)
        shape = "x".join(str(n) for n in shapes[op.name])
        rows.append((op.name, kind, shape, f"{count:,}" if count else "", f"{used:,}" if used else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    defaults = definition.defaults
    lines.append(
        f"{neurons:,} neurons, {sum(sizes.values()):,} parameters; "
        f"{defaults.steps or 100} steps of {defaults.dt or 0.001:g} s"
    )
    return "\n".join(lines)
