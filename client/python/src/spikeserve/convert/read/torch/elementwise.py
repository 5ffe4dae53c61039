"""Activations, and arithmetic of signals with constants and with each other."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.tensors import activations, moves
from spikeserve.convert.read.tensors.writer import Signal
from spikeserve.convert.read.torch.call import Call, operator

# Operators without arguments by the name of Keras' activation.
_PLAIN = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "silu": "silu",
    "mish": "mish",
    "hardswish": "hard_silu",
    "selu": "selu",
    "hardsigmoid": "hard_sigmoid",
    "log_sigmoid": "log_sigmoid",
    "exp": "exponential",
    "erf": "erf",
}
_ONE, _ZERO = np.ones(1), np.zeros(1)


@operator(*_PLAIN)
def _plain(call: Call) -> Signal:
    return activations.activation(call.writer, call.name, call.signal(), _PLAIN[call.operator])


@operator("relu")
def _relu(call: Call) -> Signal:
    return activations.relu(call.writer, call.name, call.signal())


@operator("relu6")
def _relu6(call: Call) -> Signal:
    return activations.relu(call.writer, call.name, call.signal(), 6.0)


@operator("hardtanh")
def _hardtanh(call: Call) -> Signal:
    low, high = call.get("min_val", default=-1.0), call.get("max_val", default=1.0)
    return activations.clip(call.writer, call.name, call.signal(), float(low), float(high))


@operator("clamp", "clamp_min", "clamp_max")
def _clamp(call: Call) -> Signal:
    low, high = call.get("min", default=-math.inf), call.get("max", default=math.inf)
    if isinstance(low, Signal) or isinstance(high, Signal):
        raise UnsupportedError("its bounds depend on the inputs", "use numbers")
    return activations.clip(call.writer, call.name, call.signal(), float(low), float(high))


@operator("threshold")
def _threshold(call: Call) -> Signal:
    if call.get("threshold") != 0 or call.get("value") != 0:
        raise UnsupportedError("its threshold or its value is not 0", "use relu")
    return activations.relu(call.writer, call.name, call.signal())


@operator("leaky_relu")
def _leaky_relu(call: Call) -> Signal:
    slope = float(call.get("negative_slope", default=0.01))
    return activations.leaky_relu(call.writer, call.name, call.signal(), slope)


@operator("prelu")
def _prelu(call: Call) -> Signal:
    x, slopes = call.signal(), call.needed("weight").reshape(-1)
    shape = (slopes.size, *(1,) * (len(x.shape) - 2)) if slopes.size > 1 else (1,)
    return activations.prelu(call.writer, call.name, x, slopes.reshape(shape))


@operator("elu", "celu")
def _elu(call: Call) -> Signal:
    alpha = float(call.get("alpha", default=1.0))
    factors = (call.get("scale", default=1), call.get("input_scale", default=1))
    if factors != (1, 1) or (call.operator == "celu" and alpha != 1):
        raise UnsupportedError("it is scaled", "use elu")
    return activations.elu(call.writer, call.name, call.signal(), alpha)


@operator("gelu")
def _gelu(call: Call) -> Signal:
    kind = {"none": "gelu", "tanh": "gelu_tanh"}[call.get("approximate", default="none")]
    return activations.activation(call.writer, call.name, call.signal(), kind)


@operator("softplus")
def _softplus(call: Call) -> Signal:
    if call.get("beta", default=1) != 1:
        raise UnsupportedError(f"its beta is {call.get('beta')}", "use 1")
    return activations.activation(call.writer, call.name, call.signal(), "softplus")


@operator("softmax", "_softmax")
def _softmax(call: Call) -> Signal:
    return activations.softmax(call.writer, call.name, call.signal(), int(call.get("dim")))


@operator("log_softmax", "_log_softmax")
def _log_softmax(call: Call) -> Signal:
    return activations.log_softmax(call.writer, call.name, call.signal(), int(call.get("dim")))


@operator("neg")
def _neg(call: Call) -> Signal:
    return activations.scale_again(call.writer, call.name, call.signal(), -_ONE, _ZERO)


@operator("add", "sub", "rsub")
def _add(call: Call) -> Signal:
    """self + alpha * other and its relatives."""
    alpha = float(call.get("alpha", default=1))
    first, second = (1.0, alpha) if call.operator == "add" else (1.0, -alpha)
    if call.operator == "rsub":
        first, second = -alpha, 1.0
    x, constant, swapped = _split(call)
    if constant is not None:
        factor, weight = (second, first) if swapped else (first, second)
        return activations.scale_again(call.writer, call.name, x, factor * _ONE, weight * constant)
    signals = [call.signal("self"), call.signal("other")]
    if (first, second) not in ((1, 1), (1, -1)):
        raise UnsupportedError(f"it has the factor {alpha:g}", "use alpha=1")
    return moves.merge(call.writer, call.name, "Add" if second == 1 else "Subtract", signals)


@operator("mul")
def _mul(call: Call) -> Signal:
    x, constant, _ = _split(call)
    if constant is not None:
        return activations.scale_again(call.writer, call.name, x, constant, _ZERO)
    return activations.multiply(call.writer, call.name, call.signal("self"), call.signal("other"))


@operator("div")
def _div(call: Call) -> Signal:
    x, constant, swapped = _split(call)
    if constant is None or swapped or call.get("rounding_mode") is not None:
        raise UnsupportedError("it divides by a signal or rounds, which is not linear", "divide by constants")
    if np.any(constant == 0):
        raise UnsupportedError("it divides by zero", "check the model")
    return activations.scale_again(call.writer, call.name, x, 1 / constant, _ZERO)


@operator("maximum", "minimum")
def _extreme(call: Call) -> Signal:
    signals = [call.signal("self"), call.signal("other")]
    return moves.merge(call.writer, call.name, call.operator.capitalize(), signals)


def _split(call: Call) -> tuple[Signal, Array | None, bool]:
    """The signal among two operands, the constant (None: both are signals), and whether that comes first."""
    first, second = call.get("self"), call.get("other")
    if isinstance(first, Signal):
        return first, None if isinstance(second, Signal) else call.needed("other").astype(np.float64), False
    return call.signal("other"), call.needed("self").astype(np.float64), True
