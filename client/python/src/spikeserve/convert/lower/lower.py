"""Lowers a graph to a NetworkDefinition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import spikeserve.convert.lower.linear
import spikeserve.convert.lower.normalise
import spikeserve.convert.lower.pools
import spikeserve.convert.lower.products
import spikeserve.convert.lower.resize
import spikeserve.convert.lower.shape
import spikeserve.convert.lower.transposed  # noqa: F401  (they register their layers)
from spikeserve.convert.draft import Draft
from spikeserve.convert.errors import Problem, UnsupportedError, reading_configuration, refuse
from spikeserve.convert.lower.activations import ACTIVATION_LAYERS
from spikeserve.convert.lower.builder import Builder, Population, Shape, Value, prune
from spikeserve.convert.lower.decisions import Decision, taken_notes
from spikeserve.convert.lower.fold import fold_scales
from spikeserve.convert.lower.fold_moves import fold_permutes
from spikeserve.convert.lower.left_out import function_name, left_out_at
from spikeserve.convert.lower.merge import merge_repeats
from spikeserve.convert.lower.prelu import both_sides
from spikeserve.convert.lower.rules import find_rule
from spikeserve.convert.lower.shape import scaled
from spikeserve.convert.models.synapses import Synapse
from spikeserve.convert.read.graph import Graph, Node
from spikeserve.convert.read.records import expect, input_shape_of
from spikeserve.v1 import network_pb2 as pb

InputShapes = Mapping[str, Shape]
_BLOCK_ELEMENTS = 1 << 26  # values of a forward pass that are held in memory


@dataclass
class Lowered:
    """A definition with unit gains, and which Keras layers its parts come from."""

    draft: Draft
    populations: dict[str, Population]  # by Neuron operation
    input_nodes: dict[str, int]  # Input operation -> node
    maxima: dict[str, str] = field(default_factory=dict)  # MAX pool -> the layer that it comes from
    carriers: dict[str, str] = field(default_factory=dict)  # MAX pool, what is there for one -> population
    notes: list[str] = field(default_factory=list)
    elements: int = 1  # values of all operations, per sample

    @property
    def definition(self) -> pb.NetworkDefinition:
        """The draft's."""
        return self.draft.definition

    def block(self, most: int) -> int:
        """How many samples, at most `most`, a forward pass may hold at once."""
        return max(1, min(most, _BLOCK_ELEMENTS // self.elements))


@dataclass(frozen=True)
class Synapses:
    """Filters behind neurons and in front of the output probes."""

    connection: Synapse | None
    probe: Synapse | None


def lower(
    graph: Graph,
    decisions: dict[int, Decision],
    problems: list[Problem],
    label: str,
    synapses: Synapses,
    input_shape: Shape | InputShapes | None,
    memory: bool,
) -> Lowered:
    """The definition of a graph. Raises one ConversionError that names every layer that cannot be.

    `memory`: whether neurons that no layer asks for may be such with memory.
    """
    builder = Builder(synapses.connection, memory)
    values: list[Value | None] = []
    inputs: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        try:
            value = _lower_node(node, values, decisions[index], builder, input_shape)
        except UnsupportedError as error:
            value = None
            layer = node.layer
            problems.append(Problem(layer.name, layer.class_name, error.reason, error.advice))
        if value is not None and node.layer.class_name == "InputLayer":
            inputs[value.operation] = index
        values.append(value)
    if problems:
        raise refuse(label, problems)
    _probe_outputs(graph, values, decisions, builder, synapses.probe)
    prune(builder.definition)
    notes = _notes(graph, decisions) + merge_repeats(builder)
    fold_permutes(builder.draft, builder.shapes)
    fold_scales(builder.draft)
    kept = {op.name for op in builder.definition.operations}
    populations = {name: item for name, item in builder.populations.items() if name in kept}
    maxima = {name: layer for name, layer in builder.maxima.items() if name in kept}
    return Lowered(builder.draft, populations, inputs, maxima, builder.carriers, notes, builder.elements)


def _lower_node(
    node: Node,
    values: list[Value | None],
    decision: Decision,
    builder: Builder,
    input_shape: Shape | InputShapes | None,
) -> Value | None:
    if node.layer.class_name == "InputLayer" and node.layer.custom is None:
        return builder.input(node.name, _input_shape(node, input_shape))
    rule = find_rule(node, builder.memory)
    sources = [values[index] for index in node.inputs]
    known = [source for source in sources if source is not None]
    if len(known) != len(sources):
        return None  # an earlier layer is unsupported; that is the message to give
    if not known:
        raise UnsupportedError("it has no input", "connect it to an input of the model")
    with reading_configuration():
        value = rule(node, known, builder)
    return _activate(node, value, decision, builder)


def _activate(node: Node, value: Value, decision: Decision, builder: Builder) -> Value:
    alone = node.layer.class_name in ACTIVATION_LAYERS
    if decision.neuron is not None:
        name = node.name if alone else f"{node.name}/neuron"
        if decision.slopes is not None:
            return both_sides(node, name, value, decision.neuron, decision.slopes, builder)
        value = scaled(value, decision.factor, f"{node.name}/factor", builder)
        return builder.neuron(name, node.layer.name, value, decision.neuron)
    if decision.output is None:
        return value
    name = node.name if alone else f"{node.name}/{decision.output}"
    body = pb.ActivationOperation(softmax=pb.Softmax())
    return builder.add(name, [value], value.shape, ("activation", body))


def _input_shape(node: Node, given: Shape | InputShapes | None) -> Shape:
    if isinstance(given, Mapping):
        given = given.get(node.layer.name)
    stored = input_shape_of(node.layer.config)
    if given is None and stored is not None and all(isinstance(n, int) for n in stored):
        return tuple(int(expect(n, int, "an input shape")) for n in stored)
    if given is None:
        known = "no shape" if stored is None else f"the open shape {tuple(stored)}"
        raise UnsupportedError(f"the input has {known}", "give input_shape=(...), without the batch")
    shape = tuple(int(n) for n in given)
    if any(n < 1 for n in shape) or not _fits(shape, stored):
        raise UnsupportedError(f"input_shape {shape} does not fit {stored}", "leave the batch out")
    return shape


def _fits(shape: Shape, stored: Sequence[int | None] | None) -> bool:
    """Whether a shape is what the model stores, None along an axis or in place of all being open."""
    if stored is None:
        return True
    return len(stored) == len(shape) and all(s in (None, n) for s, n in zip(stored, shape, strict=True))


def _probe_outputs(
    graph: Graph,
    values: list[Value | None],
    decisions: Mapping[int, Decision],
    builder: Builder,
    synapse: Synapse | None,
) -> None:
    single = len(graph.outputs) == 1
    for index, name in zip(graph.outputs, graph.output_names, strict=True):
        value = values[index]
        assert value is not None
        left_out = left_out_at(graph, decisions, index)
        builder.probe("output" if single else name, value, synapse, left_out)


def _notes(graph: Graph, decisions: dict[int, Decision]) -> list[str]:
    left_out = [
        f"the {function_name(decision.left_out)} at the output '{graph.nodes[index].name}' is left out of "
        "the network: clients apply it to the mean over the steps, which gives the model's outputs; "
        "result.logits has what it is applied to"
        for index, decision in decisions.items()
        if decision.left_out is not None
    ]
    return left_out + taken_notes(graph, decisions)
