"""The in-memory form of a source model that every reader produces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spikeserve.convert.arrays import Array
from spikeserve.convert.read.loss import Loss

Config = dict[str, Any]
InputShape = tuple[int, ...] | Mapping[str, tuple[int, ...]] | None  # what the caller gives, without batch
Refusal = tuple[str, str]  # why an operation is no layer, and what to do


@dataclass(eq=False)
class Layer:
    """One layer with its weights, named and configured as in Keras. A shared layer is one object."""

    name: str  # path of names, nested models joined by "/"
    class_name: str
    config: Config
    weights: list[Array] = field(default_factory=list)  # in the order Keras stores them
    keras_major: int = 3
    custom: str | None = None  # registered name or module of a class that is not Keras' own
    refusal: Refusal | None = None  # of an operation that a reader could not make a layer of


@dataclass(frozen=True, eq=False)
class Node:
    """One call of a layer; `inputs` are indices into Graph.nodes."""

    name: str
    layer: Layer
    inputs: tuple[int, ...]


@dataclass
class Graph:
    """Calls in dependency order. Every node has one output; shapes exclude the batch."""

    nodes: list[Node]
    inputs: list[int]
    outputs: list[int]
    output_names: list[str]

    def consumers(self) -> dict[int, list[int]]:
        """For each node the nodes that read it, once per use."""
        table: dict[int, list[int]] = {index: [] for index in range(len(self.nodes))}
        for index, node in enumerate(self.nodes):
            for source in node.inputs:
                table[source].append(index)
        return table

    def forget_weights(self) -> None:
        """Lets the weights of all layers go, which is what most of the memory is."""
        for node in self.nodes:
            node.layer.weights = []


@dataclass
class SourceModel:
    """A model as read: its graph and where it came from."""

    graph: Graph
    label: str  # for messages
    source_format: str
    sha256: str = ""  # of the file with the weights, hex; empty for a live model
    loss: Loss = field(default_factory=Loss)
