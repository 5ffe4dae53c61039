"""Nodes without time: weights, windows, factors, shapes."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.nir.fields import AGAIN, same_size, shape_of, spread, whole, wholes
from spikeserve.convert.nir.graph import NirNode
from spikeserve.convert.nir.units import Convolution, Dense, Flat, Multiply, Pooling, Shape, Unit


def dense(node: NirNode, shape: Shape) -> tuple[Unit, Shape]:
    """Affine and Linear."""
    weight = node.values["weight"]
    if weight.ndim != 2:
        raise UnsupportedError(f"its weight has the shape {weight.shape}, wanted [out, in]", AGAIN)
    if shape[-1] != weight.shape[1]:
        advice = "put a Flatten node in front" if math.prod(shape) == weight.shape[1] else AGAIN
        raise UnsupportedError(f"it takes {weight.shape[1]} values and reads the shape {shape}", advice)
    return Dense(weight, _bias(node, weight.shape[0])), (*shape[:-1], int(weight.shape[0]))


def _bias(node: NirNode, count: int) -> Array | None:
    bias = node.values.get("bias")
    if bias is None or not bias.any():
        return None
    if bias.shape != (count,):
        raise UnsupportedError(f"its bias has the shape {bias.shape}, wanted ({count},)", AGAIN)
    return bias


def convolution(node: NirNode, shape: Shape) -> tuple[Unit, Shape]:
    """Conv1d and Conv2d; what they read has its channels first."""
    weight = node.values["weight"]
    rank = 1 if node.kind == "Conv1d" else 2
    if weight.ndim != rank + 2:
        raise UnsupportedError(f"its weight has {weight.ndim} axes, wanted {rank + 2}", AGAIN)
    if len(shape) != rank + 1:
        raise UnsupportedError(f"it reads the shape {shape}, wanted {rank + 1} axes, channels first", AGAIN)
    _check_input_shape(node, shape)
    groups = whole(node, "groups", 1)
    if shape[0] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise UnsupportedError(
            f"its weight has the shape {weight.shape} with {groups} groups and it reads {shape[0]} channels",
            AGAIN,
        )
    stride, dilation = wholes(node, "stride", rank, 1), wholes(node, "dilation", rank, 1)
    extent = tuple((k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True))
    before, after = _padding(node, extent, stride)
    space = _windows(shape[1:], extent, stride, before, after)
    unit = Convolution(weight, _bias(node, weight.shape[0]), stride, dilation, before, after, groups)
    return unit, (int(weight.shape[0]), *space)


def _check_input_shape(node: NirNode, shape: Shape) -> None:
    if "input_shape" in node.values:
        given = shape_of(node, "input_shape")
        if given != shape[1:]:
            raise UnsupportedError(f"its input_shape is {given} and it reads {shape}", AGAIN)


def _padding(node: NirNode, extent: Shape, stride: Shape) -> tuple[Shape, Shape]:
    """Zeros before and after each axis; "same" puts the odd one behind."""
    if not node.padding:
        around = wholes(node, "padding", len(extent), 0)
        return around, around
    if node.padding == "valid":
        none = (0,) * len(extent)
        return none, none
    if node.padding != "same":
        raise UnsupportedError(f"padding is {node.padding!r:.40}, wanted numbers, 'same' or 'valid'", AGAIN)
    if max(stride) > 1:
        raise UnsupportedError(f"padding 'same' with a stride of {stride}", "give the padding in numbers")
    total = [e - 1 for e in extent]
    return tuple(n // 2 for n in total), tuple(n - n // 2 for n in total)


def _windows(space: Shape, extent: Shape, stride: Shape, before: Shape, after: Shape) -> Shape:
    out = []
    for n, e, s, b, a in zip(space, extent, stride, before, after, strict=True):
        if max(a, b) >= e or n + b + a < e:
            raise UnsupportedError(
                f"a window of {e} with {b} and {a} zeros around an axis of {n} values",
                "pad by less than the window, and have it fit",
            )
        out.append((n + b + a - e) // s + 1)
    return tuple(out)


def pooling(node: NirNode, shape: Shape) -> tuple[Unit, Shape]:
    """SumPool2d and AvgPool2d; padding counts as zeros."""
    if len(shape) != 3:
        raise UnsupportedError(f"it reads the shape {shape}, wanted [channels, height, width]", AGAIN)
    window, stride = wholes(node, "kernel_size", 2, 1), wholes(node, "stride", 2, 1)
    padding = wholes(node, "padding", 2, 0)
    space = _windows(shape[1:], window, stride, padding, padding)
    factor = math.prod(window) if node.kind == "SumPool2d" else 1
    return Pooling(window, stride, padding, factor), (shape[0], *space)


def scale(node: NirNode, shape: Shape) -> tuple[Unit, Shape]:
    """Scale; its factors may broadcast over what it reads."""
    factor = np.asarray(node.values["scale"], np.float64)
    try:
        if np.broadcast_shapes(factor.shape, shape) == shape:
            return Multiply(np.broadcast_to(factor, shape)), shape
    except ValueError:
        pass
    return Multiply(spread(node, "scale", shape)), shape


def flatten(node: NirNode, shape: Shape, wanted: int | None) -> tuple[Unit, Shape, str]:
    """Flatten, whose axes are counted without the batch; also what to warn of.

    Some writers count the batch: where what follows takes `wanted` values and they give that, they are right.
    """
    start, end = (_axis(node, name) for name in ("start_dim", "end_dim"))
    plain = _flattened(shape, start, end)
    if plain is not None and wanted in (None, plain[-1]):
        return Flat(), plain, ""
    shifted = _flattened(shape, max(start - 1, 0), end - 1 if end > 0 else end) if start > 0 else None
    if shifted is not None and wanted in (None, shifted[-1]):
        text = f"start_dim {start} counts the batch: {shape} becomes {shifted}"
        return Flat(), shifted, text
    if plain is None:
        raise UnsupportedError(f"start_dim {start} and end_dim {end} for the shape {shape}", AGAIN)
    return Flat(), plain, ""


def _axis(node: NirNode, name: str) -> int:
    values = np.asarray(node.values[name]).ravel()
    if values.size != 1 or values[0] != int(values[0]) or abs(int(values[0])) > 8:
        raise UnsupportedError(f"{name} is {values[:8]}, wanted the number of an axis", AGAIN)
    return int(values[0])


def _flattened(shape: Shape, start: int, end: int) -> Shape | None:
    rank = len(shape)
    first, last = (axis + rank if axis < 0 else axis for axis in (start, end))
    if not 0 <= first <= last < rank:
        return None
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def agrees(node: NirNode, shape: Shape) -> None:
    """UnsupportedError where an Output says another shape than it reads."""
    if not same_size(shape_of(node, "shape"), shape):
        raise UnsupportedError(f"its shape is {shape_of(node, 'shape')} and it reads {shape}", AGAIN)
