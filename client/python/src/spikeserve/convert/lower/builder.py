"""Builds a NetworkDefinition operation by operation, with shapes known at every point."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from spikeserve.convert.arrays import Array
from spikeserve.convert.draft import Draft
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.neurons import MemoryRectifiedLinear, set_model
from spikeserve.convert.models.synapses import Synapse, set_synapse
from spikeserve.v1 import network_pb2 as pb

Shape = tuple[int, ...]
_MAX_NAME = 128
_MAX_DIMENSION = 65536  # these two are a server's default limits
_MAX_ELEMENTS = 1 << 24  # of one operation's output
_MAX_TOTAL_ELEMENTS = 1 << 28


@dataclass(frozen=True)
class Value:
    """The output of an operation, seen through a permutation that has not been emitted yet.

    `stored` is the operation's own shape; axis i of the value is axis order[i] of it. So the layout
    changes around channels-first layers cancel without a trace.
    """

    operation: str
    stored: Shape
    order: Shape

    @property
    def shape(self) -> Shape:
        """The shape of the value, without batch."""
        return tuple(self.stored[axis] for axis in self.order)

    @property
    def plain(self) -> bool:
        """True where no permutation is pending."""
        return self.order == tuple(range(len(self.order)))

    @property
    def unmoved(self) -> bool:
        """True where the permutation moves axes of size 1 alone, so that all values stay where they are."""
        moved = [axis for axis in self.order if self.stored[axis] > 1]
        return moved == sorted(moved)

    def as_stored(self) -> Value:
        """The same values in the operation's own axis order."""
        return Value(self.operation, self.stored, tuple(range(len(self.stored))))

    def permuted(self, axes: Shape) -> Value:
        """Axis i of the result is axis axes[i] of this value."""
        return Value(self.operation, self.stored, tuple(self.order[axis] for axis in axes))


@dataclass(frozen=True)
class Population:
    """The Keras layer a Neuron operation comes from, and its output in the layer's axis order."""

    layer: str
    value: Value


@dataclass(frozen=True)
class Repeat:
    """A population that a max pool or a product takes, where what it reads is no spikes of one population."""

    source: str  # the operation whose values it sends as they are
    reader: str  # the first call of a layer that takes it
    does: str  # what that does with what, for people


def check_size(shape: Shape, what: str) -> None:
    """UnsupportedError where an array of this shape is more than a forward pass should hold."""
    if max(shape) > _MAX_DIMENSION or math.prod(shape) > _MAX_ELEMENTS:
        raise UnsupportedError(
            f"{what} has the shape {tuple(shape)}, the limits are {_MAX_DIMENSION} along an axis and "
            f"{_MAX_ELEMENTS} in all",
            "use a smaller input",
        )


def clean_name(name: str) -> str:
    """`name` with every character that the format does not allow replaced."""
    return re.sub(r"[^A-Za-z0-9._/:-]", "_", name)[: _MAX_NAME - 28] or "_"


