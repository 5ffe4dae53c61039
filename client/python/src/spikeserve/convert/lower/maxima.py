"""Puts max pools where they read what they can: the spikes of one population with memory each.

A pool takes the largest of what neurons have sent, so whatever else it would read is made spikes of first.
Branches that are joined along the channels are pooled one by one: their spikes count for different amounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikeserve.convert.lower.builder import Builder, Shape, Value
from spikeserve.convert.lower.cells import MOVES, Cells, sent
from spikeserve.convert.read.graph import Node
from spikeserve.v1 import network_pb2 as pb

_SCALED = MOVES | {"concat", "scale_shift"}


@dataclass(frozen=True)
class Maximum:
    """The MAX pool of one call of a layer."""

    node: Node
    body: pb.PoolOperation
    shape: Shape  # of its output, without channels
    builder: Builder

    def of(self, source: Value, pads: tuple[pb.PadOperation, ...] = ()) -> Value:
        """[shape..., channels] the largest of a source, channels last, and of `pads` behind it."""
        operation, channels = self.builder.operation(source.operation), source.order[-1]
        behind = self.builder.sources(source.operation)
        kind = operation.WhichOneof("kind")
        if kind == "concat" and operation.concat.axis == channels:
            return self._join([self.of(_seen_as(source, branch), pads) for branch in behind])
        if kind == "pad" and not operation.pad.before[channels] and not operation.pad.after[channels]:
            return self.of(_seen_as(source, behind[0]), (operation.pad, *pads))
        if kind == "scale_shift" and not pads and self._rises(source, operation.scale_shift):
            scaled = operation.scale_shift
            pooled = self.of(_seen_as(source, behind[0]))
            body = pb.ScaleShiftOperation(scale=scaled.scale, shift=scaled.shift, axis=-1)
            return self.builder.add(f"{self.node.name}/scale", [pooled], pooled.shape, ("scale_shift", body))
        return self._pool(source, pads)

    def _pool(self, source: Value, pads: tuple[pb.PadOperation, ...]) -> Value:
        reader = Cells(
            self.node, self.builder, "max pooling", "takes the largest of", "; or train with average pooling"
        )
        cells, population = reader.of(source.as_stored())
        for pad in pads:
            cells = reader.moved(cells, "pad", pad, population)
        if not source.plain:
            body = pb.PermuteOperation(permutation=source.order)
            cells = reader.moved(cells, "permute", body, population)
        shape = (*self.shape, cells.shape[-1])
        pooled = self.builder.carry(self.node.name, cells, shape, ("pool", self.body), population)
        self.builder.maxima[pooled.operation] = self.node.layer.name
        return pooled

    def _join(self, parts: list[Value]) -> Value:
        shape = (*self.shape, sum(part.shape[-1] for part in parts))
        body = pb.ConcatOperation(axis=len(self.shape))
        return self.builder.add(f"{self.node.name}/join", parts, shape, ("concat", body))

    def _rises(self, source: Value, body: pb.ScaleShiftOperation) -> bool:
        """Whether the largest stays the largest behind a scale of what are spikes already."""
        last = len(source.stored) - 1
        along = (body.axis if body.axis >= 0 else last) == source.order[-1]
        sizes = [self.builder.stored(name).size for name in (body.scale, body.shift) if name]
        if not (along or all(size == 1 for size in sizes)) or not sent(source, self.builder, _SCALED):
            return False
        return not body.scale or bool(np.all(self.builder.stored(body.scale) > 0))


def _seen_as(value: Value, source: Value) -> Value:
    """A source of the same axes in the axis order of the value."""
    return Value(source.operation, source.stored, value.order)
