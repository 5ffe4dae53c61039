"""What max pools and products read: the spikes of populations with memory, which nothing filters."""

from __future__ import annotations

from dataclasses import dataclass

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Builder, Shape, Value
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.neurons import get_model
from spikeserve.convert.read.graph import Node
from spikeserve.v1 import network_pb2 as pb

MOVES = frozenset({"reshape", "permute", "pad"})
_ADVICE = "preset 'balanced' has them"

Move = pb.ReshapeOperation | pb.PermuteOperation | pb.PadOperation


@dataclass(frozen=True)
class Cells:
    """What one call of a layer reads."""

    node: Node
    builder: Builder
    reader: str  # "max pooling", for people
    does: str  # "takes the largest of"
    otherwise: str = ""  # what else to do where neurons have no memory

    def of(self, value: Value) -> tuple[Value, str]:
        """(the same values as spikes that nothing filters, the population that they are of).

        In the value's own axis order.
        """
        name, builder = value.operation, self.builder
        operation = builder.operation(name)
        kind = str(operation.WhichOneof("kind"))
        if kind == "neuron":
            self._check(get_model(operation.neuron))
            found = value.as_stored(), name
        elif kind == "product" or operation.pool.kind == pb.POOL_KIND_MAX:
            found = value.as_stored(), builder.carriers[name]
        elif kind in MOVES:
            cells, population = self.of(builder.sources(name)[0])
            found = self.moved(cells, kind, getattr(operation, kind), population), population
        else:
            found = self._spikes_of(value, kind)
        if value.plain:
            return found
        cells, population = found
        body = pb.PermuteOperation(permutation=value.order)
        return self.moved(cells, "permute", body, population), population

    def moved(self, source: Value, kind: str, body: Move, population: str) -> Value:
        """The source behind a Reshape, Permute or Pad that is there for this call alone."""
        shape = _shape_behind(body, source.shape)
        return self.builder.carry(f"{self.node.name}/{kind}", source, shape, (kind, body), population)

    def _check(self, model: NeuronModel) -> None:
        if not model.remembers:
            raise self._refused(type(model).__name__)
        if model.amplitude < 0:
            raise UnsupportedError(
                f"it reads neurons of the amplitude {model.amplitude:g}, whose spikes count below 0",
                "give an amplitude above 0",
            )

    def _refused(self, what: str) -> UnsupportedError:
        wanted = f"{self.reader} takes neurons with memory, and reads {what}"
        return UnsupportedError(wanted, f"{_ADVICE}{self.otherwise}")

    def _spikes_of(self, value: Value, kind: str) -> tuple[Value, str]:
        """A population that gives the values themselves, for what sends no spikes of one population."""
        what = {"input": "an input", "concat": "joined branches"}.get(kind, "a linear result")
        if not self.builder.memory:
            raise self._refused(what)
        does = f"{self.does} {what}"
        cells = self.builder.repeat(self.node.name, self.node.layer.name, value, does)
        return cells, cells.operation


def sent(value: Value, builder: Builder, through: frozenset[str] = MOVES) -> bool:
    """Whether it is what populations with memory have sent, but for operations of the kinds of `through`."""
    operation = builder.operation(value.operation)
    kind = str(operation.WhichOneof("kind"))
    if kind == "neuron":
        return get_model(operation.neuron).remembers
    if kind in through:
        return all(sent(source, builder, through) for source in builder.sources(value.operation))
    return kind == "product" or operation.pool.kind == pb.POOL_KIND_MAX


def _shape_behind(body: Move, shape: Shape) -> Shape:
    if isinstance(body, pb.ReshapeOperation):
        return tuple(body.shape)
    if isinstance(body, pb.PermuteOperation):
        return tuple(shape[axis] for axis in body.permutation)
    return tuple(n + b + a for n, b, a in zip(shape, body.before, body.after, strict=True))
