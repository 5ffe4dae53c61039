"""Operations without time as nodes of NIR, which has channels first and zeros alike on both sides."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.nir.write.nodes import (
    OutGraph,
    Shape,
    Wave,
    channels_first,
    diagonal,
    joined,
    row_major,
)
from spikeserve.v1 import network_pb2 as pb

_NO_NODE = "NIR has no node for it"
_EXPORT = "keep the network for this server, or train it without"


@dataclass(frozen=True, eq=False)
class Window:
    """A convolution in the terms of the definition; `weight` is [out, in/groups, kernel...]."""

    weight: Array
    bias: Array | None
    stride: Shape
    dilation: Shape
    before: Shape  # negative: cropped
    after: Shape
    groups: int


def affine(graph: OutGraph, name: str, wave: Wave, shape: Shape, weight: Array, bias: Array | None) -> Wave:
    """W x + b on the last axis of a value of this shape."""
    names, factor = joined(graph, wave, name)
    weight = weight * factor
    out = (*shape[:-1], int(weight.shape[0]))
    offset = np.zeros(weight.shape[0]) if bias is None else bias
    if len(wave.shape) == 1:
        weight = weight[:, wave.index]  # a Flatten in front may have another order
    elif not np.array_equal(wave.index, row_major(shape)):
        ones, none = (1,) * (len(shape) - 1), (0,) * (len(shape) - 1)
        kernel = weight.reshape(*weight.shape, *ones)
        pointwise = Window(kernel, bias, ones, ones, none, none, 1)
        return _conv(graph, name, names, wave, shape, pointwise)
    node = graph.add(name, "Affine", out, names, weight=_f32(weight), bias=_f32(offset))
    return Wave({node: 1.0}, row_major(out))


def convolution(graph: OutGraph, name: str, wave: Wave, shape: Shape, window: Window) -> Wave:
    """A convolution of a value [space..., channels] of this shape."""
    names, factor = joined(graph, wave, name)
    return _conv(graph, name, names, wave, shape, replace(window, weight=window.weight * factor))


def _conv(graph: OutGraph, name: str, names: list[str], wave: Wave, shape: Shape, window: Window) -> Wave:
    rank = len(shape) - 1
    if rank not in (1, 2) or not np.array_equal(wave.index, channels_first(shape)):
        raise UnsupportedError("it reads a value whose axes are not those of an image with channels", _EXPORT)
    space = tuple(
        (n + b + a - (k - 1) * d - 1) // s + 1
        for n, b, a, k, d, s in zip(
            shape[:-1], window.before, window.after, window.weight.shape[2:], window.dilation, window.stride,
            strict=True,
        )
    )  # fmt: skip
    even, filters = _even(window), len(window.weight)
    offset = np.zeros(filters) if window.bias is None else window.bias
    node = graph.add(
        name, f"Conv{rank}d", (filters, *space), names,
        input_shape=_sizes(shape[:-1]), weight=_f32(even.weight), stride=_sizes(window.stride),
        padding=_sizes(even.before), dilation=_sizes(even.dilation), groups=window.groups, bias=_f32(offset),
    )  # fmt: skip
    return Wave({node: 1.0}, channels_first((*space, filters)))


def _even(window: Window) -> Window:
    """The same with zeros around its weights, and as much padding on both sides."""
    missing = [a - b for a, b in zip(window.after, window.before, strict=True)]
    if any(n % d for n, d in zip(missing, window.dilation, strict=True)):
        window = _undilated(window)
    padding, zeros = [], []
    sides = zip(window.before, window.after, window.dilation, window.weight.shape[2:], strict=True)
    for before, after, dilation, size in sides:
        most = max(before, after, 0)
        most += (before - most) % dilation
        while most > (size - 1) * dilation + 2 * most - before - after:
            most += dilation  # a window reaches further than its padding
        padding.append(most)
        zeros.append(((most - before) // dilation, (most - after) // dilation))
    weight = np.pad(window.weight, [(0, 0), (0, 0), *zeros])
    return replace(window, weight=weight, before=tuple(padding), after=tuple(padding))


def _undilated(window: Window) -> Window:
    """The same with the zeros between its weights written out."""
    rows, sizes = window.weight.shape[:2], window.weight.shape[2:]
    extent = [(k - 1) * d + 1 for k, d in zip(sizes, window.dilation, strict=True)]
    weight = np.zeros((*rows, *extent))
    every: tuple[slice, ...] = tuple(slice(None, None, d) for d in window.dilation)
    weight[(slice(None), slice(None), *every)] = window.weight
    return replace(window, weight=weight, dilation=(1,) * len(sizes))


def pooling(graph: OutGraph, name: str, wave: Wave, shape: Shape, body: pb.PoolOperation, sums: bool) -> Wave:
    """The mean under a window: AvgPool2d or a part of SumPool2d, or a convolution channel by channel."""
    padded = any(body.pad_before) or any(body.pad_after)
    if padded and not body.count_include_pad:
        raise UnsupportedError(
            "its mean leaves out the padding, NIR's counts it as zeros", "pad by zeros or not at all"
        )
    even = list(body.pad_before) == list(body.pad_after)
    if len(body.window) != 2 or not even:
        return convolution(graph, name, wave, shape, _mean(shape[-1], body))
    if not np.array_equal(wave.index, channels_first(shape)):
        raise UnsupportedError("it reads a value whose axes are not those of an image with channels", _EXPORT)
    names, factor = joined(graph, wave, name)
    space = tuple(
        (n + 2 * p - w) // s + 1
        for n, p, w, s in zip(shape[:-1], body.pad_before, body.window, body.stride, strict=True)
    )
    node = graph.add(
        name, "SumPool2d" if sums else "AvgPool2d", (shape[-1], *space), names,
        kernel_size=np.array(body.window), stride=np.array(body.stride), padding=np.array(body.pad_before),
    )  # fmt: skip
    part = factor / math.prod(body.window) if sums else factor
    return Wave({node: part}, channels_first((*space, shape[-1])))


def _mean(channels: int, body: pb.PoolOperation) -> Window:
    weight = np.full((channels, 1, *body.window), 1 / math.prod(body.window))
    sides = tuple(body.pad_before), tuple(body.pad_after)
    return Window(weight, None, tuple(body.stride), (1,) * len(body.window), *sides, channels)


def padding(graph: OutGraph, name: str, wave: Wave, shape: Shape, body: pb.PadOperation) -> Wave:
    """Zeros around an image, or cropped: a convolution with a single 1 for each channel."""
    before, after = tuple(body.before), tuple(body.after)
    if before[-1] or after[-1] or len(shape) < 2:
        raise UnsupportedError(f"it pads channels or a vector; {_NO_NODE}", _EXPORT)
    ones = (1,) * (len(shape) - 1)
    window = Window(np.ones((shape[-1], 1, *ones)), None, ones, ones, before[:-1], after[:-1], shape[-1])
    return convolution(graph, name, wave, shape, window)


def scale_shift(
    graph: OutGraph, name: str, wave: Wave, shape: Shape, scale: Array | None, shift: Array | None
) -> Wave:
    """scale*x + shift, both of this shape; a shift needs a node with a bias."""
    names, factor = joined(graph, wave, name)
    factors = wave.laid_out(np.ones(shape) if scale is None else scale) * factor
    if shift is None:
        number = float(factors.reshape(-1)[0])
        if (factors == number).all():
            if len(names) == 1 and _is_mean_of(graph, names[0], number):
                graph.nodes[names[0]].kind = "SumPool2d"
                return Wave({names[0]: 1.0}, wave.index)
            return Wave(dict.fromkeys(names, number), wave.index)
        node = graph.add(name, "Scale", wave.shape, names, scale=_f32(factors))
        return Wave({node: 1.0}, wave.index)
    if len(wave.shape) == 1:
        offset = wave.laid_out(shift)
        node = graph.add(name, "Affine", wave.shape, names, weight=diagonal(name, factors), bias=_f32(offset))
        return Wave({node: 1.0}, wave.index)
    channel = (np.ones(shape) if scale is None else scale) * factor
    if (channel != channel.reshape(-1, shape[-1])[0]).any() or (
        shift != shift.reshape(-1, shape[-1])[0]
    ).any():
        raise UnsupportedError(f"its shift differs within a channel; {_NO_NODE}", _EXPORT)
    ones, none = (1,) * (len(shape) - 1), (0,) * (len(shape) - 1)
    weight = channel.reshape(-1, shape[-1])[0].reshape(-1, 1, *ones)
    window = Window(weight, shift.reshape(-1, shape[-1])[0], ones, ones, none, none, shape[-1])
    return _conv(graph, name, names, wave, shape, window)


def _is_mean_of(graph: OutGraph, name: str, number: float) -> bool:
    """Whether a node is the mean of so many values, and nobody reads it yet."""
    node = graph.nodes[name]
    fresh = node.kind == "AvgPool2d" and not graph.readers(name)
    return fresh and float(np.prod(np.asarray(node.fields["kernel_size"]))) == number


def flattened(graph: OutGraph, name: str, wave: Wave) -> Wave:
    """One axis in the place of several; the order stays that of the nodes."""
    if len(wave.shape) == 1:
        return wave
    names, factor = joined(graph, wave, name)
    size = wave.index.size
    node = graph.add(
        name,
        "Flatten",
        (size,),
        names,
        input_type=np.array(wave.shape),
        start_dim=0,
        end_dim=len(wave.shape) - 1,
    )
    return Wave({node: factor}, wave.index.reshape(-1))


def ordered(graph: OutGraph, name: str, wave: Wave) -> Wave:
    """A vector in the order of the definition."""
    if len(wave.shape) > 1 or np.array_equal(wave.index, np.arange(wave.index.size)):
        return wave
    names, factor = joined(graph, wave, name)
    matrix = diagonal(name, np.ones(wave.index.size))
    rows = np.empty_like(matrix)
    rows[wave.index] = matrix
    node = graph.add(f"{name}.order", "Linear", wave.shape, names, weight=rows)
    return Wave({node: factor}, np.arange(wave.index.size))


def _sizes(values: Shape) -> Array | int:
    """Of one axis a number, of two an array."""
    return int(values[0]) if len(values) == 1 else np.array(values)


def _f32(values: Array) -> Array:
    return np.ascontiguousarray(values, np.float32)
