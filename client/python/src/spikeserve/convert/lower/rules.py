"""The registry of layers that can be lowered."""

from __future__ import annotations

from collections.abc import Callable

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Builder, Value
from spikeserve.convert.read.graph import Node

Lowering = Callable[[Node, list[Value], Builder], Value]
RULES: dict[str, Lowering] = {}

_ADVICE = {
    "Lambda": ("carries arbitrary code, which is never run", "replace it by standard layers"),
    "TFSMLayer": ("loads an external SavedModel", "rebuild that part with standard layers"),
    "TorchModuleWrapper": ("wraps code of another framework", "rebuild it with Keras layers"),
    "JaxLayer": ("wraps code of another framework", "rebuild it with Keras layers"),
    "FlaxLayer": ("wraps code of another framework", "rebuild it with Keras layers"),
    "Maximum": ("a maximum of two signals is not linear", "use Average or Concatenate"),
    "Minimum": ("a minimum of two signals is not linear", "use Average or Concatenate"),
}
_NO_STATE = ("recurrent layers are not supported", "use a feed-forward network")
for _name in ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM2D"):
    _ADVICE[_name] = _NO_STATE


def lowers(*class_names: str) -> Callable[[Lowering], Lowering]:
    """Registers a lowering for Keras class names."""

    def register(function: Lowering) -> Lowering:
        for name in class_names:
            RULES[name] = function
        return function

    return register


# Layers that only neurons with memory compute.
_REMEMBERED = {
    "LayerNormalization": (
        "normalises by its own input, so it has no fixed weights",
        "take preset 'balanced', or train with BatchNormalization instead",
    ),
}


def find_rule(node: Node, memory: bool) -> Lowering:
    """The lowering of a node's layer; UnsupportedError, with advice, where there is none.

    `memory`: whether neurons that no layer asks for may be such with memory.
    """
    layer = node.layer
    if layer.custom is not None:
        raise UnsupportedError(
            f"{layer.custom} is a custom class, and code of a model file is never run",
            "replace it by standard Keras layers",
        )
    if layer.refusal is not None:
        raise UnsupportedError(*layer.refusal)
    if layer.class_name not in RULES:
        reason, advice = _ADVICE.get(
            layer.class_name, ("this layer is not supported", "replace it by supported layers")
        )
        raise UnsupportedError(reason, advice)
    if not memory and layer.class_name in _REMEMBERED:
        raise UnsupportedError(*_REMEMBERED[layer.class_name])
    _check_dtype(node)
    return RULES[layer.class_name]


def _check_dtype(node: Node) -> None:
    policy = node.layer.config.get("dtype")
    if not isinstance(policy, dict):
        return
    config = policy.get("config")
    mode = isinstance(config, dict) and config.get("mode", config.get("quantization_mode"))
    if mode or "Quantized" in str(policy.get("class_name")):
        raise UnsupportedError("its weights are stored quantized", "save the model before quantizing it")


def need_weights(node: Node, shapes: list[tuple[int, ...]]) -> list[Array]:
    """The layer's weights, checked against the shapes that its configuration gives."""
    found = [tuple(values.shape) for values in node.layer.weights]
    if found != shapes:
        raise UnsupportedError(
            f"its weights have the shapes {found}, the configuration gives {shapes}",
            "the file is damaged or of another model; save it again",
        )
    return node.layer.weights


def need_inputs(node: Node, values: list[Value], count: int) -> None:
    """UnsupportedError unless the layer is called with `count` tensors."""
    if len(values) != count:
        raise UnsupportedError(f"it is called with {len(values)} tensors", f"call it with {count}")


def need_rank(value: Value, rank: int) -> None:
    """UnsupportedError unless the value has `rank` axes (batch excluded)."""
    if len(value.shape) != rank:
        raise UnsupportedError(
            f"its input has the shape {value.shape} (without batch)", f"give it {rank} axes"
        )
