"""Operators that move, join and resize, and those that do nothing at inference."""

from __future__ import annotations

import math
from typing import Any

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.tensors import moves
from spikeserve.convert.read.tensors.moves import axis_of
from spikeserve.convert.read.tensors.windows import Pairs
from spikeserve.convert.read.tensors.writer import Signal
from spikeserve.convert.read.torch.call import Call, operator


@operator("contiguous", "clone", "alias", "detach", "lift_fresh_copy", "to", "_to_copy", "type_as", "float")
def _nothing(call: Call) -> Signal:
    return call.signal()


@operator("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")
def _dropout(call: Call) -> Signal:
    if call.get("train"):
        raise UnsupportedError("it drops values in training mode", "trace it for inference")
    return call.signal()


@operator("view", "reshape", "_unsafe_view")
def _view(call: Call) -> Signal:
    target = call.get("size", "shape")
    if any(not isinstance(n, int) for n in target):
        raise UnsupportedError("its shape depends on the inputs", "use sizes that are fixed")
    return moves.reshape(call.writer, call.name, call.signal(), target)


@operator("flatten")
def _flatten(call: Call) -> Signal:
    x = call.signal()
    rank = len(x.shape)
    first = axis_of(int(call.get("start_dim", default=0)), rank)
    last = axis_of(int(call.get("end_dim", default=-1)), rank)
    target = [*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :]]
    return moves.reshape(call.writer, call.name, x, target)


@operator("unflatten")
def _unflatten(call: Call) -> Signal:
    x = call.signal()
    axis = axis_of(int(call.get("dim")), len(x.shape))
    target = [*x.shape[:axis], *call.get("sizes"), *x.shape[axis + 1 :]]
    return moves.reshape(call.writer, call.name, x, target)


@operator("squeeze")
def _squeeze(call: Call) -> Signal:
    x = call.signal()
    given = call.get("dim")
    axes = range(len(x.shape)) if given is None else given if isinstance(given, (list, tuple)) else [given]
    gone = [axis for axis in (axis_of(int(n), len(x.shape)) for n in axes) if x.shape[axis] == 1]
    return moves.reshape(call.writer, call.name, x, [n for axis, n in enumerate(x.shape) if axis not in gone])


@operator("unsqueeze")
def _unsqueeze(call: Call) -> Signal:
    return _with_axis(call, call.name, call.signal(), int(call.get("dim")))


def _with_axis(call: Call, name: str, x: Signal, axis: int) -> Signal:
    place = axis_of(axis, len(x.shape) + 1)
    return moves.reshape(call.writer, name, x, [*x.shape[:place], 1, *x.shape[place:]])


@operator("permute")
def _permute(call: Call) -> Signal:
    return moves.permute(call.writer, call.name, call.signal(), call.get("dims"))


@operator("transpose")
def _transpose(call: Call) -> Signal:
    x = call.signal()
    axes = list(range(len(x.shape)))
    first, second = (axis_of(int(call.get(name)), len(axes)) for name in ("dim0", "dim1"))
    axes[first], axes[second] = axes[second], axes[first]
    return moves.permute(call.writer, call.name, x, axes)


@operator("cat", "concat", "concatenate")
def _cat(call: Call) -> Signal:
    return moves.concatenate(call.writer, call.name, _signals(call), int(call.get("dim", default=0)))


@operator("split", "split_with_sizes", "chunk")
def _split(call: Call) -> list[Signal]:
    x = call.signal()
    axis = axis_of(int(call.get("dim", default=0)), len(x.shape))
    whole = x.shape[axis]
    if "chunks" in call.arguments:
        most = -(-whole // int(call.get("chunks")))
    else:
        given = call.get("split_size", "split_sizes")
        if not isinstance(given, int):
            return moves.split(call.writer, call.name, x, [int(n) for n in given], axis)
        most = given
    sizes = [min(most, whole - start) for start in range(0, whole, most)]
    return moves.split(call.writer, call.name, x, sizes, axis)


@operator("stack")
def _stack(call: Call) -> Signal:
    axis = int(call.get("dim", default=0))
    parts = [_with_axis(call, f"{call.name}/part", x, axis) for x in _signals(call)]
    return moves.concatenate(call.writer, call.name, parts, axis)


def _signals(call: Call) -> list[Signal]:
    given: Any = call.get("tensors", default=[])
    if not given or any(not isinstance(item, Signal) for item in given):
        raise UnsupportedError("it joins constants", "join signals alone")
    return list(given)


@operator("pad", "constant_pad_nd")
def _pad(call: Call) -> Signal:
    x, amounts = call.signal(), [int(n) for n in call.get("pad")]
    mode, value = call.get("mode", default="constant"), call.get("value", default=0)
    if mode != "constant" or value != 0 or len(amounts) % 2:
        raise UnsupportedError(f"it pads in mode {mode!r} with {value}", "pad with zeros")
    pairs: Pairs = [(0, 0)] * len(x.shape)
    for index in range(len(amounts) // 2):  # from the last axis on
        pairs[-1 - index] = amounts[2 * index], amounts[2 * index + 1]
    return moves.pad(call.writer, call.name, x, pairs)


@operator("slice")
def _slice(call: Call) -> Signal:
    x = call.signal()
    axis = axis_of(int(call.get("dim", default=0)), len(x.shape))
    if int(call.get("step", default=1)) != 1:
        raise UnsupportedError(f"it takes every {call.get('step')} value", "slice without steps")
    first, last, _ = slice(call.get("start"), call.get("end")).indices(x.shape[axis])
    pairs: Pairs = [(0, 0)] * len(x.shape)
    pairs[axis] = -first, last - x.shape[axis]
    return moves.pad(call.writer, call.name, x, pairs)


@operator("upsample_nearest1d", "upsample_nearest2d")
def _upsample(call: Call) -> Signal:
    x = call.signal()
    factors = call.get("scale_factors")
    sizes = call.get("output_size")
    if factors is None:
        factors = [size / n for size, n in zip(sizes, x.shape[2:], strict=True)]
    if any(factor != int(factor) for factor in factors):
        raise UnsupportedError(f"it scales by {list(factors)}", "scale by whole numbers")
    return moves.upsample(call.writer, call.name, x, [int(factor) for factor in factors])
