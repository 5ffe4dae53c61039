"""Activations at the outputs of a model that the network leaves to its clients.

A neuron that computes one in every step would give its mean over the steps, which is not that of the mean:
what a run adds up is the input of the activation, and the activation of the mean is what the model gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from spikeserve.convert.lower.activations import Activation
from spikeserve.convert.read.graph import Graph, Layer
from spikeserve.v1 import network_pb2 as pb

_PREFIX = "OUTPUT_FUNCTION_"
# Other names of what an OutputFunction computes.
_NAMES = {"relu6": "relu", "leaky_relu": "relu", "thresholded_relu": "relu", "hard_swish": "hard_silu"}
_OVER_AN_AXIS = frozenset({"softmax", "log_softmax"})

# Layers that pass on what they get, and those that only move it.
_PASS = frozenset(
    {
        "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity",
        "SpatialDropout1D", "SpatialDropout2D",
    }
)  # fmt: skip
MOVES = _PASS | {"Cropping1D", "Cropping2D", "Flatten", "Permute", "Reshape"}


class LeavesOut(Protocol):
    """A decision that may leave an activation to clients."""

    @property
    def left_out(self) -> pb.OutputActivation | None:
        """The activation, where there is one."""


def function_name(activation: pb.OutputActivation) -> str:
    """As Keras calls it, e.g. "sigmoid"."""
    return pb.OutputFunction.Name(activation.function).removeprefix(_PREFIX).lower()


def leads_out(graph: Graph, consumers: Mapping[int, list[int]], index: int, kind: str) -> bool:
    """Whether an activation at this node could as well be applied to an output of the model alone."""
    moves = _PASS if kind in _OVER_AN_AXIS else MOVES
    while index not in graph.outputs:
        if len(consumers[index]) != 1:
            return False
        (index,) = consumers[index]
        node = graph.nodes[index]
        if node.layer.custom is not None or node.layer.class_name not in moves or len(node.inputs) != 1:
            return False
    return not consumers[index]


def output_activation(layer: Layer, activation: Activation) -> pb.OutputActivation | None:
    """What clients compute for this activation; None where they have no such function."""
    kind = activation.kind
    name = _PREFIX + _NAMES.get(kind, kind).upper()
    if not dict(pb.OutputFunction.items()).get(name):  # 0 is none
        return None
    message = pb.OutputActivation(function=name)
    options = activation.options
    if message.function == pb.OUTPUT_FUNCTION_RELU:
        message.alpha = options.get("negative_slope", 0.0)
        message.threshold = options.get(
            "threshold", _setting(layer, "theta", 1.0, kind == "thresholded_relu")
        )
        if "max_value" in options:
            message.max_value = options["max_value"]
    elif kind in ("elu", "celu"):
        message.alpha = options.get("alpha", _setting(layer, "alpha", 1.0, kind == "elu"))
    elif kind == "hard_sigmoid":
        message.alpha = 1 / 6 if layer.keras_major >= 3 else 0.2
    return message


def _setting(layer: Layer, name: str, default: float, known: bool) -> float:
    """A number of a layer that is an activation, or of such a layer within a layer's configuration."""
    if not known:
        return default if name != "theta" else 0.0
    config = layer.config
    entry = config.get("activation")
    inner = entry.get("config") if isinstance(entry, dict) else None
    config = inner if isinstance(inner, dict) else config
    return float(config.get(name, default))


def left_out_at(graph: Graph, decisions: Mapping[int, LeavesOut], output: int) -> pb.OutputActivation | None:
    """What is left to clients at an output of the graph."""
    index = output
    while decisions[index].left_out is None:
        node = graph.nodes[index]
        if node.layer.class_name not in MOVES or len(node.inputs) != 1:
            return None
        index = node.inputs[0]
    return decisions[index].left_out
