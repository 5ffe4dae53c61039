"""Collects layers for operations on tensors, with the shape of every tensor known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import ConversionError, UnsupportedError
from spikeserve.convert.read.graph import Graph, Layer, Node, Refusal
from spikeserve.convert.read.limits import Limits

Shape = tuple[int, ...]
OPEN_BATCH = 2**31 - 1  # stands for an open batch: prime and larger than any other size, so products tell


@dataclass(frozen=True)
class Signal:
    """A tensor that depends on the inputs: which node gives it, and its shape with the batch in front.

    A shape of the batch alone stands for one value per sample, which the node gives as [1].
    """

    node: int
    shape: Shape

    @property
    def sample(self) -> Shape:
        """The shape without the batch."""
        return self.shape[1:]


class GraphWriter:
    """The layers of one model. Where a layer cannot be made, it keeps why, and the rest is still read."""

    def __init__(self, batch: int, limits: Limits) -> None:
        self.batch = batch
        self.nodes: list[Node] = []
        self._limits = limits
        self._names: set[str] = set()
        self._counts: dict[str, int] = {}  # of names that were asked for
        self._inputs: list[int] = []
        self._refused: list[int] = []

    def input(self, name: str, sample: Sequence[int | None]) -> Signal:
        """An input of a model, its shape without the batch; None is an open size."""
        config = {"batch_shape": [None, *sample]}
        signal = self.add(name, "InputLayer", config, [], [], (self.batch, *(n or 0 for n in sample)))
        self._inputs.append(signal.node)
        return signal

    def add(
        self,
        name: str,
        class_name: str,
        config: Mapping[str, Any],
        weights: Sequence[Array],
        inputs: Sequence[Signal],
        shape: Shape,
        keras_major: int = 3,
    ) -> Signal:
        """A layer with its output's shape, with the batch; UnsupportedError where nothing is left."""
        if len(shape) > self._limits.axes:
            raise UnsupportedError(f"its output has {len(shape)} axes", f"use {self._limits.axes} at most")
        if any(size < 1 for size in shape) and class_name != "InputLayer":
            raise UnsupportedError(f"its output has the shape {shape[1:]}", "check the input shape")
        layer = Layer(self._unique(name), class_name, dict(config), list(weights), keras_major)
        return self._add(layer, inputs, shape)

    def refuse(self, name: str, operation: str, refusal: Refusal, inputs: Sequence[Signal]) -> None:
        """An operation that is no layer, and why; everything behind it is left out."""
        layer = Layer(self._unique(name), operation, {}, refusal=refusal)
        self._refused.append(self._add(layer, inputs, (self.batch,)).node)

    def finish(self, outputs: Mapping[str, Signal | None]) -> Graph:
        """The graph of what the outputs need; of the refused operations too where one of them is behind."""
        roots = [signal.node for signal in outputs.values() if signal is not None]
        if len(roots) < len(outputs):
            roots += self._refused
        kept = sorted({*_needed(self.nodes, roots), *self._inputs})
        place = {old: new for new, old in enumerate(kept)}
        nodes = [
            Node(node.name, node.layer, tuple(place[i] for i in node.inputs))
            for node in (self.nodes[index] for index in kept)
        ]
        ends = [place[self._refused[0] if signal is None else signal.node] for signal in outputs.values()]
        return Graph(nodes, [place[index] for index in self._inputs], ends, list(outputs))

    def _add(self, layer: Layer, inputs: Sequence[Signal], shape: Shape) -> Signal:
        if len(self.nodes) >= self._limits.layers:
            raise ConversionError(f"the model has more than {self._limits.layers} layers")
        self.nodes.append(Node(layer.name, layer, tuple(signal.node for signal in inputs)))
        return Signal(len(self.nodes) - 1, shape)

    def _unique(self, name: str) -> str:
        base = name = name.strip("/") or "layer"
        while name in self._names:
            self._counts[base] = self._counts.get(base, 0) + 1
            name = f"{base}_{self._counts[base]}"
        self._names.add(name)
        return name


def _needed(nodes: Sequence[Node], roots: Sequence[int]) -> set[int]:
    """The nodes that these depend on, with them."""
    found: set[int] = set()
    pending = list(roots)
    while pending:
        index = pending.pop()
        if index not in found:
            found.add(index)
            pending.extend(nodes[index].inputs)
    return found
