"""From checked nodes to a definition.

Filters and delays are linear and steady in time, as are weights: so a filter anywhere between two populations
may stand on the connection that leaves the first, where the format has it. A linear node is written once for
each filter that somebody behind it asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import Problem, UnsupportedError, refuse
from spikeserve.convert.lower.builder import clean_name
from spikeserve.convert.nir.emit import NONE, Filter, Signal, Writer
from spikeserve.convert.nir.graph import FlatGraph
from spikeserve.convert.nir.units import (
    Convolution,
    Dense,
    Filtering,
    Flat,
    Multiply,
    Parsed,
    Pass,
    Pooling,
    Spiking,
)
from spikeserve.v1 import network_pb2 as pb

_MOST_FILTERS = 64  # in front of one node


@dataclass(frozen=True)
class _Tail:
    """What an output reads: the sum in front of `node`, times `factor`, through a filter of its probe."""

    node: str
    filter: Filter
    factors: tuple[Array, ...]


@dataclass
class _Lowering:
    graph: FlatGraph
    parsed: dict[str, Parsed]
    writer: Writer
    warnings: list[str] = field(default_factory=list)
    wanted: dict[str, dict[Filter, None]] = field(default_factory=dict)  # by node, the filters asked for
    made: dict[tuple[str, Filter], Signal] = field(default_factory=dict)
    tails: dict[str, _Tail] = field(default_factory=dict)

    def run(self, label: str) -> None:
        """Asks from the outputs to the inputs, then writes from the inputs to the outputs."""
        name = ""
        try:
            for name in self.graph.outputs:
                self._ask_output(name)
            for node in reversed(self.graph.nodes):
                name = node.name
                self._ask(name)
            for node in self.graph.nodes:
                name = node.name
                self._make(name)
            for name in self.graph.outputs:
                self._probe(name)
        except UnsupportedError as error:
            kind = self.parsed[name].kind
            raise refuse(label, [Problem(name, kind, error.reason, error.advice)]) from error

    def _ask_output(self, name: str) -> None:
        """Filters right in front of an output become those of its probe, which filters constants as well."""
        node, chain, factors = name, NONE, []
        while len(self.graph.sources[node]) == 1:
            source = self.graph.sources[node][0]
            unit = self.parsed[source].unit
            passes = isinstance(unit, Pass) and self.graph.sources[source]
            if not passes and not (isinstance(unit, Filtering) and unit.shift is None):
                break
            if isinstance(unit, Filtering):
                chain = chain.behind(_filter(unit))
                factors += [] if unit.factor is None else [unit.factor]
            node = source
        self.tails[name] = _Tail(node, chain, tuple(factors))
        self._want(node, NONE)

    def _want(self, name: str, wanted: Filter) -> None:
        for source in self.graph.sources[name]:
            asked = self.wanted.setdefault(source, {})
            asked[wanted] = None
            if len(asked) > _MOST_FILTERS:
                raise UnsupportedError(
                    f"more than {_MOST_FILTERS} filters and delays in front of {source!r}",
                    "put spiking neurons in between",
                )

    def _ask(self, name: str) -> None:
        unit = self.parsed[name].unit
        for wanted in self.wanted.get(name, {}):
            if isinstance(unit, Spiking):
                self._want(name, Filter(unit.taus))
            else:
                self._want(name, wanted.behind(_filter(unit)) if isinstance(unit, Filtering) else wanted)

    def _make(self, name: str) -> None:
        unit = self.parsed[name].unit
        sources = self.graph.sources[name]
        if not sources:
            operation = self.writer.operation(name)
            operation.input.shape.extend(self.parsed[name].shape)
            value = self.writer.plain_value(operation, self.parsed[name].shape)
            for wanted in self.wanted.get(name, {}):
                self.made[name, wanted] = Signal(value, wanted)
        elif isinstance(unit, Spiking) and self.wanted.get(name):
            source = self._sum(name, Filter(unit.taus))
            population = self.writer.population(name, source, unit.model, unit.gain, unit.bias, unit.start)
            for wanted in self.wanted[name]:
                self.made[name, wanted] = Signal(population.value, wanted)
        else:
            for wanted in self.wanted.get(name, {}):
                inner = wanted.behind(_filter(unit)) if isinstance(unit, Filtering) else wanted
                self.made[name, wanted] = self._linear(name, self._sum(name, inner), wanted)

    def _sum(self, name: str, wanted: Filter) -> Signal:
        """What a node reads behind a filter; several sources are added up."""
        signals = [self.made[source, wanted] for source in self.graph.sources[name]]
        if len(signals) == 1:
            return signals[0]
        if len({(signal.value.stored, signal.value.order) for signal in signals}) > 1:
            signals = [self.writer.plain(signal) for signal in signals]
        operation = self.writer.add(f"{name}/sum", signals, signals[0].value.stored, "weighted_sum")
        operation.weighted_sum.coefficients.extend([1.0] * len(signals))
        return self.writer.elementwise(operation, signals[0])

    def _linear(self, name: str, source: Signal, wanted: Filter) -> Signal:
        """One node without spikes, written for one filter in front of it."""
        unit, shape = self.parsed[name].unit, self.parsed[name].shape
        own = name if wanted == next(iter(self.wanted[name])) else f"{name}/filtered"
        match unit:
            case Dense():
                self._constant(name, unit.bias, wanted)
                operation = self.writer.add(own, [self.writer.plain(source)], shape, "affine")
                self._weights(operation.affine, name, unit.weight, unit.bias)
                return Signal(self.writer.plain_value(operation, shape))
            case Convolution():
                self._constant(name, unit.bias, wanted)
                return self._convolution(own, name, source, unit)
            case Pooling():
                return self._pooling(own, source, unit, shape)
            case Multiply():
                return self._scaled(own, source, unit.factor, None)
            case Filtering():
                self._constant(name, unit.shift, wanted)
                return self._scaled(own, source, unit.factor, unit.shift)
            case Flat():
                operation = self.writer.add(own, [self.writer.plain(source)], shape, "reshape")
                operation.reshape.shape.extend(shape)
                return Signal(self.writer.plain_value(operation, shape))
        return source

    def _constant(self, name: str, values: Array | None, wanted: Filter) -> None:
        """What is constant reaches its targets unfiltered; that is the same once the filter has settled."""
        if values is None or wanted == NONE:
            return
        if wanted.endless:
            raise UnsupportedError(
                "it adds a constant in front of a running sum (I), which would grow in every step",
                "leave the bias out, or put it behind",
            )
        longest = max([wanted.delay_steps * self.writer.dt, *wanted.taus])
        self.warnings.append(
            f"'{name}': its bias is there from the first step on, where the file has it behind a filter or "
            f"delay of {longest:.4g} s; the two agree after some {5 * longest:.2g} s"
        )

    def _weights(
        self, body: pb.AffineOperation | pb.ConvOperation, name: str, weight: Array, bias: Array | None
    ) -> None:
        body.weight = self.writer.tensor(f"{name}/weight", weight)
        if bias is not None:
            body.bias = self.writer.tensor(f"{name}/bias", bias)

    def _convolution(self, own: str, name: str, source: Signal, unit: Convolution) -> Signal:
        shape = self.parsed[name].shape
        last = self.writer.channels_last(source)
        operation = self.writer.add(own, [last], (*shape[1:], shape[0]), "conv")
        body = operation.conv
        self._weights(body, name, unit.weight, unit.bias)
        body.stride.extend(unit.stride)
        body.dilation.extend(unit.dilation)
        body.pad_before.extend(unit.before)
        body.pad_after.extend(unit.after)
        body.groups = unit.groups
        return self.writer.channels_first(operation, shape)

    def _pooling(self, own: str, source: Signal, unit: Pooling, shape: tuple[int, ...]) -> Signal:
        last = self.writer.channels_last(source)
        operation = self.writer.add(own, [last], (*shape[1:], shape[0]), "pool")
        body = operation.pool
        body.kind = pb.POOL_KIND_AVERAGE
        body.window.extend(unit.window)
        body.stride.extend(unit.stride)
        body.pad_before.extend(unit.padding)
        body.pad_after.extend(unit.padding)
        body.count_include_pad = any(unit.padding)
        mean = self.writer.channels_first(operation, shape)
        if unit.factor == 1:
            return mean
        return self._scaled(f"{own}.sum", mean, np.full(shape, float(unit.factor)), None)

    def _scaled(self, own: str, source: Signal, factor: Array | None, shift: Array | None) -> Signal:
        """factor*x + shift, where it changes anything."""
        if shift is None and (factor is None or (factor == 1).all()):
            return source
        operation = self.writer.add(own, [source], source.value.stored, "scale_shift")
        body = operation.scale_shift
        body.axis = -1
        if factor is not None:
            body.scale = self._vector(f"{operation.name}/scale", source.layout(factor))
        if shift is not None:
            body.shift = self._vector(f"{operation.name}/shift", source.layout(shift))
        return self.writer.elementwise(operation, source)

    def _vector(self, name: str, values: Array) -> str:
        """A tensor of one value, of one for each channel, or of all."""
        first = values.reshape(-1, values.shape[-1])[0]
        if (values == first[0]).all():
            return self.writer.tensor(name, first[:1])
        return self.writer.tensor(name, first if (values == first).all() else values)

    def _probe(self, name: str) -> None:
        tail = self.tails[name]
        signal = self._sum(tail.node, NONE)
        for factor in tail.factors:
            signal = self._scaled(f"{name}.scale", signal, factor, None)
        target = self.writer.plain(signal).value.operation
        probe = self.writer.definition.probes.add(
            name=clean_name(name), target=target, quantity=pb.PROBE_QUANTITY_OUTPUT
        )
        tail.filter.write(probe, self.writer.dt)


def _filter(unit: Filtering) -> Filter:
    return Filter(unit.taus, unit.delay_steps, unit.endless)


def lower(
    graph: FlatGraph, parsed: dict[str, Parsed], label: str, dt: float
) -> tuple[pb.NetworkDefinition, list[str]]:
    """The definition of a file, for steps of dt seconds, and warnings."""
    lowering = _Lowering(graph, parsed, Writer(dt))
    lowering.run(label)
    return lowering.writer.definition, [*dict.fromkeys([*graph.warnings, *lowering.warnings])]
