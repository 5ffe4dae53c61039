"""What the outputs of a model say: classes, the chance of one class, or values."""

from __future__ import annotations

from collections.abc import Mapping

from spikeserve.convert.lower.activations import layer_activation
from spikeserve.convert.lower.decisions import Decision
from spikeserve.convert.lower.left_out import MOVES
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.rates import Sigmoid
from spikeserve.convert.models.wrappers import Wrapper
from spikeserve.convert.read.graph import Graph
from spikeserve.convert.read.loss import Loss
from spikeserve.v1 import network_pb2 as pb

_BINARY = frozenset({"binary_crossentropy", "binary_focal_crossentropy", "hinge", "squared_hinge"})
_CLASSES = frozenset(
    {"categorical_crossentropy", "categorical_focal_crossentropy", "sparse_categorical_crossentropy"}
)
_VALUES = frozenset(
    {
        "huber", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
        "mean_squared_logarithmic_error", "poisson",
    }
)  # fmt: skip


def output_kind(graph: Graph, decisions: Mapping[int, Decision], loss: Loss, size: int) -> pb.OutputKind:
    """That of the first output, which has `size` values; UNSPECIFIED where neither layers nor loss tell."""
    index = _behind(graph, graph.outputs[0])
    activation, decision = layer_activation(graph.nodes[index].layer).kind, decisions[index]
    if activation in ("softmax", "log_softmax") or loss.name in _CLASSES:
        return pb.OUTPUT_KIND_CLASSES
    sigmoid = activation in ("sigmoid", "hard_sigmoid", "log_sigmoid")
    kept = decision.neuron is not None
    if loss.name in _VALUES and (kept or not sigmoid or decision.left_out is not None):
        return pb.OUTPUT_KIND_VALUE
    logits = (sigmoid and not kept) or (loss.name in _BINARY and loss.from_logits)
    if size != 1:
        return pb.OUTPUT_KIND_LABELS if logits else pb.OUTPUT_KIND_UNSPECIFIED
    if sigmoid:
        if not kept:
            return pb.OUTPUT_KIND_LOGIT
        return pb.OUTPUT_KIND_PROBABILITY if _is_sigmoid(decision.neuron) else pb.OUTPUT_KIND_UNSPECIFIED
    if loss.name in _BINARY:
        chance = loss.name.endswith("crossentropy") and not loss.from_logits
        return pb.OUTPUT_KIND_PROBABILITY if chance else pb.OUTPUT_KIND_LOGIT
    return pb.OUTPUT_KIND_UNSPECIFIED


def _behind(graph: Graph, index: int) -> int:
    """The node that gives the values of this one, which only moves them."""
    node = graph.nodes[index]
    while node.layer.class_name in MOVES and len(node.inputs) == 1:
        index = node.inputs[0]
        node = graph.nodes[index]
    return index


def _is_sigmoid(neuron: NeuronModel | None) -> bool:
    return isinstance(neuron.base if isinstance(neuron, Wrapper) else neuron, Sigmoid)
