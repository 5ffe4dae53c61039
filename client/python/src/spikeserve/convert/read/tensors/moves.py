"""Layers that move, join and add values."""

from __future__ import annotations

import math
from collections.abc import Sequence

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.tensors.windows import Pairs
from spikeserve.convert.read.tensors.writer import GraphWriter, Shape, Signal


def axis_of(axis: int, rank: int) -> int:
    """An axis from 0, batch counted; UnsupportedError for one that is not there."""
    if not -rank <= axis < rank:
        raise UnsupportedError(f"axis is {axis} for a tensor of {rank} axes", "check the model")
    return axis % rank


def reshape(writer: GraphWriter, name: str, x: Signal, target: Sequence[int]) -> Signal:
    """The values in another shape, batch counted, with at most one -1; the batch has to stay in front."""
    shape = _resolved(x.shape, target)
    if not shape or shape[0] != writer.batch:
        raise UnsupportedError(
            f"it reshapes {_shown(x.shape, writer)} to {_shown(shape, writer)}: the batch must stay in front",
            "keep the batch as the first axis",
        )
    held = x.sample or (1,)  # what the node gives
    wanted = shape[1:] or (1,)
    if wanted == held:
        return Signal(x.node, shape)
    made = writer.add(name, "Reshape", {"target_shape": list(wanted)}, [], [x], (shape[0], *wanted))
    return Signal(made.node, shape)


def _resolved(shape: Shape, target: Sequence[int]) -> Shape:
    total, sizes = math.prod(shape), [int(n) for n in target]
    if sizes.count(-1) == 1:
        rest = -math.prod(sizes)
        if rest > 0 and total % rest == 0:
            sizes[sizes.index(-1)] = total // rest
    if any(n < 1 for n in sizes) or math.prod(sizes) != total:
        raise UnsupportedError(f"{shape[1:]} cannot take the shape {tuple(target)}", "check the input shape")
    return tuple(sizes)


def _shown(shape: Sequence[int], writer: GraphWriter) -> str:
    """A shape for a message; multiples of an open batch are written as such."""

    def size(n: int) -> str:
        if writer.batch < 2 or n % writer.batch:
            return str(n)
        return "batch" if n == writer.batch else f"batch*{n // writer.batch}"

    return f"[{', '.join(map(size, shape))}]"


def permute(writer: GraphWriter, name: str, x: Signal, axes: Sequence[int]) -> Signal:
    """Axis i of the result is axis axes[i] of x, batch counted."""
    order = [axis_of(axis, len(x.shape)) for axis in axes]
    if sorted(order) != list(range(len(x.shape))):
        raise UnsupportedError(f"its permutation is {list(axes)} for {len(x.shape)} axes", "check the model")
    if not order or order[0] != 0:
        raise UnsupportedError(f"its permutation {list(axes)} moves the batch", "keep the batch in front")
    if order == list(range(len(order))):
        return x
    shape = tuple(x.shape[axis] for axis in order)
    return writer.add(name, "Permute", {"dims": order[1:]}, [], [x], shape)


def pad(writer: GraphWriter, name: str, x: Signal, pairs: Pairs) -> Signal:
    """Zeros before and after every axis, batch counted; negative numbers crop."""
    if len(pairs) != len(x.shape) or any(pairs[0]):
        raise UnsupportedError(f"its padding is {pairs} for {x.sample}", "pad other axes than the batch")
    crops = [(max(-before, 0), max(-after, 0)) for before, after in pairs]
    zeros = [(max(before, 0), max(after, 0)) for before, after in pairs]
    x = _borders(writer, f"{name}/crop" if any(map(any, zeros)) else name, x, crops, "Cropping", -1)
    return _borders(writer, name, x, zeros, "ZeroPadding", 1)


