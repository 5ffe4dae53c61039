"""Lowering of layers that move, join or add values, and of those that do nothing."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Builder, Shape, Value
from spikeserve.convert.lower.resize import resized
from spikeserve.convert.lower.rules import lowers, need_inputs, need_rank
from spikeserve.convert.lower.windows import (
    channels_first,
    channels_last,
    original_layout,
    pair_per_axis,
    per_axis,
)
from spikeserve.convert.read.graph import Node
from spikeserve.convert.read.records import plain_value
from spikeserve.v1 import network_pb2 as pb


@lowers(
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout",
    "SpatialDropout3D", "GaussianNoise", "ActivityRegularization", "Identity",
    "AugMix", "CutMix", "MixUp", "RandAugment", "RandomBrightness", "RandomColorDegeneration",
    "RandomColorJitter", "RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip",
    "RandomGaussianBlur", "RandomGrayscale", "RandomHeight", "RandomHue", "RandomInvert", "RandomPerspective",
    "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
    "RandomTranslation", "RandomWidth", "RandomZoom", "StochasticDepth",
    "Activation", "ReLU", "LeakyReLU", "Softmax", "ELU", "PReLU", "ThresholdedReLU", "Relu",
)  # fmt: skip
def lower_nothing(node: Node, values: list[Value], builder: Builder) -> Value:
    """Identity at inference; the activation of activation layers is added by the caller."""
    del builder
    need_inputs(node, values, 1)
    return values[0]


@lowers("Flatten")
def lower_flatten(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Reshape, channels last."""
    need_inputs(node, values, 1)
    source = values[0]
    rank = len(source.shape)
    if channels_first(node.layer.config) and rank > 1:
        source = source.permuted((*range(1, rank), 0))
    return _reshape(node.name, source, (math.prod(source.shape),), builder)


