"""Activations, also those that exporters spell out in several operations."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.tensors.linear import scale_shift
from spikeserve.convert.read.tensors.moves import merge
from spikeserve.convert.read.tensors.writer import GraphWriter, Signal

_CLOSE = 1e-4  # of constants in other people's formulas, which are float32
_GATES = {"sigmoid": "silu", "hard_sigmoid": "hard_silu"}  # of x times this of x


def activation(writer: GraphWriter, name: str, x: Signal, kind: str, keras_major: int = 3) -> Signal:
    """One of Keras' activations without options, by its name there."""
    return writer.add(name, "Activation", {"activation": kind}, [], [x], x.shape, keras_major)


def relu(writer: GraphWriter, name: str, x: Signal, max_value: float | None = None) -> Signal:
    """max(x, 0), or that up to a bound."""
    return writer.add(name, "ReLU", {"max_value": max_value}, [], [x], x.shape)


def clip(writer: GraphWriter, name: str, x: Signal, low: float, high: float) -> Signal:
    """x between two bounds, which may be infinite."""
    if low == -math.inf and high == math.inf:
        return x
    if low == 0 and high > 0:
        return relu(writer, name, x, None if high >= 3e38 else high)
    if (low, high) == (-1, 1):
        return activation(writer, name, x, "hard_tanh")
    raise UnsupportedError(f"it limits values to {low:g} and {high:g}", "limit them to 0 and an upper bound")


def leaky_relu(writer: GraphWriter, name: str, x: Signal, slope: float) -> Signal:
    """x, times `slope` where it is negative."""
    return writer.add(name, "LeakyReLU", {"negative_slope": slope}, [], [x], x.shape)


def prelu(writer: GraphWriter, name: str, x: Signal, slopes: Array) -> Signal:
    """x, times a slope of its own where it is negative; `slopes` broadcast to x, batch counted.

    Neurons have one slope, so that several become two rectifiers, of x and of -x.
    """
    shape = (1,) * (len(x.shape) - slopes.ndim) + slopes.shape
    if len(shape) != len(x.shape) or any(n not in (1, m) for n, m in zip(shape[1:], x.sample, strict=True)):
        raise UnsupportedError(f"its slopes have the shape {slopes.shape} for {x.sample}", "check the model")
    if shape[0] != 1:
        raise UnsupportedError("its slopes differ along the batch", "check the model")
    if not np.ptp(slopes).any():
        return leaky_relu(writer, name, x, float(slopes.reshape(-1)[0]))
    one, zero = np.ones(1), np.zeros(1)
    above = relu(writer, f"{name}/above", x)
    below = relu(writer, f"{name}/below", scale_shift(writer, f"{name}/negated", x, -one, zero))
    return merge(writer, name, "Add", [above, scale_shift(writer, f"{name}/slopes", below, -slopes, zero)])


def elu(writer: GraphWriter, name: str, x: Signal, alpha: float) -> Signal:
    """x, or alpha * (exp(x) - 1) where it is negative."""
    return writer.add(name, "ELU", {"alpha": alpha}, [], [x], x.shape)


def selu(writer: GraphWriter, name: str, x: Signal, alpha: float, gamma: float) -> Signal:
    """The scaled ELU, which has constants that are not free."""
    if abs(alpha - 1.6732632) > _CLOSE or abs(gamma - 1.0507010) > _CLOSE:
        raise UnsupportedError(f"its alpha is {alpha:g}, its gamma {gamma:g}", "use the usual constants")
    return activation(writer, name, x, "selu")


def hard_sigmoid(writer: GraphWriter, name: str, x: Signal, slope: float, offset: float) -> Signal:
    """slope * x + offset between 0 and 1; Keras 2 has a slope of 0.2, Keras 3 one of a sixth."""
    majors = {2: 0.2, 3: 1 / 6}
    found = [major for major, usual in majors.items() if abs(slope - usual) < _CLOSE]
    if not found or abs(offset - 0.5) > _CLOSE:
        raise UnsupportedError(f"its slope is {slope:g}, its offset {offset:g}", "use 1/6 or 0.2, and 0.5")
    return activation(writer, name, x, "hard_sigmoid", found[0])


