"""Spares max pools of linear results a population of their own where neurons follow.

The largest of what a function that never falls makes of values is what it makes of the largest: a population
behind the pool stands as well in front of it, where the pool needs one.
"""

from __future__ import annotations

from dataclasses import replace

from spikeserve.convert.lower.builder import Builder, Value
from spikeserve.convert.models.neurons import MemoryFunction, MemoryRectifiedLinear, get_model
from spikeserve.v1 import network_pb2 as pb


def merge_repeats(builder: Builder) -> list[str]:
    """Puts populations behind max pools in place of those in front that only repeat; notes on all of them."""
    notes = []
    for name in [op.name for op in builder.definition.operations if op.name in builder.repeats]:
        repeat = builder.repeats[name]
        merger = _Merger(builder, name)
        pool = merger.only_pool()
        behind = None if pool is None else merger.rising(pool)
        if pool is None or behind is None:
            notes.append(
                f"'{repeat.reader}' {repeat.does}, of which neurons with memory ('{name}') make spikes first"
            )
        else:
            layer = builder.populations[behind.name].layer
            notes.append(
                f"'{layer}' stands in front of '{repeat.reader}', which takes the largest of its spikes"
            )
            merger.merge(pool, behind)
    return notes


class _Merger:
    """One population in front of max pools, and what reads it."""

    def __init__(self, builder: Builder, name: str) -> None:
        self._builder = builder
        self._definition = builder.definition
        self._name = name
        self._operations = {op.name: op for op in self._definition.operations}

    def only_pool(self) -> str | None:
        """The last of the max pools that its spikes reach; None where they leave several."""
        name = self._name
        while True:
            targets = [c.target for c in self._definition.connections if c.source == name]
            if name in self._builder.maxima and not any(
                target in self._builder.carriers for target in targets
            ):
                return name
            if len(targets) != 1 or self._builder.carriers.get(targets[0]) != self._name:
                return None
            name = targets[0]

    def rising(self, pool: str) -> pb.Operation | None:
        """The population that is all to read the pool, if it never falls.

        Zeros of a padding in front of the pool are zeros behind it for rectifiers alone.
        """
        targets = [c.target for c in self._definition.connections if c.source == pool]
        if len(targets) != 1 or any(probe.target == pool for probe in self._definition.probes):
            return None
        operation = self._operations[targets[0]]
        model = get_model(operation.neuron) if operation.HasField("neuron") else None
        if (
            not isinstance(model, MemoryRectifiedLinear | MemoryFunction)
            or targets[0] in self._builder.repeats
        ):
            return None
        padded = any(
            self._operations[name].HasField("pad")
            for name, population in self._builder.carriers.items()
            if population == self._name and name in self._operations
        )
        kept = isinstance(model, MemoryRectifiedLinear) or not padded
        return operation if model.rises and model.amplitude > 0 and kept else None

    def merge(self, pool: str, behind: pb.Operation) -> None:
        """Lets the population behind the pool take the place of the one in front."""
        front, builder = self._operations[self._name], self._builder
        front.neuron.CopyFrom(behind.neuron)
        links = self._definition.connections
        links.remove(next(c for c in links if c.target == behind.name))
        for link in links:
            if link.source == behind.name:
                link.source = pool
        for probe in self._definition.probes:
            if probe.target == behind.name:
                probe.target = pool
        self._definition.operations.remove(behind)
        before, after = builder.populations.pop(self._name), builder.populations[behind.name]
        value = Value(behind.name, before.value.stored, after.value.order)
        builder.populations[behind.name] = replace(after, value=value)
        self._rename(front, behind.name)

    def _rename(self, front: pb.Operation, name: str) -> None:
        for link in self._definition.connections:
            if link.source == front.name:
                link.source = name
            elif link.target == front.name:
                link.target = name
        carriers = self._builder.carriers
        carriers.update({op: name for op, population in carriers.items() if population == front.name})
        front.name = name
