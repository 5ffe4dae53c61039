"""Lowering of layers that normalise rows by their own mean and spread."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Builder, Shape, Value
from spikeserve.convert.lower.rules import lowers, need_inputs, need_weights
from spikeserve.convert.models.neurons import MemoryFunction
from spikeserve.convert.read.graph import Node
from spikeserve.convert.read.records import plain_value
from spikeserve.v1 import network_pb2 as pb

_MOST_OF_ROW = 1 << 14  # that the server takes


@lowers("LayerNormalization")
def lower_layer_normalization(node: Node, values: list[Value], builder: Builder) -> Value:
    """A population with memory for the row, then a ScaleShift, which fold_scales moves into weights."""
    need_inputs(node, values, 1)
    config, shape = node.layer.config, values[0].shape
    if config.get("rms_scaling"):
        raise UnsupportedError("it has rms_scaling", "train without it")
    first = _first_axis(config.get("axis", -1), shape)
    row, lead = shape[first:], shape[:first]
    size = math.prod(row)
    if size > _MOST_OF_ROW:
        raise UnsupportedError(f"it has rows of {size} values", f"give at most {_MOST_OF_ROW}")
    given = [bool(config.get(name, True)) for name in ("scale", "center")]
    weights = iter(need_weights(node, [row] * sum(given)))
    gamma, beta = (next(weights) if has else None for has in given)
    epsilon = float(config.get("epsilon", 1e-3))
    rows = _reshaped(f"{node.name}/rows", values[0], (*lead, size), builder)
    model = MemoryFunction("normalise", alpha=epsilon)
    name = f"{node.name}/neuron" if sum(given) else node.name
    found = builder.neuron(name, node.layer.name, rows, model)
    if sum(given):
        body = pb.ScaleShiftOperation(axis=-1)
        body.scale = _vector(node, "gamma", gamma, builder)
        body.shift = _vector(node, "beta", beta, builder)
        found = builder.elementwise(node.name, found, ("scale_shift", body))
    return _reshaped(f"{node.name}/shape", found, shape, builder)


def _vector(node: Node, name: str, values: Array | None, builder: Builder) -> str:
    return "" if values is None else builder.tensor(f"{node.layer.name}/{name}", np.ravel(values))


def _first_axis(axes: object, shape: Shape) -> int:
    """The first of the axes that make a row, batch excluded; they have to be the last ones."""
    given = plain_value(axes)
    given = given if isinstance(given, list) else [given]
    rank = len(shape)
    found = sorted(int(axis) + rank if int(axis) < 0 else int(axis) - 1 for axis in given)
    if not found or found != list(range(rank - len(found), rank)):
        raise UnsupportedError(f"it normalises along the axes {given}", "normalise along the last axes")
    return found[0]


def _reshaped(name: str, value: Value, shape: Shape, builder: Builder) -> Value:
    if value.shape == shape:
        return value
    return builder.add(name, [value], shape, ("reshape", pb.ReshapeOperation(shape=shape)))
