"""Lowering of average and max pools."""

from __future__ import annotations

from spikeserve.convert.lower.builder import Builder, Shape, Value
from spikeserve.convert.lower.maxima import Maximum
from spikeserve.convert.lower.rules import lowers, need_inputs
from spikeserve.convert.lower.windows import channels_last, original_layout, pad_windows, per_axis
from spikeserve.convert.read.graph import Node
from spikeserve.v1 import network_pb2 as pb


@lowers("AveragePooling1D", "AveragePooling2D")
def lower_average_pool(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Pool that divides by the real cells under the window."""
    source, rank = _source(node, values)
    body, shape = _windows(node, source, pb.POOL_KIND_AVERAGE)
    result = builder.add(node.name, [source], (*shape, source.shape[-1]), ("pool", body))
    return original_layout(result, rank, node.layer.config)


@lowers("MaxPooling1D", "MaxPooling2D")
def lower_max_pool(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Pool of what neurons with memory have sent; what is beyond the edge is left out."""
    source, rank = _source(node, values)
    body, shape = _windows(node, source, pb.POOL_KIND_MAX)
    return original_layout(Maximum(node, body, shape, builder).of(source), rank, node.layer.config)


@lowers("GlobalAveragePooling1D", "GlobalAveragePooling2D")
def lower_global_average_pool(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Pool over the whole map."""
    source, _ = _source(node, values)
    body = _whole(source, pb.POOL_KIND_AVERAGE)
    shape = (*(1,) * len(body.window), source.shape[-1])
    return _reduced(node, builder.add(node.name, [source], shape, ("pool", body)), builder)


@lowers("GlobalMaxPooling1D", "GlobalMaxPooling2D")
def lower_global_max_pool(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Pool over the whole map of what neurons with memory have sent."""
    source, rank = _source(node, values)
    maximum = Maximum(node, _whole(source, pb.POOL_KIND_MAX), (1,) * rank, builder)
    return _reduced(node, maximum.of(source), builder)


def _source(node: Node, values: list[Value]) -> tuple[Value, int]:
    """(the input with channels last, spatial axes)."""
    need_inputs(node, values, 1)
    rank = 1 if node.layer.class_name.endswith("1D") else 2
    return channels_last(values[0], rank, node.layer.config), rank


def _windows(node: Node, source: Value, kind: pb.PoolKind) -> tuple[pb.PoolOperation, Shape]:
    """(the Pool of a layer with windows, spatial shape of its output)."""
    config, rank = node.layer.config, len(source.shape) - 1
    window = per_axis(config.get("pool_size", 2), rank, "pool_size")
    strides = config.get("strides")
    body = pb.PoolOperation(kind=kind, window=window)
    body.count_include_pad = kind == pb.POOL_KIND_AVERAGE and bool(config.get("count_include_pad"))
    body.stride.extend(window if strides is None else per_axis(strides, rank, "strides"))
    return body, pad_windows(body, config, source.shape, tuple(window), [1] * rank)


def _whole(source: Value, kind: pb.PoolKind) -> pb.PoolOperation:
    window = source.shape[:-1]
    zeros = [0] * len(window)
    return pb.PoolOperation(kind=kind, window=window, stride=window, pad_before=zeros, pad_after=zeros)


def _reduced(node: Node, pooled: Value, builder: Builder) -> Value:
    """The output of a global pool [1..., channels] as the layer gives it."""
    config, rank, channels = node.layer.config, len(pooled.shape) - 1, pooled.shape[-1]
    if config.get("keepdims"):
        return original_layout(pooled, rank, config)
    flat = pb.ReshapeOperation(shape=[channels])
    return builder.add(f"{node.name}/flatten", [pooled], (channels,), ("reshape", flat))