def _borders(writer: GraphWriter, name: str, x: Signal, pairs: Pairs, class_name: str, sign: int) -> Signal:
    """Two layers where both the first and the last axis of a sample change: such a layer leaves one alone."""
    if not any(map(any, pairs)):
        return x
    if any(pairs[1]) and any(pairs[-1]) and len(pairs) > 2:
        x = _borders(
            writer, f"{name}/first", x, [(0, 0), pairs[1], *[(0, 0)] * (len(pairs) - 2)], class_name, sign
        )
        pairs = [(0, 0), (0, 0), *pairs[2:]]
    rank = len(pairs) - 2
    if rank == 0:  # a row, as one channel of a series
        series = reshape(writer, f"{name}/series", x, [*x.shape, 1])
        changed = _borders(writer, name, series, [*pairs, (0, 0)], class_name, sign)
        return reshape(writer, f"{name}/row", changed, changed.shape[:-1])
    first = not any(pairs[1])
    key = "padding" if class_name == "ZeroPadding" else "cropping"
    spatial = [list(pair) for pair in (pairs[2:] if first else pairs[1:-1])]
    config = {
        key: spatial[0] if rank == 1 else spatial,
        "data_format": "channels_first" if first else "channels_last",
    }
    shape = tuple(n + sign * sum(pair) for n, pair in zip(x.shape, pairs, strict=True))
    return writer.add(name, f"{class_name}{rank}D", config, [], [x], shape)


def split(writer: GraphWriter, name: str, x: Signal, sizes: Sequence[int], axis: int) -> list[Signal]:
    """Parts of these sizes along an axis, batch counted."""
    axis = axis_of(axis, len(x.shape))
    if sum(sizes) != x.shape[axis] or any(size < 1 for size in sizes):
        raise UnsupportedError(f"it makes parts of {list(sizes)} from {x.shape[axis]}", "check the model")
    parts, start = [], 0
    for index, size in enumerate(sizes):
        pairs: Pairs = [(0, 0)] * len(x.shape)
        pairs[axis] = -start, start + size - x.shape[axis]
        parts.append(pad(writer, f"{name}/{index}", x, pairs))
        start += size
    return parts


def concatenate(writer: GraphWriter, name: str, signals: Sequence[Signal], axis: int) -> Signal:
    """Signals side by side along an axis, batch counted."""
    first = signals[0]
    axis = axis_of(axis, len(first.shape))
    rests = {(*s.shape[:axis], *s.shape[axis + 1 :]) for s in signals}
    if axis == 0 or len(rests) != 1 or len({len(s.shape) for s in signals}) != 1:
        raise UnsupportedError(
            f"it joins {[s.sample for s in signals]} along axis {axis} (batch counted)", "check the model"
        )
    if len(signals) == 1:
        return first
    size = sum(s.shape[axis] for s in signals)
    shape = (*first.shape[:axis], size, *first.shape[axis + 1 :])
    return writer.add(name, "Concatenate", {"axis": axis}, [], signals, shape)


def merge(writer: GraphWriter, name: str, class_name: str, signals: Sequence[Signal]) -> Signal:
    """Add, Subtract, Multiply ... of signals of one shape, or of shapes that broadcast to one."""
    rank = max(len(s.shape) for s in signals)
    if any(len(s.shape) != rank for s in signals):
        raise UnsupportedError(
            f"it joins signals of {[s.sample for s in signals]}", "bring them to one number of axes first"
        )
    shape = tuple(max(sizes) for sizes in zip(*(s.shape for s in signals), strict=True))
    for signal in signals:
        if any(n not in (1, m) for n, m in zip(signal.shape, shape, strict=True)):
            raise UnsupportedError(f"it joins signals of {[s.sample for s in signals]}", "check the model")
    return writer.add(name, class_name, {}, [], signals, shape)


def upsample(writer: GraphWriter, name: str, x: Signal, factors: Sequence[int]) -> Signal:
    """Every value repeated, `factors` times along the spatial axes of x [batch, channels, spatial...]."""
    rank = len(x.shape) - 2
    if rank < 1 or len(factors) != rank or any(factor < 1 for factor in factors):
        raise UnsupportedError(
            f"it scales {x.sample} by {list(factors)}", "scale spatial axes by whole numbers"
        )
    if all(factor == 1 for factor in factors):
        return x
    config = {
        "size": factors[0] if rank == 1 else list(factors),
        "data_format": "channels_first",
        "interpolation": "nearest",
    }
    sizes = [n * factor for n, factor in zip(x.shape[2:], factors, strict=True)]
    return writer.add(name, f"UpSampling{rank}D", config, [], [x], (*x.shape[:2], *sizes))
