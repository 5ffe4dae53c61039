"""The activations that networks leave to their clients, applied to what a run answers.

Formulas are those of `OutputFunction` in the protocol, computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spikeserve.v1 import network_pb2 as pb

Values = npt.NDArray[np.floating]
_Doubles = npt.NDArray[np.float64]
_Formula = Callable[[_Doubles, pb.OutputActivation], _Doubles]

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805
_erf = np.vectorize(math.erf, otypes=[np.float64])


class UnknownFunctionError(ValueError):
    """The network leaves a function to its clients that this one does not know: it is older."""


def name(activation: pb.OutputActivation) -> str:
    """Of the function, e.g. "sigmoid"; "" for none."""
    if activation.function not in pb.OutputFunction.values():
        return str(activation.function)
    word = pb.OutputFunction.Name(activation.function).removeprefix("OUTPUT_FUNCTION_").lower()
    return "" if word == "unspecified" else word


def text(activation: pb.OutputActivation) -> str:
    """The function with its numbers, e.g. "relu(alpha=0.2,max_value=6)"; "" for none."""
    numbers = {"alpha": activation.alpha, "threshold": activation.threshold}
    shown = [f"{key}={value:g}" for key, value in numbers.items() if value != 0]
    shown += [f"max_value={activation.max_value:g}"] if activation.HasField("max_value") else []
    return name(activation) + (f"({','.join(shown)})" if shown else "")


def apply(activation: pb.OutputActivation, values: Values) -> Values:
    """The activation of values [..., outputs], of their type. UnknownFunctionError."""
    if activation.function == pb.OUTPUT_FUNCTION_UNSPECIFIED:
        return values
    if activation.function not in _FORMULAS:
        raise UnknownFunctionError(
            f"the network's outputs are left with the activation {name(activation)}, which this version of "
            "spikeserve does not know: update it, or take the values before it from the messages"
        )
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        found = _FORMULAS[activation.function](values.astype(np.float64), activation)
    return np.asarray(found.astype(values.dtype))


def sigmoid(x: _Doubles) -> _Doubles:
    """1/(1 + exp(-x)), by a form that does not overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


def _softplus(x: _Doubles) -> _Doubles:
    return np.asarray(np.logaddexp(0, x))


def _log_softmax(x: _Doubles) -> _Doubles:
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _relu(x: _Doubles, by: pb.OutputActivation) -> _Doubles:
    found = np.where(x >= by.threshold, x, by.alpha * (x - by.threshold))
    return np.minimum(found, by.max_value) if by.HasField("max_value") else found


def _elu(x: _Doubles, alpha: float, scale: float = 1.0) -> _Doubles:
    return np.asarray(np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / scale)))


def _hard_sigmoid(x: _Doubles, slope: float) -> _Doubles:
    return np.asarray(np.clip(slope * x + 0.5, 0, 1))


_FORMULAS: dict[int, _Formula] = {
    pb.OUTPUT_FUNCTION_SOFTMAX: lambda x, _: np.exp(_log_softmax(x)),
    pb.OUTPUT_FUNCTION_LOG_SOFTMAX: lambda x, _: _log_softmax(x),
    pb.OUTPUT_FUNCTION_SIGMOID: lambda x, _: sigmoid(x),
    pb.OUTPUT_FUNCTION_LOG_SIGMOID: lambda x, _: -_softplus(-x),
    pb.OUTPUT_FUNCTION_HARD_SIGMOID: lambda x, by: _hard_sigmoid(x, by.alpha),
    pb.OUTPUT_FUNCTION_TANH: lambda x, _: np.tanh(x),
    pb.OUTPUT_FUNCTION_HARD_TANH: lambda x, _: np.clip(x, -1, 1),
    pb.OUTPUT_FUNCTION_SOFTPLUS: lambda x, _: _softplus(x),
    pb.OUTPUT_FUNCTION_SOFTSIGN: lambda x, _: x / (1 + np.abs(x)),
    pb.OUTPUT_FUNCTION_EXPONENTIAL: lambda x, _: np.exp(x),
    pb.OUTPUT_FUNCTION_RELU: _relu,
    pb.OUTPUT_FUNCTION_ELU: lambda x, by: _elu(x, by.alpha),
    pb.OUTPUT_FUNCTION_SELU: lambda x, _: _SELU_SCALE * _elu(x, _SELU_ALPHA),
    pb.OUTPUT_FUNCTION_CELU: lambda x, by: _elu(x, by.alpha, by.alpha or 1.0),
    pb.OUTPUT_FUNCTION_GELU: lambda x, _: x * (1 + _erf(x / math.sqrt(2))) / 2,
    pb.OUTPUT_FUNCTION_SILU: lambda x, _: x * sigmoid(x),
    pb.OUTPUT_FUNCTION_HARD_SILU: lambda x, _: x * _hard_sigmoid(x, 1 / 6),
    pb.OUTPUT_FUNCTION_MISH: lambda x, _: x * np.tanh(_softplus(x)),
}
