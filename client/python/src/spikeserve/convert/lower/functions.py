"""Activations that neurons with memory compute, beside ReLU and its relatives."""

from __future__ import annotations

from spikeserve.convert.lower.activations import Activation
from spikeserve.convert.models.neurons import MemoryFunction

# By the kind of an activation.
_FUNCTIONS = {
    "celu": "elu",  # with an alpha of 1, which is all that a name stands for
    "elu": "elu",
    "exponential": "exponential",
    "gelu": "gelu",
    "gelu_tanh": "gelu_tanh",
    "hard_sigmoid": "hard_sigmoid",
    "hard_silu": "hard_swish",
    "mish": "mish",
    "selu": "selu",
    "sigmoid": "sigmoid",
    "silu": "swish",
    "softmax": "softmax",  # over the last axis
    "softplus": "softplus",
    "softsign": "softsign",
    "tanh": "tanh",
}
_SIXTH = 1 / 6  # the slope of what neurons compute for a hard sigmoid


def memory_function(activation: Activation) -> tuple[MemoryFunction, float] | None:
    """(the neurons for an activation, the factor in front of them); None where there are none."""
    function = _FUNCTIONS.get(activation.kind)
    if function is None or "axis" in activation.options:
        return None
    alpha = activation.options.get("alpha", 1.0) if function == "elu" else 0.0
    slope = activation.options.get("slope", _SIXTH)
    return MemoryFunction(function, alpha=alpha), slope / _SIXTH
