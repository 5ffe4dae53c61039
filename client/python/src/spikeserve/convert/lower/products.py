"""Lowering of products of two signals."""

from __future__ import annotations

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Builder, Shape, Value
from spikeserve.convert.lower.cells import Cells, sent
from spikeserve.convert.lower.rules import lowers
from spikeserve.convert.lower.shape import scaled
from spikeserve.convert.read.graph import Node
from spikeserve.v1 import network_pb2 as pb


@lowers("Multiply")
def lower_multiply(node: Node, values: list[Value], builder: Builder) -> Value:
    """A Product, one behind the other where there are more than two signals."""
    if len(values) < 2:
        raise UnsupportedError("it is called with 1 tensor", "call it with 2 or more")
    product = values[0]
    for value in values[1:]:
        product = _product(node, product, value, builder)
    return product


def _product(node: Node, first: Value, second: Value, builder: Builder) -> Value:
    """Where both are stored in the same axis order, in that."""
    (first, a), (second, b) = (_unscaled(value, builder) for value in (first, second))
    rank = max(len(first.shape), len(second.shape))
    pair = [_spread(node, value, rank, builder) for value in (first, second)]
    order = tuple(range(rank))
    if pair[0].order == pair[1].order:
        order = pair[0].order
        pair = [value.as_stored() for value in pair]
    shape = _broadcast(pair[0].shape, pair[1].shape)
    cells = Cells(node, builder, "a product", "multiplies")
    found = [cells.of(value)[0] for value in pair]
    product = builder.product(node.name, node.layer.name, found, shape).permuted(order)
    return scaled(product, a * b, f"{node.name}/factor", builder)


def _unscaled(value: Value, builder: Builder) -> tuple[Value, float]:
    """(what a value is a multiple of, the factor), where that has been sent already."""
    operation = builder.operation(value.operation)
    body = operation.scale_shift
    if not operation.HasField("scale_shift") or body.shift or builder.stored(body.scale).size != 1:
        return value, 1.0
    (source,) = builder.sources(value.operation)
    source, factor = _unscaled(Value(source.operation, source.stored, value.order), builder)
    if not sent(source, builder):
        return value, 1.0
    return source, factor * float(builder.stored(body.scale)[0])


def _spread(node: Node, value: Value, rank: int, builder: Builder) -> Value:
    """With axes of 1 behind the batch, as Keras makes ranks equal."""
    if len(value.shape) == rank:
        return value
    shape = (*(1,) * (rank - len(value.shape)), *value.shape)
    body = pb.ReshapeOperation(shape=shape)
    return builder.add(f"{node.name}/spread", [value], shape, ("reshape", body))


def _broadcast(first: Shape, second: Shape) -> Shape:
    pairs = list(zip(first, second, strict=True))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        raise UnsupportedError(
            f"it multiplies the shapes {first} and {second}", "give axes that are equal, or 1 in one of them"
        )
    return tuple(max(pair) for pair in pairs)
