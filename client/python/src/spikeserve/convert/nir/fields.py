"""Numbers of a node, checked: sizes, windows, parameters of neurons."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.nir.graph import NirNode
from spikeserve.convert.nir.units import Shape

_LARGEST = 1 << 31
AGAIN = "write the file again"


def whole(node: NirNode, name: str, least: int) -> int:
    """A field that is one whole number."""
    return wholes(node, name, 1, least)[0]


def wholes(node: NirNode, name: str, count: int, least: int) -> Shape:
    """A field of so many whole numbers, or of one that stands for all."""
    values = np.asarray(node.values[name])
    flat = values.ravel()
    if flat.size == 1:
        flat = np.repeat(flat, count)
    if flat.size != count or any(v != int(v) or not least <= v < _LARGEST for v in flat.tolist()):
        shown = np.array2string(values, threshold=8)
        raise UnsupportedError(f"{name} is {shown}, wanted {count} whole numbers from {least} up", AGAIN)
    return tuple(int(v) for v in flat)


def shape_of(node: NirNode, name: str) -> Shape:
    """A field that is a shape; a scalar has the shape [1]."""
    values = np.asarray(node.values[name]).ravel()
    if values.size > 8:
        raise UnsupportedError(f"{name} has {values.size} axes, wanted 1 to 4", AGAIN)
    return wholes(node, name, values.size, 1) if values.size else (1,)


def same_size(one: Shape, other: Shape) -> bool:
    """Whether two shapes agree but for axes of size 1, which writers add and drop."""
    return [n for n in one if n != 1] == [n for n in other if n != 1]


def spread(node: NirNode, name: str, shape: Shape, default: float | None = None) -> Array:
    """A parameter for each element of the shape, in float64; one value stands for all."""
    if name not in node.values and default is not None:
        return np.broadcast_to(np.float64(default), shape)
    values = np.asarray(node.values[name], np.float64)
    if values.size == 1:
        return np.broadcast_to(values.ravel()[0], shape)
    if values.size == math.prod(shape) and same_size(values.shape, shape):
        return values.reshape(shape)
    raise UnsupportedError(f"{name} has the shape {values.shape}, what it reads {shape}", AGAIN)


def uniform(node: NirNode, name: str, kind: str) -> float:
    """A parameter that is the same for all elements."""
    values = np.asarray(node.values[name], np.float64).ravel()
    if values.size == 0:
        raise UnsupportedError(f"{name} is empty", AGAIN)
    if values.min() != values.max():
        raise UnsupportedError(
            f"{name} differs between elements, from {values.min():g} to {values.max():g}; {kind} here has "
            "one for a whole population",
            "split the node into one for each value, or train with one for all",
        )
    return float(values[0])
