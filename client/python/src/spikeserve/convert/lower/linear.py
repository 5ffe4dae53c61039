"""Lowering of Dense, convolutions and per-channel scales."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Builder, Shape, Value
from spikeserve.convert.lower.rules import lowers, need_inputs, need_weights
from spikeserve.convert.lower.scales import layer_scale_shift
from spikeserve.convert.lower.windows import channels_last, original_layout, pad_windows, per_axis
from spikeserve.convert.read.graph import Node
from spikeserve.v1 import network_pb2 as pb


@lowers("Dense")
def lower_dense(node: Node, values: list[Value], builder: Builder) -> Value:
    """An Affine operation over the last axis."""
    need_inputs(node, values, 1)
    config, source = node.layer.config, values[0]
    units, width = int(config["units"]), source.shape[-1]
    use_bias = bool(config.get("use_bias", True))
    shapes: list[Shape] = [(width, units)] + ([(units,)] if use_bias else [])
    weights = need_weights(node, shapes)
    body = pb.AffineOperation(weight=builder.tensor(f"{node.layer.name}/weight", weights[0].T))
    if use_bias:
        body.bias = builder.tensor(f"{node.layer.name}/bias", weights[1])
    return builder.add(node.name, [source], (*source.shape[:-1], units), ("affine", body))


@lowers("Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D")
def lower_conv(node: Node, values: list[Value], builder: Builder) -> Value:
    """One Conv operation; a depthwise one has a group per channel."""
    need_inputs(node, values, 1)
    config, name = node.layer.config, node.layer.name
    rank = 1 if node.layer.class_name.endswith("1D") else 2
    source = channels_last(values[0], rank, config)
    kernel, groups, bias = _conv_weights(node, rank, source.shape[-1])
    body = pb.ConvOperation(groups=groups, weight=builder.tensor(f"{name}/weight", kernel))
    if bias is not None:
        body.bias = builder.tensor(f"{name}/bias", bias)
    body.stride.extend(per_axis(config.get("strides", 1), rank, "strides"))
    body.dilation.extend(per_axis(config.get("dilation_rate", 1), rank, "dilation_rate"))
    shape = pad_windows(body, config, source.shape, kernel.shape[2:], body.dilation)
    result = builder.add(node.name, [source], (*shape, kernel.shape[0]), ("conv", body))
    return original_layout(result, rank, config)


@lowers("SeparableConv1D", "SeparableConv2D")
def lower_separable(node: Node, values: list[Value], builder: Builder) -> Value:
    """A depthwise Conv and an Affine over the channels."""
    need_inputs(node, values, 1)
    config, name = node.layer.config, node.layer.name
    rank = 1 if node.layer.class_name.endswith("1D") else 2
    source = channels_last(values[0], rank, config)
    channels, filters = source.shape[-1], int(config["filters"])
    kernel = tuple(per_axis(config["kernel_size"], rank, "kernel_size"))
    mid = channels * int(config.get("depth_multiplier", 1))
    shapes: list[Shape] = [(*kernel, channels, mid // channels), (*(1,) * rank, mid, filters)]
    use_bias = bool(config.get("use_bias", True))
    weights = need_weights(node, shapes + ([(filters,)] if use_bias else []))
    depthwise = np.moveaxis(weights[0].reshape(*kernel, 1, mid), (-1, -2), (0, 1))
    body = pb.ConvOperation(groups=channels, weight=builder.tensor(f"{name}/depthwise", depthwise))
    body.stride.extend(per_axis(config.get("strides", 1), rank, "strides"))
    body.dilation.extend(per_axis(config.get("dilation_rate", 1), rank, "dilation_rate"))
    shape = pad_windows(body, config, source.shape, kernel, body.dilation)
    inner = builder.add(f"{node.name}/depthwise", [source], (*shape, mid), ("conv", body))
    pointwise = weights[1].reshape(mid, filters).T
    point = pb.AffineOperation(weight=builder.tensor(f"{name}/pointwise", pointwise))
    if use_bias:
        point.bias = builder.tensor(f"{name}/bias", weights[2])
    result = builder.add(node.name, [inner], (*shape, filters), ("affine", point))
    return original_layout(result, rank, config)


@lowers("BatchNormalization", "Rescaling", "Normalization")
def lower_scale_shift(node: Node, values: list[Value], builder: Builder) -> Value:
    """A ScaleShift; fold_scales moves most of them into weights."""
    need_inputs(node, values, 1)
    source = values[0]
    scale, shift, axis = layer_scale_shift(node.layer, source.shape)
    stored_axis = source.order[axis]
    last = stored_axis == len(source.stored) - 1
    body = pb.ScaleShiftOperation(axis=-1 if last else stored_axis)
    if not np.all(scale == 1):
        body.scale = builder.tensor(f"{node.layer.name}/scale", scale)
    if np.any(shift != 0) or not body.scale:
        body.shift = builder.tensor(f"{node.layer.name}/shift", shift)
    return builder.elementwise(node.name, source, ("scale_shift", body))


@lowers("LayerScale")
def lower_layer_scale(node: Node, values: list[Value], builder: Builder) -> Value:
    """A ScaleShift without shift, as ConvNeXt has it."""
    need_inputs(node, values, 1)
    (gamma,) = need_weights(node, [values[0].shape[-1:]])
    axis = values[0].order[-1]
    scale = builder.tensor(f"{node.layer.name}/scale", gamma)
    body = pb.ScaleShiftOperation(scale=scale, axis=-1 if axis == len(values[0].stored) - 1 else axis)
    return builder.elementwise(node.name, values[0], ("scale_shift", body))


def _conv_weights(node: Node, rank: int, channels: int) -> tuple[Array, int, Array | None]:
    """(weight [out, in/groups, kernel...], groups, bias or None)."""
    config = node.layer.config
    kernel = tuple(per_axis(config["kernel_size"], rank, "kernel_size"))
    depthwise = node.layer.class_name.startswith("Depthwise")
    if depthwise:
        multiplier = int(config.get("depth_multiplier", 1))
        groups, out, stored = channels, channels * multiplier, (*kernel, channels, multiplier)
    else:
        groups, out = int(config.get("groups") or 1), int(config["filters"])
        if groups < 1 or channels % groups or out % groups:
            raise UnsupportedError(
                f"{groups} groups do not divide {channels} channels and {out} filters",
                "check the input shape",
            )
        stored = (*kernel, channels // groups, out)
    use_bias = bool(config.get("use_bias", True))
    weights = need_weights(node, [stored] + ([(out,)] if use_bias else []))
    values = weights[0].reshape(*kernel, 1, out) if depthwise else weights[0]
    moved = np.moveaxis(values, (-1, -2), (0, 1))
    return moved, groups, weights[1] if use_bias else None
