"""A PReLU with a slope for each channel: neurons for what is above 0, and others for what is below."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Builder, Value
from spikeserve.convert.lower.shape import scaled
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.read.graph import Node
from spikeserve.v1 import network_pb2 as pb


def both_sides(
    node: Node, name: str, value: Value, model: NeuronModel, slopes: Array, builder: Builder
) -> Value:
    """The neurons' output for a value, less `slopes` times that for the value with the other sign.

    `slopes` have the value's axes, with 1 along those that share one.
    """
    shape, layer = value.shape, node.layer.name
    fits = slopes.ndim == len(shape) and all(s in (1, n) for s, n in zip(slopes.shape, shape, strict=True))
    if not fits:
        raise UnsupportedError(
            f"its slopes have the shape {slopes.shape} for {shape}", "save the model again"
        )
    value = builder.plain(value)
    above = builder.neuron(name, layer, value, model)
    below = builder.neuron(f"{name}/below", layer, scaled(value, -1, f"{name}/negated", builder), model)
    axes = [axis for axis, size in enumerate(slopes.shape) if size > 1]
    body = pb.ScaleShiftOperation(axis=axes[0] if len(axes) == 1 and axes[0] < len(shape) - 1 else -1)
    factors = -slopes.reshape(-1) if len(axes) == 1 else -np.broadcast_to(slopes, shape)
    body.scale = builder.tensor(f"{name}/slopes", factors)
    scale = builder.elementwise(f"{name}/slopes", below, ("scale_shift", body))
    total = pb.WeightedSumOperation(coefficients=[1, 1])
    return builder.add(f"{name}/sides", [above, scale], shape, ("weighted_sum", total))
