"""A NIR graph while it is made, and values of a definition as sums of its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError

Shape = tuple[int, ...]
Field = Array | int | str
_LARGEST_SQUARE = 4096  # elements of what is written as a square matrix


@dataclass(eq=False)
class OutNode:
    """A node with what the file will hold."""

    kind: str
    fields: dict[str, Field]
    shape: Shape  # behind it


@dataclass
class OutGraph:
    """Nodes by name, and edges."""

    nodes: dict[str, OutNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, kind: str, shape: Shape, sources: list[str], /, **fields: Field) -> str:
        """A node under a free name, which is returned."""
        name = name.replace("/", ".")  # a slash would be a group of the file
        unique, count = name, 2
        while unique in self.nodes:
            unique, count = f"{name}_{count}", count + 1
        self.nodes[unique] = OutNode(kind, fields, shape)
        self.edges += [(source, unique) for source in sources]
        return unique

    def readers(self, name: str) -> list[str]:
        """The nodes that read a node."""
        return [target for source, target in self.edges if source == name]

    def sources(self, name: str) -> list[str]:
        """The nodes that a node reads."""
        return [source for source, target in self.edges if target == name]


@dataclass(frozen=True, eq=False)
class Wave:
    """A value of the definition: the sum of `terms`, each a node times a number.

    A spike of a node is a 1, of the definition amplitude/dt: hence the numbers. `index` has the shape of the
    nodes and holds the place of each element in the row-major order of the definition.
    """

    terms: Mapping[str, float]
    index: Array

    @property
    def shape(self) -> Shape:
        """Of the nodes."""
        return tuple(self.index.shape)

    def laid_out(self, values: Array) -> Array:
        """An array in the order of the definition in that of the nodes."""
        return np.ascontiguousarray(values.reshape(-1)[self.index])


def row_major(shape: Shape) -> Array:
    """The index of a value whose nodes have the order of the definition."""
    return np.arange(int(np.prod(shape))).reshape(shape)


def channels_first(shape: Shape) -> Array:
    """The index of a value [space..., channels] whose nodes have the channels first."""
    return np.moveaxis(row_major(shape), -1, 0)


def permuted(wave: Wave, shape: Shape, order: Shape) -> Wave:
    """What a Permute makes of a value of this shape: the nodes stay."""
    places = np.unravel_index(wave.index, shape)
    new = tuple(shape[axis] for axis in order)
    index = np.ravel_multi_index(tuple(places[axis] for axis in order), new)
    return Wave(wave.terms, np.asarray(index))


def joined(graph: OutGraph, wave: Wave, name: str) -> tuple[list[str], float]:
    """Nodes whose plain sum times the number is the value."""
    factor = next(iter(wave.terms.values()))
    names = []
    for source, number in wave.terms.items():
        names.append(source if number == factor else scaled(graph, wave, source, number / factor, name))
    return names, factor


def scaled(graph: OutGraph, wave: Wave, source: str, number: float, name: str) -> str:
    """A node times a number."""
    factor = np.full(wave.shape, number, np.float32)
    return graph.add(f"{name}.scale", "Scale", wave.shape, [source], scale=factor)


def diagonal(name: str, values: Array) -> Array:
    """A square matrix with these values; UnsupportedError where it is too large to be written."""
    if values.size > _LARGEST_SQUARE:
        raise UnsupportedError(
            f"{name} of {values.size} values would be a square matrix, the limit is {_LARGEST_SQUARE}",
            "have it follow an Affine or Conv operation, which takes it up",
        )
    return np.diag(values.reshape(-1)).astype(np.float32)
