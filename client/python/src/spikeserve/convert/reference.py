"""Forward pass over the source graph with Keras' own rules: the other side of the check."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from spikeserve.convert.arrays import Array, product
from spikeserve.convert.lower.decisions import Decision
from spikeserve.convert.read.graph import Config, Graph, Layer, Node
from spikeserve.convert.read.records import plain_value
from spikeserve.convert.reference_sizes import resample, scatter

_MathFunction = Callable[[Layer, list[Array]], Array]


def run_graph(
    graph: Graph,
    decisions: Mapping[int, Decision],
    inputs: Mapping[int, Array],
    scales: Mapping[str, float],
) -> list[Array]:
    """The model's outputs [batch, ...] in float64; `inputs` by node, `scales` by layer name.

    Activations are what the decisions say: swapped ones are the swapped model's rate, and those that are left
    to clients are left out here too.
    """
    values: dict[int, Array] = {}
    last = {source: index for index, node in enumerate(graph.nodes) for source in node.inputs}
    for index, node in enumerate(graph.nodes):
        if index in inputs:
            values[index] = np.asarray(inputs[index], np.float64)
            continue
        args = [values[source] for source in node.inputs]
        linear = _function(node)(node.layer, args)
        values[index] = _activate(node, linear, decisions[index], scales)
        for source in set(node.inputs):
            if last[source] == index and source not in graph.outputs:
                del values[source]
    return [values[index] for index in graph.outputs]


def _activate(node: Node, values: Array, decision: Decision, scales: Mapping[str, float]) -> Array:
    if decision.neuron is not None:
        scale, values = scales.get(node.layer.name, 1.0), values * decision.factor
        rates = decision.neuron.scaled_rate(values, scale)
        if decision.slopes is None:
            return rates
        return np.asarray(rates - decision.slopes * decision.neuron.scaled_rate(-values, scale))
    if decision.output == "softmax":
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    return values


def _function(node: Node) -> _MathFunction:
    return _MATH.get(node.layer.class_name, _identity)


def _identity(layer: Layer, args: list[Array]) -> Array:
    del layer
    return args[0]


def _dense(layer: Layer, args: list[Array]) -> Array:
    result = product(args[0], layer.weights[0].T)
    return result + layer.weights[1] if layer.config.get("use_bias", True) else result


def _to_last(config: Config, x: Array) -> Array:
    return np.moveaxis(x, 1, -1) if config.get("data_format") == "channels_first" else x


def _from_last(config: Config, x: Array) -> Array:
    return np.moveaxis(x, -1, 1) if config.get("data_format") == "channels_first" else x


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (int(value),) * rank


def _offsets(n: int, k: int, s: int, d: int, mode: str | list[int]) -> tuple[int, int]:
    """(first input position of window 0, number of windows)."""
    reach = (k - 1) * d
    if isinstance(mode, list):
        return -mode[0], (n + sum(mode) - reach - 1) // s + 1
    if mode == "same":
        count = math.ceil(n / s)
        missing = max(0, (count - 1) * s + reach + 1 - n)
        return -(missing // 2), count
    start = -reach if mode == "causal" else 0
    return start, (n - start - reach - 1) // s + 1


def _taps(
    x: Array, kernel: tuple[int, ...], config: Config, strides: tuple[int, ...], dilation: tuple[int, ...]
) -> Any:
    """For every kernel position the input it meets, [batch, out..., channels], and where there is one."""
    padding = config.get("padding", "valid")
    modes = padding if isinstance(padding, list) else [str(padding).lower()] * len(kernel)
    spans = [_offsets(*spec) for spec in zip(x.shape[1:-1], kernel, strides, dilation, modes, strict=True)]
    for position in itertools.product(*(range(k) for k in kernel)):
        piece, valid = x, np.ones((1,) * (x.ndim - 1), bool)
        for axis, (start, count) in enumerate(spans):
            where = start + position[axis] * dilation[axis] + np.arange(count) * strides[axis]
            inside = (where >= 0) & (where < x.shape[axis + 1])
            if inside.all():
                piece = piece[(slice(None),) * (axis + 1) + (slice(where[0], where[-1] + 1, strides[axis]),)]
            else:
                piece = np.take(piece, np.clip(where, 0, x.shape[axis + 1] - 1), axis=axis + 1)
            shape = [1] * (x.ndim - 1)
            shape[axis] = count
            valid = valid & inside.reshape(shape)
        yield position, piece if valid.all() else piece * valid, valid


def _conv(layer: Layer, args: list[Array]) -> Array:
    kernel = layer.weights[0]
    groups = int(layer.config.get("groups") or 1)
    result = _correlate(layer.config, _to_last(layer.config, args[0]), kernel, groups)
    return _from_last(layer.config, _add_bias(layer, result, 1))


def _depthwise(layer: Layer, args: list[Array]) -> Array:
    x = _to_last(layer.config, args[0])
    result = _correlate_depthwise(layer.config, x, layer.weights[0].astype(np.float64))
    return _from_last(layer.config, _add_bias(layer, result, 1))


def _separable(layer: Layer, args: list[Array]) -> Array:
    x = _to_last(layer.config, args[0])
    inner = _correlate_depthwise(layer.config, x, layer.weights[0].astype(np.float64))
    point = layer.weights[1].reshape(layer.weights[1].shape[-2:]).astype(np.float64)
    return _from_last(layer.config, _add_bias(layer, inner @ point, 2))


def _add_bias(layer: Layer, values: Array, index: int) -> Array:
    return values + layer.weights[index] if layer.config.get("use_bias", True) else values


def _correlate(config: Config, x: Array, kernel: Array, groups: int) -> Array:
    rank = x.ndim - 2
    strides = _tuple(config.get("strides", 1), rank)
    dilation = _tuple(config.get("dilation_rate", 1), rank)
    width, out = kernel.shape[-2], kernel.shape[-1] // groups
    total: Any = 0
    for position, piece, _ in _taps(x, kernel.shape[:rank], config, strides, dilation):
        tap = kernel[position].astype(np.float64)
        rows = piece.reshape(-1, piece.shape[-1])
        parts = [
            rows[:, g * width : (g + 1) * width] @ tap[:, g * out : (g + 1) * out] for g in range(groups)
        ]
        total += parts[0] if groups == 1 else np.concatenate(parts, axis=-1)
    return np.asarray(total).reshape(*piece.shape[:-1], -1)


def _correlate_depthwise(config: Config, x: Array, kernel: Array) -> Array:
    rank = x.ndim - 2
    strides = _tuple(config.get("strides", 1), rank)
    dilation = _tuple(config.get("dilation_rate", 1), rank)
    total: Any = 0
    for position, piece, _ in _taps(x, kernel.shape[:rank], config, strides, dilation):
        total = total + piece[..., None] * kernel[position]
    return np.asarray(total).reshape(*total.shape[:-2], -1)


def _pool_taps(layer: Layer, x: Array) -> Any:
    config, rank = layer.config, x.ndim - 2
    window = _tuple(config.get("pool_size", 2), rank)
    strides = _tuple(window if config.get("strides") is None else config["strides"], rank)
    return _taps(x, window, config, strides, (1,) * rank)


def _transposed(layer: Layer, args: list[Array]) -> Array:
    config, x = layer.config, _to_last(layer.config, args[0])
    rank, same = x.ndim - 2, str(config.get("padding", "valid")).lower() == "same"
    strides, steps = (_tuple(config.get(key, 1), rank) for key in ("strides", "dilation_rate"))
    total = scatter(x, layer.weights[0].astype(np.float64), strides, steps, same)
    return _from_last(config, _add_bias(layer, total, 1))


def _resizing(layer: Layer, args: list[Array]) -> Array:
    config = layer.config
    kind = str(config.get("interpolation", "bilinear"))
    x = resample(_to_last(config, args[0]), (config["height"], config["width"]), kind)
    return _from_last(config, x)


def _center_crop(layer: Layer, args: list[Array]) -> Array:
    x = _to_last(layer.config, args[0])
    for axis, size in ((1, layer.config["height"]), (2, layer.config["width"])):
        x = np.take(x, np.arange(size) + (x.shape[axis] - size) // 2, axis=axis)
    return _from_last(layer.config, x)


def _repeat_vector(layer: Layer, args: list[Array]) -> Array:
    return np.repeat(args[0][:, None], int(layer.config["n"]), axis=1)


def _average_pool(layer: Layer, args: list[Array]) -> Array:
    total: Any = 0
    count: Any = 0
    for _, piece, valid in _pool_taps(layer, _to_last(layer.config, args[0])):
        total, count = total + piece, count + valid
    if layer.config.get("count_include_pad"):
        count = math.prod(_tuple(layer.config.get("pool_size", 2), args[0].ndim - 2))
    return _from_last(layer.config, total / count)


def _max_pool(layer: Layer, args: list[Array]) -> Array:
    largest: Any = -np.inf
    for _, piece, valid in _pool_taps(layer, _to_last(layer.config, args[0])):
        largest = np.maximum(largest, np.where(valid, piece, -np.inf))
    return _from_last(layer.config, largest)


def _map_axes(layer: Layer, x: Array) -> tuple[int, ...]:
    first = layer.config.get("data_format") == "channels_first"
    return tuple(range(2, x.ndim)) if first else tuple(range(1, x.ndim - 1))


def _global_average_pool(layer: Layer, args: list[Array]) -> Array:
    axes = _map_axes(layer, args[0])
    return np.asarray(args[0].mean(axis=axes, keepdims=bool(layer.config.get("keepdims"))))


def _global_max_pool(layer: Layer, args: list[Array]) -> Array:
    axes = _map_axes(layer, args[0])
    return np.asarray(args[0].max(axis=axes, keepdims=bool(layer.config.get("keepdims"))))


def _batch_normalization(layer: Layer, args: list[Array]) -> Array:
    config, weights = layer.config, [w.astype(np.float64) for w in layer.weights]
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    x = np.moveaxis(args[0], axis, -1)
    gamma = weights.pop(0) if config.get("scale", True) else 1.0
    beta = weights.pop(0) if config.get("center", True) else 0.0
    mean, variance = weights[:2]
    result = gamma * (x - mean) / np.sqrt(variance + config.get("epsilon", 1e-3)) + beta
    return np.moveaxis(result, -1, axis)


def _layer_normalization(layer: Layer, args: list[Array]) -> Array:
    config, weights = layer.config, [w.astype(np.float64) for w in layer.weights]
    axes = tuple(np.atleast_1d(plain_value(config.get("axis", -1))))
    off = args[0] - args[0].mean(axis=axes, keepdims=True)
    result = off / np.sqrt((off**2).mean(axis=axes, keepdims=True) + config.get("epsilon", 1e-3))
    result = result * (weights.pop(0) if config.get("scale", True) else 1.0)
    return np.asarray(result + (weights.pop(0) if config.get("center", True) else 0.0))


def _normalization(layer: Layer, args: list[Array]) -> Array:
    config = layer.config
    mean, variance = plain_value(config.get("mean")), plain_value(config.get("variance"))
    if mean is None or variance is None:
        mean, variance = layer.weights[0], layer.weights[1]
    axis = config.get("axis", -1)
    axis = (axis[0] if axis else None) if isinstance(axis, list) else axis
    shape = [1] * args[0].ndim
    if axis is not None:
        shape[axis] = -1
    center = np.asarray(mean, np.float64).reshape(shape)
    deviation = np.maximum(np.sqrt(np.asarray(variance, np.float64)).reshape(shape), 1e-7)
    x = args[0]
    return np.asarray(center + x * deviation if config.get("invert") else (x - center) / deviation)


def _layer_scale(layer: Layer, args: list[Array]) -> Array:
    return np.asarray(args[0] * layer.weights[0])


def _rescaling(layer: Layer, args: list[Array]) -> Array:
    scale = np.asarray(plain_value(layer.config.get("scale", 1.0)), np.float64)
    offset = np.asarray(plain_value(layer.config.get("offset", 0.0)), np.float64)
    axis = layer.config.get("axis", -1)
    return np.moveaxis(np.moveaxis(args[0], axis, -1) * scale + offset, -1, axis)


def _flatten(layer: Layer, args: list[Array]) -> Array:
    x = _to_last(layer.config, args[0]) if args[0].ndim > 2 else args[0]
    return x.reshape(len(x), -1)


def _reshape(layer: Layer, args: list[Array]) -> Array:
    return args[0].reshape(len(args[0]), *plain_value(layer.config["target_shape"]))


def _permute(layer: Layer, args: list[Array]) -> Array:
    return args[0].transpose(0, *plain_value(layer.config["dims"]))


def _borders(layer: Layer, key: str, rank: int) -> list[tuple[int, int]]:
    value = plain_value(layer.config.get(key, 1))
    if isinstance(value, int):
        value = [value] * rank
    elif rank == 1:
        value = [value]
    return [(v, v) if isinstance(v, int) else (v[0], v[1]) for v in value]


def _zero_padding(layer: Layer, args: list[Array]) -> Array:
    x = _to_last(layer.config, args[0])
    pads = [(0, 0), *_borders(layer, "padding", x.ndim - 2), (0, 0)]
    return _from_last(layer.config, np.pad(x, pads))


def _cropping(layer: Layer, args: list[Array]) -> Array:
    x = _to_last(layer.config, args[0])
    for axis, (before, after) in enumerate(_borders(layer, "cropping", x.ndim - 2), start=1):
        x = np.take(x, range(before, x.shape[axis] - after), axis=axis)
    return _from_last(layer.config, x)


def _upsampling(layer: Layer, args: list[Array]) -> Array:
    x = _to_last(layer.config, args[0])
    factors = _tuple(layer.config.get("size", 2), x.ndim - 2)
    sizes = tuple(n * factor for n, factor in zip(x.shape[1:], factors, strict=False))
    return _from_last(layer.config, resample(x, sizes, str(layer.config.get("interpolation", "nearest"))))


def _add(layer: Layer, args: list[Array]) -> Array:
    total = np.sum(np.stack(args), axis=0)
    return np.asarray(total / len(args) if layer.class_name == "Average" else total)


def _subtract(layer: Layer, args: list[Array]) -> Array:
    del layer
    return args[0] - args[1]


def _multiply(layer: Layer, args: list[Array]) -> Array:
    del layer
    rank = max(arg.ndim for arg in args)
    spread = [arg.reshape(len(arg), *(1,) * (rank - arg.ndim), *arg.shape[1:]) for arg in args]
    return np.asarray(math.prod(spread[1:], start=spread[0]))


def _concatenate(layer: Layer, args: list[Array]) -> Array:
    return np.concatenate(args, axis=int(layer.config.get("axis", -1)))


_MATH: dict[str, _MathFunction] = {
    "Dense": _dense,
    "Conv1DTranspose": _transposed,
    "Conv2DTranspose": _transposed,
    "Resizing": _resizing,
    "CenterCrop": _center_crop,
    "RepeatVector": _repeat_vector,
    "Conv1D": _conv,
    "Conv2D": _conv,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "AveragePooling1D": _average_pool,
    "AveragePooling2D": _average_pool,
    "GlobalAveragePooling1D": _global_average_pool,
    "GlobalAveragePooling2D": _global_average_pool,
    "GlobalMaxPooling1D": _global_max_pool,
    "GlobalMaxPooling2D": _global_max_pool,
    "MaxPooling1D": _max_pool,
    "MaxPooling2D": _max_pool,
    "BatchNormalization": _batch_normalization,
    "Normalization": _normalization,
    "LayerNormalization": _layer_normalization,
    "Rescaling": _rescaling,
    "LayerScale": _layer_scale,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "ZeroPadding1D": _zero_padding,
    "ZeroPadding2D": _zero_padding,
    "UpSampling1D": _upsampling,
    "UpSampling2D": _upsampling,
    "Cropping1D": _cropping,
    "Cropping2D": _cropping,
    "Add": _add,
    "Average": _add,
    "Subtract": _subtract,
    "Multiply": _multiply,
    "Concatenate": _concatenate,
}
