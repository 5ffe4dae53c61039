"""From a definition to a NIR graph, operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.forward import read_tensors, topological
from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.convert.errors import Problem, UnsupportedError, refuse
from spikeserve.convert.nir.write import linear, neurons
from spikeserve.convert.nir.write.file import to_bytes
from spikeserve.convert.nir.write.linear import Window
from spikeserve.convert.nir.write.neurons import Losses
from spikeserve.convert.nir.write.nodes import (
    OutGraph,
    Shape,
    Wave,
    channels_first,
    joined,
    permuted,
    row_major,
    scaled,
)
from spikeserve.v1 import network_pb2 as pb

_DEFAULT_DT = 0.001
_IMAGES = {"conv", "pool", "pad"}
_IN_PLACE = {"scale_shift", "weighted_sum", "neuron"}


def write_nir(
    definition: pb.NetworkDefinition, approximate: bool, sum_pools: bool
) -> tuple[bytes, list[str]]:
    """The bytes of a NIR file with the network, and what is to be said of it.

    ConversionError names every operation that NIR cannot say, without `approximate` also those of which
    something is lost.
    """
    writing = _Writing(definition, sum_pools)
    writing.run()
    if writing.losses.found and not approximate:
        writing.problems += writing.losses.problems()
    if writing.problems:
        raise refuse("NIR", writing.problems)
    return to_bytes(writing.graph), [*writing.notes, *writing.losses.lines()]


@dataclass
class _Writing:
    definition: pb.NetworkDefinition
    sum_pools: bool
    losses: Losses = field(default_factory=Losses)
    graph: OutGraph = field(default_factory=OutGraph)
    waves: dict[str, Wave] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dt = self.definition.defaults.dt or _DEFAULT_DT
        self.shapes = operation_shapes(self.definition)
        self.tensors = dict(read_tensors(self.definition, np.float64))
        self.operations = {op.name: op for op in self.definition.operations}

    def run(self) -> None:
        """All operations, then the probes, then what the tools like better."""
        for op in topological(self.definition):
            links = [link for link in self.definition.connections if link.target == op.name]
            if all(link.source in self.waves for link in links):
                self._try(op.name, str(op.WhichOneof("kind")), lambda: self._operation(op, links))  # noqa: B023
        for probe in self.definition.probes:
            if probe.target in self.waves:
                self._try(probe.name, "probe", lambda: self._probe(probe))  # noqa: B023
        neurons.merge_synapses(self.graph)
        late = [name for name, node in self.graph.nodes.items() if node.kind in ("LI", "I", "CubaLIF")]
        if late:
            self.notes.append(
                f"filters here pass on their value one step ({self.dt:g} s) later than most tools do: "
                f"{', '.join(map(repr, late[:8]))}"
            )

    def _try(self, name: str, kind: str, work: Callable[[], None]) -> None:
        try:
            work()
        except UnsupportedError as error:
            self.problems.append(Problem(name, kind, error.reason, error.advice))

    def _operation(self, op: pb.Operation, links: list[pb.Connection]) -> None:
        kind = str(op.WhichOneof("kind"))
        if kind == "input":
            self.waves[op.name] = self._input(op)
            return
        waves = [neurons.filtered(self.graph, self.waves[link.source], link, self.dt) for link in links]
        shape = self.shapes[links[0].source]
        if kind == "weighted_sum":
            self.waves[op.name] = _sum(self.graph, op.name, waves, list(op.weighted_sum.coefficients))
        elif kind == "neuron":
            one = neurons.read_population(op, waves[0], shape, self.tensors)
            own = self._is_own(links[0])
            self.waves[op.name] = neurons.spiking(self.graph, waves[0], one, self.dt, own, self.losses)
        elif kind == "reshape":
            self.waves[op.name] = self._reshaped(op, waves[0])
        else:
            self.waves[op.name] = self._linear(op, kind, waves[0], shape)

    def _linear(self, op: pb.Operation, kind: str, wave: Wave, shape: Shape) -> Wave:
        graph, tensors = self.graph, self.tensors
        match kind:
            case "affine":
                bias = tensors.get(op.affine.bias)
                return linear.affine(graph, op.name, wave, shape, tensors[op.affine.weight], bias)
            case "conv":
                body = op.conv
                window = Window(
                    tensors[body.weight], tensors.get(body.bias), tuple(body.stride), tuple(body.dilation),
                    tuple(body.pad_before), tuple(body.pad_after), body.groups,
                )  # fmt: skip
                return linear.convolution(graph, op.name, wave, shape, window)
            case "pool":
                return linear.pooling(graph, op.name, wave, shape, op.pool, self.sum_pools)
            case "scale_shift":
                scale, shift = (self._spread(op.scale_shift, f, shape) for f in ("scale", "shift"))
                return linear.scale_shift(graph, op.name, wave, shape, scale, shift)
            case "pad":
                return linear.padding(graph, op.name, wave, shape, op.pad)
            case "permute":
                return permuted(wave, shape, tuple(op.permute.permutation))
        raise UnsupportedError("NIR has no node for it", "keep the network for this server")

    def _is_own(self, link: pb.Connection) -> bool:
        """Whether a population alone reads the weights in front of it."""
        kind = self.operations[link.source].WhichOneof("kind")
        readers = [one for one in self.definition.connections if one.source == link.source]
        probed = any(probe.target == link.source for probe in self.definition.probes)
        return kind in ("affine", "conv") and len(readers) == 1 and not probed

    def _spread(self, body: pb.ScaleShiftOperation, name: str, shape: Shape) -> Array | None:
        """A tensor of a ScaleShift for every element, or None."""
        values = self.tensors.get(getattr(body, name))
        if values is None:
            return None
        if values.size > 1 and not values.ndim == len(shape) > 1:
            axis = body.axis % len(shape)
            values = values.reshape([-1 if one == axis else 1 for one in range(len(shape))])
        return np.broadcast_to(values, shape)

    def _input(self, op: pb.Operation) -> Wave:
        shape = tuple(op.input.shape)
        target = self._reshape_behind(op)
        index = row_major(shape)
        if target is not None and self._meets_image(target.name):
            index = channels_first(tuple(target.reshape.shape))
        elif len(shape) > 1 and self._meets_image(op.name):
            index = channels_first(shape)
        node = self.graph.add(op.name, "Input", tuple(index.shape), [], shape=np.array(index.shape))
        if tuple(index.shape) != shape:
            self.notes.append(
                f"the input '{op.name}' {list(shape)} is {list(index.shape)} in the file, channels first"
            )
        if op.input.HasField("uint8_scale"):
            self.notes.append(f"the input '{op.name}' takes no bytes in the file: give it numbers")
        return Wave({node: 1.0}, index)

    def _readers(self, name: str) -> list[pb.Operation]:
        return [self.operations[link.target] for link in self.definition.connections if link.source == name]

    def _reshape_behind(self, op: pb.Operation) -> pb.Operation | None:
        """A Reshape that alone reads an input, whose shape the input then has."""
        readers = self._readers(op.name)
        alone = len(readers) == 1 and not any(probe.target == op.name for probe in self.definition.probes)
        return readers[0] if alone and readers[0].HasField("reshape") else None

    def _meets_image(self, name: str) -> bool:
        """Whether an operation on images reads the value, with nothing in between that moves axes."""
        pending, seen = [name], {name}
        while pending:
            for op in self._readers(pending.pop()):
                kind = op.WhichOneof("kind")
                if kind in _IMAGES:
                    return True
                if kind in _IN_PLACE and op.name not in seen:
                    seen.add(op.name)
                    pending.append(op.name)
        return False

    def _reshaped(self, op: pb.Operation, wave: Wave) -> Wave:
        shape = tuple(op.reshape.shape)
        if len(shape) == 1:
            return linear.flattened(self.graph, op.name, wave)
        if len(wave.terms) == 1 and self.graph.nodes[next(iter(wave.terms))].kind == "Input":
            if wave.shape == shape or np.array_equal(wave.index, channels_first(shape)):
                return wave
            name = next(iter(wave.terms))
            self.graph.nodes[name].shape = shape
            self.graph.nodes[name].fields["shape"] = np.array(shape)
            return Wave(wave.terms, row_major(shape))
        raise UnsupportedError(f"it makes the shape {shape}; NIR can only flatten", "flatten, or nothing")

    def _probe(self, probe: pb.Probe) -> None:
        if probe.quantity != pb.PROBE_QUANTITY_OUTPUT:
            raise UnsupportedError(
                "NIR's outputs are those of nodes, no voltages or spike counts", "probe outputs"
            )
        wave = neurons.filtered(self.graph, self.waves[probe.target], probe, self.dt)
        shape = self.shapes[probe.target]
        wave = linear.ordered(self.graph, probe.name, wave)
        names, factor = joined(self.graph, wave, probe.name)
        if factor != 1:
            names = [scaled(self.graph, wave, name, factor, probe.name) for name in names]
        self.graph.add(probe.name, "Output", wave.shape, names, shape=np.array(wave.shape))
        if wave.shape != shape:
            self.notes.append(f"the output '{probe.name}' {list(shape)} is {list(wave.shape)} in the file")


def _sum(graph: OutGraph, name: str, waves: list[Wave], coefficients: list[float]) -> Wave:
    """A weighted sum, as edges into the same node."""
    if any(not np.array_equal(wave.index, waves[0].index) for wave in waves):
        raise UnsupportedError(
            "it adds values whose axes lie otherwise in the file", "add them before Flatten"
        )
    terms: dict[str, float] = {}
    for wave, coefficient in zip(waves, coefficients, strict=True):
        for node, number in wave.terms.items():
            terms[node] = terms.get(node, 0.0) + coefficient * number
    kept = {node: number for node, number in terms.items() if number}
    if not kept:
        raise UnsupportedError("its sum is always 0", "leave it out")
    return Wave(kept, waves[0].index)