@lowers("Reshape")
def lower_reshape(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Reshape with the -1 resolved."""
    need_inputs(node, values, 1)
    target = [int(n) for n in plain_value(node.layer.config["target_shape"])]
    total = math.prod(values[0].shape)
    if target.count(-1) == 1:
        rest = -math.prod(target)
        if rest > 0 and total % rest == 0:
            target[target.index(-1)] = total // rest
    if any(n < 1 for n in target) or math.prod(target) != total:
        raise UnsupportedError(
            f"{values[0].shape} cannot take the shape {tuple(target)}", "check target_shape"
        )
    return _reshape(node.name, values[0], tuple(target), builder)


@lowers("Permute")
def lower_permute(node: Node, values: list[Value], builder: Builder) -> Value:
    """A pending permutation, emitted where something needs it."""
    del builder
    need_inputs(node, values, 1)
    dims = tuple(int(n) - 1 for n in plain_value(node.layer.config["dims"]))
    if sorted(dims) != list(range(len(values[0].shape))):
        raise UnsupportedError(f"dims is {node.layer.config['dims']}", "give a permutation from 1")
    return values[0].permuted(dims)


@lowers("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D")
def lower_padding(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Pad; cropping is negative padding."""
    need_inputs(node, values, 1)
    config = node.layer.config
    rank = 1 if node.layer.class_name.endswith("1D") else 2
    need_rank(values[0], rank + 1)
    crop = node.layer.class_name.startswith("Cropping")
    pairs = pair_per_axis(config.get("cropping" if crop else "padding", 1), rank, "padding")
    sign = -1 if crop else 1
    amounts = [(sign * before, sign * after) for before, after in pairs]
    amounts.insert(0 if channels_first(config) else rank, (0, 0))
    source, order = values[0].as_stored(), values[0].order
    amounts = [amounts[order.index(axis)] for axis in range(rank + 1)]
    shape = tuple(n + sum(pair) for n, pair in zip(source.shape, amounts, strict=True))
    if any(n < 1 for n in shape):
        raise UnsupportedError(f"nothing is left of {values[0].shape}", "crop less")
    body = pb.PadOperation(before=[p[0] for p in amounts], after=[p[1] for p in amounts])
    return builder.add(node.name, [source], shape, ("pad", body)).permuted(order)


@lowers("UpSampling1D", "UpSampling2D")
def lower_upsampling(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Concat of a value with itself and a Reshape for each axis that grows; bilinear: a matrix."""
    need_inputs(node, values, 1)
    config = node.layer.config
    rank = 1 if node.layer.class_name.endswith("1D") else 2
    need_rank(values[0], rank + 1)
    kind, factors = str(config.get("interpolation", "nearest")), per_axis(config.get("size", 2), rank, "size")
    first = channels_first(config)
    source = values[0].permuted((*range(1, rank + 1), 0)) if first else values[0]
    if kind != "nearest":
        sizes = tuple(n * factor for n, factor in zip(source.shape, factors, strict=False))
        return original_layout(resized(node, source, sizes, kind, builder), rank, config)
    for axis, factor in enumerate(factors):
        if factor > 1:
            shape = list(source.shape)
            shape[axis + 1] *= factor
            body = pb.ConcatOperation(axis=axis + 1)
            name = f"{node.name}/repeat_{axis}"
            source = builder.add(name, [source] * factor, tuple(shape), ("concat", body))
            shape[axis], shape[axis + 1] = shape[axis] * factor, shape[axis + 1] // factor
            source = _reshape(node.name, source, tuple(shape), builder)
    return source.permuted((rank, *range(rank))) if first else source


@lowers("CenterCrop")
def lower_center_crop(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Pad that takes away; an image that is too small would have to grow."""
    need_inputs(node, values, 1)
    config = node.layer.config
    source = channels_last(values[0], 2, config)
    sizes = (int(config["height"]), int(config["width"]))
    less = [n - size for n, size in zip(source.shape, sizes, strict=False)]
    if min(less) < 0 or min(sizes) < 1:
        raise UnsupportedError(
            f"it takes {sizes} of {source.shape[:2]}", "give at most the size of the image"
        )
    body = pb.PadOperation(before=[*(-(n // 2) for n in less), 0], after=[*(n // 2 - n for n in less), 0])
    result = builder.add(node.name, [source], (*sizes, source.shape[-1]), ("pad", body))
    return original_layout(result, 2, config)


@lowers("RepeatVector")
def lower_repeat_vector(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Concat of the vector with itself."""
    need_inputs(node, values, 1)
    need_rank(values[0], 1)
    count, width = int(node.layer.config["n"]), values[0].shape[0]
    row = _reshape(f"{node.name}/row", values[0], (1, width), builder)
    if count < 2:
        return row
    return builder.add(node.name, [row] * count, (count, width), ("concat", pb.ConcatOperation(axis=0)))


@lowers("Add", "Subtract", "Average")
def lower_sum(node: Node, values: list[Value], builder: Builder) -> Value:
    """A WeightedSum over equal shapes."""
    kind = node.layer.class_name
    if kind == "Subtract":
        need_inputs(node, values, 2)
    if len({value.shape for value in values}) != 1:
        raise UnsupportedError(
            f"its inputs have the shapes {[value.shape for value in values]}",
            "bring them to one shape first; broadcasting is not supported",
        )
    factors = [1.0] * len(values)
    if kind == "Subtract":
        factors = [1.0, -1.0]
    elif kind == "Average":
        factors = [1.0 / len(values)] * len(values)
    merged: dict[Value, float] = {}
    for value, factor in zip(values, factors, strict=True):
        merged[value] = merged.get(value, 0.0) + factor
    return _weighted_sum(node.name, merged, builder)


def scaled(value: Value, factor: float, name: str, builder: Builder) -> Value:
    """The value times a factor."""
    if factor == 1:
        return value
    scale = builder.tensor(f"{name}/scale", np.asarray([factor]))
    body = pb.ScaleShiftOperation(scale=scale, axis=-1)
    return builder.elementwise(name, value, ("scale_shift", body))


def _weighted_sum(name: str, terms: dict[Value, float], builder: Builder) -> Value:
    values = list(terms)
    if len(values) == 1:  # x + x
        return scaled(values[0], terms[values[0]], name, builder)
    order = values[0].order
    if any(value.order != order for value in values):
        order = tuple(range(len(order)))
        values = [builder.plain(value) for value in values]
    stored = [value.as_stored() for value in values]
    body2 = pb.WeightedSumOperation(coefficients=list(terms.values()))
    result = builder.add(name, stored, stored[0].shape, ("weighted_sum", body2))
    return result.permuted(order)


@lowers("Concatenate")
def lower_concatenate(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Concat."""
    if len(values) == 1:
        return values[0]
    rank = len(values[0].shape)
    axis = int(node.layer.config.get("axis", -1))
    if not -rank <= axis <= rank or axis == 0:
        raise UnsupportedError(f"axis is {axis}", "join along another axis than the batch")
    axis = axis - 1 if axis > 0 else axis + rank
    rest = {(len(v.shape), v.shape[:axis] + v.shape[axis + 1 :]) for v in values}
    if len(rest) != 1:
        raise UnsupportedError(f"its inputs have the shapes {[v.shape for v in values]}", "check them")
    if any(value.order != values[0].order for value in values):
        values = [builder.plain(value) for value in values]
    order = values[0].order
    stored_axis = order[axis]
    stored = [value.as_stored() for value in values]
    shape = list(stored[0].shape)
    shape[stored_axis] = sum(value.shape[stored_axis] for value in stored)
    body = pb.ConcatOperation(axis=stored_axis)
    return builder.add(node.name, stored, tuple(shape), ("concat", body)).permuted(order)


def _reshape(name: str, source: Value, shape: Shape, builder: Builder) -> Value:
    if source.shape == shape:
        return source
    body = pb.ReshapeOperation(shape=shape)
    return builder.add(name, [source], shape, ("reshape", body))
