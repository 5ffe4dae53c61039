"""Operators on constants alone, as exporters leave them where shapes are computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.onnx.call import Call

_MOST = 1 << 27  # values of one result: what is computed here are shapes and reordered weights
_KINDS = {1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i8", 7: "i8", 9: "?", 10: "f4", 11: "f8"}
_UNARY: dict[str, Callable[[Array], Any]] = {
    "Identity": lambda x: x,
    "Neg": np.negative,
    "Abs": np.abs,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.round,
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Reciprocal": lambda x: 1 / x,
    "Not": np.logical_not,
}
_BINARY: dict[str, Callable[[Array, Array], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Pow": np.power,
    "Max": np.maximum,
    "Min": np.minimum,
    "Equal": np.equal,
    "Less": np.less,
    "Greater": np.greater,
    "And": np.logical_and,
    "Or": np.logical_or,
    "MatMul": np.matmul,
}


def fold(call: Call) -> Array:
    """What one of the operators in FOLDED makes of constants."""
    kind = call.node.op_type
    with np.errstate(all="ignore"):
        if kind in _FOLDS:
            return np.asarray(_FOLDS[kind](call))
        first = call.constant(0, "inputs")
        if kind in _UNARY:
            return np.asarray(_UNARY[kind](first), first.dtype)
        second = call.constant(1, "inputs")
        if kind == "MatMul":
            if max(first.ndim, second.ndim) > 2:
                raise UnsupportedError(
                    "it multiplies more than matrices", "export the model with constants folded"
                )
            _bounded([*first.shape, *second.shape[-1:]])  # as many products, too
        else:
            _bounded(list(np.broadcast_shapes(first.shape, second.shape)))  # which multiplies sizes
        return np.asarray(_BINARY[kind](first, second))


def _constant(call: Call) -> Array:
    for item in call.node.attribute:
        if item.name == "value" and item.t is not None:
            return call.constants.array(item.t)
        if item.name == "value_float":
            return np.asarray(item.f, np.float32)
        if item.name == "value_floats":
            return np.asarray(item.floats, np.float32)
        if item.name == "value_int":
            return np.asarray(item.i, np.int64)
        if item.name == "value_ints":
            return np.asarray(item.ints, np.int64)
    raise UnsupportedError("it has no numbers", "export the model with plain constants")


def _cast(call: Call) -> Array:
    kind = _KINDS.get(call.integer("to", 0))
    if kind is None:
        raise UnsupportedError(
            f"it makes constants of type number {call.integer('to', 0)}", "use plain floats"
        )
    return call.constant(0, "inputs").astype(kind)


def _div(call: Call) -> Array:
    first, second = call.constant(0, "inputs"), call.constant(1, "inputs")
    if first.dtype.kind in "iu" and second.dtype.kind in "iu":  # towards zero, as in C
        quotient = np.abs(first) // np.abs(second)
        return np.asarray(quotient * np.sign(first) * np.sign(second), first.dtype)
    return np.asarray(first / second)


def _gather(call: Call) -> Array:
    data, indices = call.constant(0, "inputs"), call.constant(1, "indices")
    _bounded([data.size, indices.size])
    return np.take(data, indices.astype(np.int64), axis=call.integer("axis", 0))


def _concat(call: Call) -> Array:
    parts = [call.constant(index, "inputs") for index in range(len(call.inputs))]
    _bounded([sum(part.size for part in parts)])
    return np.concatenate(parts, axis=call.integer("axis", 0))


def _reshape(call: Call) -> Array:
    data, target = call.constant(0, "inputs"), call.whole(1, "target shape")
    if not call.integer("allowzero", 0):
        target = [data.shape[axis] if n == 0 else n for axis, n in enumerate(target)]
    return data.reshape(target)


def _unsqueeze(call: Call) -> Array:
    data = call.constant(0, "inputs")
    count = len(call.integers("axes", [])) or (len(call.whole(1, "axes")) if call.has(1) else 0)
    return np.expand_dims(data, tuple(call.axes(1, data.ndim + count) or []))


def _squeeze(call: Call) -> Array:
    data = call.constant(0, "inputs")
    axes = call.axes(1, data.ndim)
    return data.squeeze() if axes is None else data.squeeze(tuple(axes))


def _transpose(call: Call) -> Array:
    data = call.constant(0, "inputs")
    return data.transpose(call.integers("perm", range(data.ndim - 1, -1, -1)))


def _slice(call: Call) -> Array:
    data = call.constant(0, "inputs")
    starts, ends = call.whole(1, "starts"), call.whole(2, "ends")
    axes = call.whole(3, "axes") if call.has(3) else list(range(len(starts)))
    steps = call.whole(4, "steps") if call.has(4) else [1] * len(starts)
    window = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        window[axis] = slice(start, end if end >= 0 or step > 0 or end > -(2**31) else None, step)
    return data[tuple(window)]


def _filled(call: Call) -> Array:
    shape = call.whole(0, "shape")
    item = call.attribute("value")
    fill = np.zeros(1, np.float32) if item is None or item.t is None else call.constants.array(item.t)
    return np.array(np.broadcast_to(fill.reshape(-1)[:1], _bounded(shape)))


def _expand(call: Call) -> Array:
    data, shape = call.constant(0, "inputs"), call.whole(1, "shape")
    return np.array(np.broadcast_to(data, np.broadcast_shapes(data.shape, _bounded(shape))))


def _range(call: Call) -> Array:
    start, limit, step = (float(call.constant(index, "bounds").reshape(-1)[0]) for index in range(3))
    count = max(math.ceil((limit - start) / step), 0) if step else -1
    _bounded([count])
    return np.asarray(start + step * np.arange(count), call.constant(0, "bounds").dtype)


def _where(call: Call) -> Array:
    condition, first, second = (call.constant(index, "inputs") for index in range(3))
    _bounded(list(np.broadcast_shapes(condition.shape, first.shape, second.shape)))
    return np.asarray(np.where(condition, first, second))


def _product(call: Call) -> Array:
    data = call.constant(0, "inputs")
    axes = call.axes(1, data.ndim)
    return np.asarray(
        data.prod(None if axes is None else tuple(axes), keepdims=bool(call.integer("keepdims", 1)))
    )


def _bounded(shape: list[int]) -> tuple[int, ...]:
    if any(n < 0 for n in shape) or math.prod(shape) > _MOST:
        raise UnsupportedError(
            f"it makes {shape} values of constants", "export the model with constants folded"
        )
    return tuple(shape)


_FOLDS: dict[str, Callable[[Call], Array]] = {
    "Cast": _cast,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Div": _div,
    "Expand": _expand,
    "Gather": _gather,
    "Range": _range,
    "ReduceProd": _product,
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
FOLDED = frozenset({*_FOLDS, *_UNARY, *_BINARY})
