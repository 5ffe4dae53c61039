"""Lowering of layers that change the size of images: a matrix along each axis."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Builder, Value
from spikeserve.convert.lower.rules import lowers, need_inputs
from spikeserve.convert.lower.windows import channels_last, original_layout
from spikeserve.convert.read.graph import Node
from spikeserve.v1 import network_pb2 as pb


@lowers("Resizing")
def lower_resizing(node: Node, values: list[Value], builder: Builder) -> Value:
    """An Affine along each axis that changes."""
    need_inputs(node, values, 1)
    config = node.layer.config
    for option in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
        if config.get(option):
            raise UnsupportedError(f"it has {option}", "prepare the images before they are sent")
    source = channels_last(values[0], 2, config)
    sizes = (int(config["height"]), int(config["width"]))
    kind = str(config.get("interpolation", "bilinear")).lower()
    return original_layout(resized(node, source, sizes, kind, builder), 2, config)


def resized(node: Node, source: Value, sizes: tuple[int, ...], kind: str, builder: Builder) -> Value:
    """[sizes..., channels] from [spatial..., channels], by "nearest" or "bilinear" interpolation."""
    if kind not in ("nearest", "bilinear"):
        raise UnsupportedError(f"its interpolation is {kind!r}", "use 'nearest' or 'bilinear'")
    for axis, size in enumerate(sizes):
        if size == source.shape[axis]:
            continue
        matrix = interpolation(source.shape[axis], size, kind)
        last = [*(a for a in range(len(source.shape)) if a != axis), axis]
        moved = source.permuted(tuple(last))
        body = pb.AffineOperation(weight=builder.tensor(f"{node.name}/axis_{axis}", matrix))
        shape = (*moved.shape[:-1], size)
        result = builder.add(f"{node.name}/axis_{axis}", [moved], shape, ("affine", body))
        source = result.permuted(tuple(last.index(a) for a in range(len(last))))
    return source


def interpolation(old: int, new: int, kind: str) -> Array:
    """[new, old] what of each old value is in each new one, with the centers of the cells in proportion."""
    places = (np.arange(new) + 0.5) * old / new
    if kind == "nearest":
        return np.asarray(np.eye(old)[np.minimum(np.floor(places).astype(int), old - 1)])
    places = np.clip(places - 0.5, 0, old - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, old - 1)
    share = (places - low)[:, None]
    return np.asarray(np.eye(old)[low] * (1 - share) + np.eye(old)[high] * share)
