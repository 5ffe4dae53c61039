"""Operators that move, join and resize, and those that do nothing at inference."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.onnx.call import Call, Value, operator
from spikeserve.convert.read.onnx.constants import FLOATS
from spikeserve.convert.read.tensors import moves
from spikeserve.convert.read.tensors.windows import Pairs
from spikeserve.convert.read.tensors.writer import Signal


@operator("Identity", "Dropout")
def _nothing(call: Call) -> Value:
    if call.has(2) and bool(np.any(call.constant(2, "settings"))):
        raise UnsupportedError("it drops values in training mode", "export the model for inference")
    return call.signal()


@operator("Cast", "CastLike")
def _cast(call: Call) -> Value:
    if call.node.op_type == "Cast" and call.integer("to", 0) not in FLOATS:
        raise UnsupportedError("it makes whole numbers of a signal", "leave the signal in floats")
    return call.signal()


@operator("Flatten")
def _flatten(call: Call) -> Value:
    x = call.signal()
    axis = call.integer("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    target = [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])]
    return moves.reshape(call.writer, call.name, x, target)


@operator("Reshape")
def _reshape(call: Call) -> Value:
    x, target = call.signal(), call.whole(1, "target shape")
    if not call.integer("allowzero", 0):
        if any(n == 0 and axis >= len(x.shape) for axis, n in enumerate(target)):
            raise UnsupportedError(f"its target shape is {target} for {x.sample}", "check the model")
        target = [x.shape[axis] if n == 0 else n for axis, n in enumerate(target)]
    return moves.reshape(call.writer, call.name, x, target)


@operator("Squeeze")
def _squeeze(call: Call) -> Value:
    x = call.signal()
    axes = call.axes(1, len(x.shape))
    if axes is None:
        axes = [axis for axis, n in enumerate(x.shape) if n == 1 and axis > 0]
    if any(x.shape[axis] != 1 for axis in axes) or 0 in axes:
        raise UnsupportedError(f"it removes the axes {axes} of {x.sample} (batch counted)", "keep the batch")
    target = [n for axis, n in enumerate(x.shape) if axis not in axes]
    return moves.reshape(call.writer, call.name, x, target)


@operator("Unsqueeze")
def _unsqueeze(call: Call) -> Value:
    x = call.signal()
    count = len(call.integers("axes", [])) or (len(call.whole(1, "axes")) if call.has(1) else 0)
    axes = call.axes(1, len(x.shape) + count) or []
    sizes = iter(x.shape)
    target = [1 if axis in axes else next(sizes) for axis in range(len(x.shape) + len(axes))]
    return moves.reshape(call.writer, call.name, x, target)


@operator("Transpose")
def _transpose(call: Call) -> Value:
    x = call.signal()
    axes = call.integers("perm", range(len(x.shape) - 1, -1, -1))
    return moves.permute(call.writer, call.name, x, axes)


@operator("Concat")
def _concat(call: Call) -> Value:
    signals = [call.signal(index) for index in range(len(call.inputs))]
    if not signals:
        raise UnsupportedError("it joins nothing", "the file is damaged; export it again")
    return moves.concatenate(call.writer, call.name, signals, call.integer("axis", 0))


@operator("Pad")
def _pad(call: Call) -> Value:
    x, pads = call.signal(), call.whole(1, "pads")
    mode, fill = call.word("mode", "constant"), call.optional(2, "fill value")
    if mode != "constant" or (fill is not None and np.any(fill != 0)):
        raise UnsupportedError(f"it pads in mode {mode!r} with {fill}", "pad with zeros")
    axes = list(range(len(x.shape)))
    if call.has(3):
        axes = [moves.axis_of(axis, len(x.shape)) for axis in call.whole(3, "axes")]
    if len(pads) != 2 * len(axes):
        raise UnsupportedError(f"its pads are {pads} for {len(axes)} axes", "check the model")
    pairs: Pairs = [(0, 0)] * len(x.shape)
    for index, axis in enumerate(axes):
        pairs[axis] = pads[index], pads[index + len(axes)]
    return moves.pad(call.writer, call.name, x, pairs)


@operator("Slice")
def _slice(call: Call) -> Value:
    x = call.signal()
    starts, ends = call.whole(1, "starts"), call.whole(2, "ends")
    axes = call.whole(3, "axes") if call.has(3) else list(range(len(starts)))
    steps = call.whole(4, "steps") if call.has(4) else [1] * len(starts)
    if any(step != 1 for step in steps):
        raise UnsupportedError(f"it takes every {steps} value", "slice without steps")
    pairs: Pairs = [(0, 0)] * len(x.shape)
    for start, end, axis in zip(starts, ends, axes, strict=True):
        axis = moves.axis_of(axis, len(x.shape))
        first, last, _ = slice(start, end).indices(x.shape[axis])
        if axis == 0 and (first, last) == (0, x.shape[0]):
            continue
        pairs[axis] = -first, last - x.shape[axis]
    return moves.pad(call.writer, call.name, x, pairs)


@operator("Split")
def _split(call: Call) -> list[Signal]:
    x, count = call.signal(), len(call.node.output)
    axis = moves.axis_of(call.integer("axis", 0), len(x.shape))
    if call.has(1):
        sizes = call.whole(1, "sizes")
    else:
        most = -(-x.shape[axis] // count)
        sizes = [most] * (count - 1) + [x.shape[axis] - most * (count - 1)]
    if len(sizes) != count:
        raise UnsupportedError(f"it makes parts of {sizes} for {count} outputs", "check the model")
    return moves.split(call.writer, call.name, x, sizes, axis)


@operator("Upsample", "Resize")
def _resize(call: Call) -> Value:
    x = call.signal()
    mode = call.word("mode", "nearest")
    if mode != "nearest":
        raise UnsupportedError(f"its mode is {mode!r}", "use nearest")
    factors = _factors(call, x)
    if factors[:2] != [1, 1]:
        raise UnsupportedError(f"it scales {x.sample} by {factors} (batch counted)", "scale spatial axes")
    _check_rounding(call, factors)
    return moves.upsample(call.writer, call.name, x, factors[2:])


def _factors(call: Call, x: Signal) -> list[int]:
    """By how much a Resize scales every axis, in whole numbers."""
    rank = len(x.shape)
    axes = [moves.axis_of(axis, rank) for axis in call.integers("axes", range(rank))]
    if call.has(3):
        sizes = call.whole(3, "sizes")
        scales: Array = np.ones(rank)
        if len(sizes) == len(axes):
            scales[axes] = [size / x.shape[axis] for size, axis in zip(sizes, axes, strict=True)]
    else:
        given = call.constant(2, "scales")
        scales = np.ones(rank)
        if given.shape == (len(axes),):
            scales[axes] = given
    if np.any(scales != np.round(scales)) or np.any(scales < 1) or np.any(scales > 2**16):
        raise UnsupportedError(f"it scales by {scales.tolist()} (batch counted)", "scale by whole numbers")
    return [int(scale) for scale in scales]


def _check_rounding(call: Call, factors: list[int]) -> None:
    """With whole factors these choices of a place all repeat every value as often; others do not."""
    place = call.word("coordinate_transformation_mode", "half_pixel")
    rounding = call.word("nearest_mode", "round_prefer_floor")
    repeats = {
        "asymmetric": ("floor",),
        "half_pixel": ("round_prefer_floor", "round_prefer_ceil"),
        "pytorch_half_pixel": ("round_prefer_floor", "round_prefer_ceil"),
        "half_pixel_symmetric": ("round_prefer_floor", "round_prefer_ceil"),
    }
    if rounding not in repeats.get(place, ()) and any(factor > 1 for factor in factors):
        raise UnsupportedError(
            f"it takes places by '{place}' and '{rounding}'", "use 'asymmetric' and 'floor', or 'half_pixel'"
        )