def softmax(writer: GraphWriter, name: str, x: Signal, axis: int) -> Signal:
    """Shares of exp(x) along an axis, batch counted."""
    last = axis in (-1, len(x.shape) - 1)
    return writer.add(name, "Softmax", {"axis": -1 if last else axis}, [], [x], x.shape)


def log_softmax(writer: GraphWriter, name: str, x: Signal, axis: int) -> Signal:
    """The logarithm of a softmax, over the last axis."""
    if axis not in (-1, len(x.shape) - 1):
        raise UnsupportedError(f"it is over axis {axis} of {x.sample} (batch counted)", "use the last axis")
    return activation(writer, name, x, "log_softmax")


def multiply(writer: GraphWriter, name: str, a: Signal, b: Signal) -> Signal:
    """The product of two signals, which may be an activation in two parts."""
    for value, gate in ((a, b), (b, a)):
        kind = _gated(writer, value.node, gate)
        if kind is not None:
            return activation(writer, name, value, kind)
        halved = _scaled(writer, value.node)
        if _is_normal_distribution(writer, gate, value.node):
            whole = activation(writer, name, value, "gelu")
            return scale_shift(writer, f"{name}/scale", whole, np.full(1, 2.0), np.zeros(1))
        if halved is None or halved[1:] != (0.5, 0.0):
            continue
        if _is_normal_distribution(writer, gate, halved[0]):
            return activation(writer, name, Signal(halved[0], value.shape), "gelu")
    return merge(writer, name, "Multiply", [a, b])


def _gated(writer: GraphWriter, source: int, gate: Signal) -> str | None:
    """The activation that x times `gate` is, where the gate is a function of this x, the node `source`."""
    kind, inputs = _activation_of(writer, gate.node), writer.nodes[gate.node].inputs
    if kind in _GATES and inputs == (source,):
        return _GATES[kind]
    if kind == "tanh" and _activation_of(writer, inputs[0]) == "softplus":
        return "mish" if writer.nodes[inputs[0]].inputs == (source,) else None
    return None


def scale_again(writer: GraphWriter, name: str, x: Signal, scale: Array, shift: Array) -> Signal:
    """As `scale_shift`; one value undoes another without a trace."""
    before = _scaled(writer, x.node)
    if before is not None and scale.size == shift.size == 1:
        factor, offset = float(scale.reshape(-1)[0]), float(shift.reshape(-1)[0])
        if before[1] * factor == 1 and before[2] * factor + offset == 0:
            return Signal(before[0], x.shape)
    return scale_shift(writer, name, x, scale, shift)


def _activation_of(writer: GraphWriter, node: int) -> str | None:
    layer = writer.nodes[node].layer
    kind: str | None = layer.config.get("activation") if layer.class_name == "Activation" else None
    return None if layer.keras_major == 2 else kind


def _scaled(writer: GraphWriter, node: int) -> tuple[int, float, float] | None:
    """Source, factor and offset of a layer that scales all values alike."""
    layer = writer.nodes[node].layer
    if layer.class_name != "Rescaling" or "axis" in layer.config:
        return None
    return writer.nodes[node].inputs[0], layer.config["scale"][0], layer.config["offset"][0]


def _is_normal_distribution(writer: GraphWriter, signal: Signal, source: int) -> bool:
    """Whether this is 1 + erf(x / sqrt 2) of the node `source`, twice the normal distribution function."""
    outer = _scaled(writer, signal.node)
    if outer is None or outer[1:] != (1.0, 1.0):
        return False
    node = writer.nodes[outer[0]]
    if node.layer.config.get("activation") != "erf":
        return False
    inner = _scaled(writer, node.inputs[0])
    return inner is not None and inner[0] == source and abs(inner[1] - math.sqrt(0.5)) < _CLOSE