class Builder:
    """Collects operations, connections, probes and tensors of one definition."""

    def __init__(self, synapse: Synapse | None, memory: bool) -> None:
        self.draft = Draft()
        self.definition = self.draft.definition
        self.memory = memory  # whether neurons that no layer asks for may be such with memory
        self.populations: dict[str, Population] = {}  # by Neuron operation
        self.maxima: dict[str, str] = {}  # by MAX pool: the layer it comes from
        # By MAX pool, product and what is there for one: the population whose spikes it passes on.
        self.carriers: dict[str, str] = {}
        self.repeats: dict[str, Repeat] = {}  # by Neuron operation
        self.elements = 0  # of all outputs, per sample
        self.shapes: dict[str, Shape] = {}  # by operation
        self._synapse = synapse
        self._names: set[str] = set()
        self._tensors: dict[str, str] = {}  # name as given -> id
        self._permutes: dict[tuple[str, Shape], Value] = {}
        self._operations: dict[str, pb.Operation] = {}
        self._values: dict[str, Value] = {}
        self._sources: dict[str, list[str]] = {}

    def input(self, name: str, shape: Shape) -> Value:
        """A named input, shape without batch."""
        if not 1 <= len(shape) <= 4:
            raise UnsupportedError(f"an input of rank {len(shape)}", "use an input of rank 1 to 4")
        operation = self._operation(name)
        value = self._value(operation.name, shape)
        operation.input.shape.extend(shape)
        return value

    def add(self, name: str, sources: list[Value], shape: Shape, body: _Body) -> Value:
        """An operation of any kind over plain-layout sources; returns its output."""
        return self._emit(name, [self.plain(source) for source in sources], shape, body)

    def elementwise(self, name: str, source: Value, body: _Body) -> Value:
        """An operation that does not care about the layout: the permutation stays pending."""
        return self._emit(name, [source], source.stored, body).permuted(source.order)

    def neuron(self, name: str, layer: str, source: Value, model: NeuronModel) -> Value:
        """A population of one neuron per element, gain 1; `layer` is what options name it by."""
        body = pb.NeuronOperation()
        set_model(body, model)
        source = self.plain(source) if model.of_rows else source
        value = self.elementwise(name, source, ("neuron", body))
        self.populations[value.operation] = Population(layer, value)
        return value

    def repeat(self, name: str, layer: str, source: Value, does: str) -> Value:
        """A population that sends the values of an operation as they are, of either sign; one for all.

        `does`: what the first of these does with what.
        """
        known = [made for made, repeat in self.repeats.items() if repeat.source == source.operation]
        if known:
            return self._values[known[0]]
        model = MemoryRectifiedLinear(negative_slope=1)
        value = self.neuron(f"{name}/neuron", layer, source.as_stored(), model)
        self.repeats[value.operation] = Repeat(source.operation, name, does)
        return value

    def product(self, name: str, layer: str, sources: list[Value], shape: Shape) -> Value:
        """A population that sends the product of two, which reach it unfiltered; amplitude 1."""
        operation = self._operation(name)
        operation.product.amplitude = 1
        self.carriers[operation.name] = operation.name
        for source in sources:
            self._connect(source.operation, operation.name)
        value = self._value(operation.name, shape)
        self.populations[operation.name] = Population(layer, value)
        return value

    def carry(self, name: str, source: Value, shape: Shape, body: _Body, population: str) -> Value:
        """A MAX pool, or an operation that is there for one: the spikes of a population reach it unfiltered.

        What filters them, and makes them late, is behind the pool. The source is taken in its own axis order.
        """
        operation = self._operation(name)
        getattr(operation, body[0]).CopyFrom(body[1])
        self.carriers[operation.name] = population
        self._connect(source.operation, operation.name)
        return self._value(operation.name, shape)

    def operation(self, name: str) -> pb.Operation:
        """The operation of this name."""
        return self._operations[name]

    def stored(self, ident: str) -> Array:
        """The values of a tensor, by its id."""
        return self.draft.tensors[ident]

    def sources(self, name: str) -> list[Value]:
        """What the operation of this name reads, each in its own axis order."""
        return [self._values[source] for source in self._sources.get(name, [])]

    def plain(self, value: Value) -> Value:
        """The value in its own axis order; emits a Permute (once) where that takes one."""
        if value.plain:
            return value
        key = (value.operation, value.order)
        if key not in self._permutes:
            operation = self._operation(f"{value.operation}/permute")
            if value.unmoved:
                operation.reshape.shape.extend(value.shape)
            else:
                operation.permute.permutation.extend(value.order)
            self._connect(value.operation, operation.name)
            self._permutes[key] = self._value(operation.name, value.shape)
        return self._permutes[key]

    def tensor(self, name: str, values: Array) -> str:
        """Keeps a float32 tensor under `name` unless it is there already (shared layers)."""
        if name in self._tensors:
            return self._tensors[name]
        ident = _unique(clean_name(name), set(self._tensors.values()))
        self._tensors[name] = self.draft.add(ident, values)
        return ident

    def probe(
        self, name: str, value: Value, synapse: Synapse | None, left_out: pb.OutputActivation | None = None
    ) -> None:
        """Probes the output of a value; a neuron's probe falls back to the network's synapse.

        `left_out`: what clients apply to it.
        """
        target = self.plain(value).operation
        sends = target in self.populations or target in self.carriers
        probe = self.definition.probes.add(
            name=clean_name(name), target=target, quantity=pb.PROBE_QUANTITY_OUTPUT, activation=left_out
        )
        if synapse is None and sends:
            synapse = self._synapse
        set_synapse(probe, synapse)

    def _emit(self, name: str, sources: list[Value], shape: Shape, body: _Body) -> Value:
        operation = self._operation(name)
        getattr(operation, body[0]).CopyFrom(body[1])
        for source in sources:
            self._connect(source.operation, operation.name)
        return self._value(operation.name, shape)

    def _value(self, operation: str, shape: Shape) -> Value:
        check_size(shape, "its output")
        self.elements += math.prod(shape)
        if self.elements > _MAX_TOTAL_ELEMENTS:
            raise UnsupportedError(
                f"the network up to here has {self.elements} values per sample, the limit is "
                f"{_MAX_TOTAL_ELEMENTS}",
                "use a smaller input",
            )
        self.shapes[operation] = tuple(int(n) for n in shape)
        value = Value(operation, self.shapes[operation], tuple(range(len(shape))))
        self._values[operation] = value
        return value

    def _operation(self, name: str) -> pb.Operation:
        unique = _unique(clean_name(name), self._names)
        self._names.add(unique)
        self._operations[unique] = self.definition.operations.add(name=unique)
        return self._operations[unique]

    def _connect(self, source: str, target: str) -> None:
        connection = self.definition.connections.add(source=source, target=target)
        self._sources.setdefault(target, []).append(source)
        sends = source in self.populations or source in self.carriers
        if sends and target not in self.carriers:
            set_synapse(connection, self._synapse)


_Message = (
    pb.AffineOperation
    | pb.ConvOperation
    | pb.PoolOperation
    | pb.ScaleShiftOperation
    | pb.WeightedSumOperation
    | pb.ConcatOperation
    | pb.ReshapeOperation
    | pb.PadOperation
    | pb.PermuteOperation
    | pb.NeuronOperation
    | pb.ActivationOperation
)
_Body = tuple[str, _Message]


def _unique(base: str, taken: set[str]) -> str:
    name, count = base, 2
    while name in taken:
        name, count = f"{base}_{count}", count + 1
    return name


def prune(definition: pb.NetworkDefinition) -> None:
    """Drops operations that no probe depends on (inputs stay)."""
    sources: dict[str, list[str]] = {}
    for connection in definition.connections:
        sources.setdefault(connection.target, []).append(connection.source)
    used: set[str] = set()
    pending = [probe.target for probe in definition.probes]
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            pending.extend(sources.get(name, []))
    operations = [o for o in definition.operations if o.name in used or o.HasField("input")]
    links = [c for c in definition.connections if c.target in used]
    del definition.operations[:]
    del definition.connections[:]
    definition.operations.extend(operations)
    definition.connections.extend(links)
