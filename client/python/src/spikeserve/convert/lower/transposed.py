"""Lowering of transposed convolutions: zeros between the values, then a convolution."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Builder, Value, check_size
from spikeserve.convert.lower.rules import lowers, need_inputs, need_weights
from spikeserve.convert.lower.windows import channels_last, original_layout, per_axis
from spikeserve.convert.read.graph import Config, Node
from spikeserve.v1 import network_pb2 as pb


@lowers("Conv1DTranspose", "Conv2DTranspose")
def lower_transposed(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Reshape, Pad and Reshape for each axis with a stride, and a Conv."""
    need_inputs(node, values, 1)
    config, name = node.layer.config, node.layer.name
    rank = 1 if node.layer.class_name == "Conv1DTranspose" else 2
    source = channels_last(values[0], rank, config)
    if config.get("output_padding") is not None:
        raise UnsupportedError("it has an output_padding", "leave it out and crop or pad behind the layer")
    filters, strides = int(config["filters"]), per_axis(config.get("strides", 1), rank, "strides")
    kernel = per_axis(config["kernel_size"], rank, "kernel_size")
    dilation = per_axis(config.get("dilation_rate", 1), rank, "dilation_rate")
    use_bias = bool(config.get("use_bias", True))
    stored = (*kernel, filters, source.shape[-1])
    weights = need_weights(node, [stored] + ([(filters,)] if use_bias else []))
    reversed_kernel = np.moveaxis(np.flip(weights[0], tuple(range(rank))), (-2, -1), (0, 1))
    body = pb.ConvOperation(groups=1, weight=builder.tensor(f"{name}/weight", reversed_kernel))
    if use_bias:
        body.bias = builder.tensor(f"{name}/bias", weights[1])
    body.stride.extend([1] * rank)
    body.dilation.extend(dilation)
    shape = []
    for size, stride, k, step in zip(source.shape, strides, kernel, dilation, strict=False):
        length, before, after = _padding(config, size, stride, (k - 1) * step + 1)
        shape.append(length)
        body.pad_before.append(before)
        body.pad_after.append(after)
    check_size((*shape, source.shape[-1]), "its input with zeros between the values")
    for axis, stride in enumerate(strides):
        source = _spread(node, source, axis, stride, builder)
    result = builder.add(node.name, [source], (*shape, filters), ("conv", body))
    return original_layout(result, rank, config)


def _padding(config: Config, size: int, stride: int, extent: int) -> tuple[int, int, int]:
    """(output size, zeros before and after) of an axis whose values are `stride` apart."""
    mode = str(config.get("padding", "valid")).lower()
    rest = max(extent - stride, 0)
    if mode == "valid":
        return size * stride + rest, extent - 1, rest
    if mode == "same":
        return size * stride, extent - 1 - rest // 2, rest // 2
    raise UnsupportedError(f"padding {mode!r} is unknown", "use 'same' or 'valid'")


def _spread(node: Node, source: Value, axis: int, stride: int, builder: Builder) -> Value:
    """The values `stride` apart along an axis, with zeros behind each."""
    if stride == 1:
        return source
    before, length, behind = source.shape[:axis], source.shape[axis], source.shape[axis + 1 :]
    name = f"{node.name}/stride_{axis}"
    single = pb.ReshapeOperation(shape=(*before, length, 1, *behind))
    value = builder.add(name, [source], tuple(single.shape), ("reshape", single))
    zeros = [0] * len(single.shape)
    zeros[axis + 1] = stride - 1
    padded = (*before, length, stride, *behind)
    pad = pb.PadOperation(before=[0] * len(zeros), after=zeros)
    value = builder.add(f"{name}/zeros", [value], padded, ("pad", pad))
    joined = pb.ReshapeOperation(shape=(*before, length * stride, *behind))
    return builder.add(f"{name}/joined", [value], tuple(joined.shape), ("reshape", joined))
