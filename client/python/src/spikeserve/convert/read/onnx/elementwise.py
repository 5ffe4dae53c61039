"""Activations, and arithmetic of signals with constants and with each other."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.onnx.call import Call, Value, as_float, operator
from spikeserve.convert.read.tensors import activations, moves
from spikeserve.convert.read.tensors.writer import Signal

# Operators without settings by the name of Keras' activation.
_PLAIN = {
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSwish": "hard_silu",
    "Mish": "mish",
    "Exp": "exponential",
    "Erf": "erf",
}
_ONE, _ZERO = np.ones(1), np.zeros(1)


@operator(*_PLAIN)
def _plain(call: Call) -> Value:
    return activations.activation(call.writer, call.name, call.signal(), _PLAIN[call.node.op_type])


@operator("Relu")
def _relu(call: Call) -> Value:
    return activations.relu(call.writer, call.name, call.signal())


@operator("LeakyRelu")
def _leaky_relu(call: Call) -> Value:
    return activations.leaky_relu(call.writer, call.name, call.signal(), call.number("alpha", 0.01))


@operator("PRelu")
def _prelu(call: Call) -> Value:
    return activations.prelu(call.writer, call.name, call.signal(), as_float(call.constant(1, "slopes")))


@operator("Clip")
def _clip(call: Call) -> Value:
    bounds = []
    for index, default in ((1, -math.inf), (2, math.inf)):
        given = call.optional(index, "bounds")
        if given is not None and given.size != 1:
            raise UnsupportedError(f"a bound has the shape {given.shape}", "give one number")
        bounds.append(default if given is None else float(given.reshape(-1)[0]))
    return activations.clip(call.writer, call.name, call.signal(), *bounds)


@operator("Elu")
def _elu(call: Call) -> Value:
    return activations.elu(call.writer, call.name, call.signal(), call.number("alpha", 1.0))


@operator("Selu")
def _selu(call: Call) -> Value:
    alpha, gamma = call.number("alpha", 1.6732632), call.number("gamma", 1.0507010)
    return activations.selu(call.writer, call.name, call.signal(), alpha, gamma)


@operator("HardSigmoid")
def _hard_sigmoid(call: Call) -> Value:
    slope, offset = call.number("alpha", 0.2), call.number("beta", 0.5)
    return activations.hard_sigmoid(call.writer, call.name, call.signal(), slope, offset)


@operator("Gelu")
def _gelu(call: Call) -> Value:
    kind = {"none": "gelu", "tanh": "gelu_tanh"}.get(call.word("approximate", "none"), "gelu_unknown")
    return activations.activation(call.writer, call.name, call.signal(), kind)


@operator("Swish")
def _swish(call: Call) -> Value:
    if call.number("alpha", 1.0) != 1:
        raise UnsupportedError(f"its alpha is {call.number('alpha', 1.0):g}", "use 1")
    return activations.activation(call.writer, call.name, call.signal(), "silu")


@operator("Softmax")
def _softmax(call: Call) -> Value:
    return activations.softmax(call.writer, call.name, call.signal(), call.integer("axis", -1))


@operator("LogSoftmax")
def _log_softmax(call: Call) -> Value:
    return activations.log_softmax(call.writer, call.name, call.signal(), call.integer("axis", -1))


@operator("Neg")
def _neg(call: Call) -> Value:
    return activations.scale_again(call.writer, call.name, call.signal(), -_ONE, _ZERO)


@operator("Add")
def _add(call: Call) -> Value:
    x, constant = _split(call)
    if constant is None:
        return moves.merge(call.writer, call.name, "Add", [call.signal(0), call.signal(1)])
    return activations.scale_again(call.writer, call.name, x, _ONE, constant)


@operator("Sub")
def _sub(call: Call) -> Value:
    x, constant = _split(call)
    if constant is None:
        return moves.merge(call.writer, call.name, "Subtract", [call.signal(0), call.signal(1)])
    if isinstance(call.value(0), Signal):
        return activations.scale_again(call.writer, call.name, x, _ONE, -constant)
    return activations.scale_again(call.writer, call.name, x, -_ONE, constant)


@operator("Mul")
def _mul(call: Call) -> Value:
    x, constant = _split(call)
    if constant is None:
        return activations.multiply(call.writer, call.name, call.signal(0), call.signal(1))
    return activations.scale_again(call.writer, call.name, x, constant, _ZERO)


@operator("Div")
def _div(call: Call) -> Value:
    x, constant = _split(call)
    if constant is None or not isinstance(call.value(0), Signal):
        raise UnsupportedError("it divides by a signal, which is not linear", "divide by constants alone")
    if np.any(constant == 0):
        raise UnsupportedError("it divides by zero", "check the model")
    return activations.scale_again(call.writer, call.name, x, 1 / constant, _ZERO)


@operator("Sum", "Mean")
def _sum(call: Call) -> Value:
    signals = [call.signal(index) for index in range(len(call.inputs))]
    if len(signals) == 1:
        return signals[0]
    kind = {"Sum": "Add", "Mean": "Average"}[call.node.op_type]
    return moves.merge(call.writer, call.name, kind, signals)


@operator("Max", "Min")
def _extreme(call: Call) -> Value:
    if len(call.inputs) == 2 and any(not isinstance(value, Signal) for value in call.inputs):
        x, constant = _split(call)
        if constant is not None and constant.size == 1:
            bound = float(constant.reshape(-1)[0])
            bounds = (bound, math.inf) if call.node.op_type == "Max" else (-math.inf, bound)
            return activations.clip(call.writer, call.name, x, *bounds)
    signals = [call.signal(index) for index in range(len(call.inputs))]
    return moves.merge(call.writer, call.name, f"{call.node.op_type}imum", signals)


def _split(call: Call) -> tuple[Signal, Array | None]:
    """The signal among two inputs, and the constant; None where both are signals."""
    first, second = call.value(0), call.value(1)
    if isinstance(first, Signal):
        return first, None if isinstance(second, Signal) else as_float(second)
    return call.signal(1), as_float(first)
