"""Which channels of which populations the linear maps of a definition read.

A population has one amplitude, but may have a gain for each index of its last axis, its channels. What a
spike of a channel counts for then has to be in the weights of all that reads it. Channels are followed by
number through what only moves values and through MAX pools, which pass the spikes of one neuron under each
window on, to the weights that can take such factors; where something else reads them (a sum of branches, a
probe), the population has to have one gain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.forward import read_sources, topological
from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.v1 import network_pb2 as pb

NONE = -1  # in place of a channel: zeros of a padding, an input, anything without channels


@dataclass(frozen=True)
class Reader:
    """An Affine, Conv or ScaleShift operation that reads populations."""

    operation: str
    channels: Array | None  # [in] the channel behind each index of its last axis; None: there is no one
    populations: frozenset[str]  # of all spikes that it gets
    senders: frozenset[str]  # that these spikes come from: populations, or the last MAX pools behind them
    fan_out: float  # weights that a value of its input meets, in the mean


@dataclass(frozen=True)
class Pooled:
    """What a MAX pool passes on: spikes of one population, and [last axis] of which of its channels."""

    population: str
    channels: Array | None  # None: of more than one under a window, so that the population has one gain


@dataclass
class Channels:
    """The channels of some populations, and who reads them."""

    ranges: dict[str, slice] = field(default_factory=dict)  # numbers of the channels, by population
    readers: list[Reader] = field(default_factory=list)
    maxima: dict[str, Pooled] = field(default_factory=dict)  # by MAX pool
    single: set[str] = field(default_factory=set)  # populations that must have one gain
    relayed: set[str] = field(default_factory=set)  # populations whose spikes other neurons get as they are
    groups: list[set[str]] = field(default_factory=list)  # populations of which sums are taken

    @property
    def count(self) -> int:
        """Of all channels."""
        return max((numbers.stop for numbers in self.ranges.values()), default=0)

    def units(self) -> list[set[str]]:
        """The populations in sets of those that share a gain."""
        grouped = set().union(*self.groups)
        return [*self.groups, *({name} for name in self.ranges if name not in grouped)]

    def sinks(self) -> set[str]:
        """Populations whose spikes meet no weights and neurons, nor do those that they share a gain with."""
        idle = [unit for unit in self.units() if not any(map(self.fan_out, unit)) and not unit & self.relayed]
        return set[str]().union(*idle)

    def senders(self) -> dict[str, str]:
        """All that spikes leave from, populations and MAX pools: the population that they are of."""
        behind = {name: pooled.population for name, pooled in self.maxima.items()}
        return {name: name for name in self.ranges} | behind

    def met(self, sender: str) -> float:
        """Weights that a spike which leaves a population, or a MAX pool behind one, meets in the mean."""
        return sum(reader.fan_out for reader in self.readers if sender in reader.senders)

    def fan_out(self, population: str) -> float:
        """Weights that a spike of the population meets, in the mean."""
        return sum(reader.fan_out for reader in self.readers if population in reader.populations)


@dataclass(frozen=True)
class _Traced:
    """The output of an operation: its channels [...], and the populations whose counts it still holds."""

    channels: Array
    populations: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()


def trace(definition: pb.NetworkDefinition, populations: Iterable[str]) -> Channels:
    """Follows the channels of these Neuron operations through the definition."""
    return _Tracer(definition, frozenset(populations)).run()


class _Tracer:
    """One walk over a definition."""

    def __init__(self, definition: pb.NetworkDefinition, populations: frozenset[str]) -> None:
        self._definition = definition
        self._populations = populations
        self._shapes = operation_shapes(definition)
        self._sizes = {tensor.id: tuple(tensor.shape) for tensor in definition.tensors}
        self._found = Channels()
        self._owners: list[str] = []  # population of every channel

    def run(self) -> Channels:
        sources = read_sources(self._definition)
        traced: dict[str, _Traced] = {}
        for operation in topological(self._definition):
            args = [traced[name] for name in sources[operation.name]]
            traced[operation.name] = self._follow(operation, args)
        for probe in self._definition.probes:
            self._single(traced[probe.target])
        return self._found

    def _follow(self, operation: pb.Operation, args: list[_Traced]) -> _Traced:
        shape, kind = self._shapes[operation.name], str(operation.WhichOneof("kind"))
        nothing = _Traced(np.full(shape, NONE))
        if kind in ("affine", "conv"):
            self._read(operation, args[0])
            return nothing
        if kind == "scale_shift":
            self._read(operation, args[0])
            return _Traced(nothing.channels, args[0].populations, args[0].senders)
        if kind in _MOVES:
            moved = [arg.channels for arg in args]
            return _Traced(_MOVES[kind](getattr(operation, kind), moved), *_held(args))
        if kind == "pool":
            return self._pool(operation, args[0], shape)
        for arg in args:
            self._single(arg)
            if kind in ("neuron", "product"):
                self._found.relayed |= arg.populations
        if kind == "weighted_sum":
            return self._sum(args, nothing)
        return self._population(operation.name, shape) if operation.name in self._populations else nothing

    def _population(self, name: str, shape: tuple[int, ...]) -> _Traced:
        first = self._found.count
        self._found.ranges[name] = slice(first, first + shape[-1])
        self._owners += [name] * shape[-1]
        own = frozenset({name})
        return _Traced(np.broadcast_to(np.arange(first, first + shape[-1]), shape), own, own)

    def _read(self, operation: pb.Operation, source: _Traced) -> None:
        if not source.populations:
            return
        common = self._common(operation, source.channels)
        if common is None:
            self._single(source)
        fan_out = self._fan_out(operation, source.channels.size)
        reader = Reader(operation.name, common, source.populations, source.senders, fan_out)
        self._found.readers.append(reader)

    def _common(self, operation: pb.Operation, channels: Array) -> Array | None:
        """The one channel behind each index of the last axis, or None where there is more than one."""
        if operation.HasField("scale_shift"):
            body, rank = operation.scale_shift, channels.ndim
            sizes = [self._sizes[name] for name in (body.scale, body.shift) if name]
            by_last_axis = body.axis in (-1, rank - 1)
            if not by_last_axis or any(size not in ((1,), channels.shape[-1:]) for size in sizes):
                return None
        return common_channels(channels)

    def _fan_out(self, operation: pb.Operation, inputs: int) -> float:
        body = operation.affine if operation.HasField("affine") else operation.conv
        if operation.HasField("scale_shift"):
            return 0.0
        outputs = int(np.prod(self._shapes[operation.name]))
        return outputs * int(np.prod(self._sizes[body.weight][1:])) / inputs

    def _pool(self, operation: pb.Operation, source: _Traced, shape: tuple[int, ...]) -> _Traced:
        common, senders = common_channels(source.channels), source.senders
        if operation.pool.kind == pb.POOL_KIND_MAX and source.populations:
            (population,) = source.populations
            self._found.maxima[operation.name] = Pooled(population, common)
            senders = frozenset({operation.name})
        if common is None:
            self._single(source)
            return _Traced(np.full(shape, NONE), source.populations, senders)
        return _Traced(np.broadcast_to(common, shape), source.populations, senders)

    def _sum(self, args: list[_Traced], nothing: _Traced) -> _Traced:
        """Populations whose counts are added share a gain, with all that these share one with."""
        held, senders = _held(args)
        if held:
            touching = [group for group in self._found.groups if group & held]
            self._found.groups = [group for group in self._found.groups if not group & held]
            self._found.groups.append(set(held).union(*touching))
        return _Traced(nothing.channels, held, senders)

    def _single(self, source: _Traced) -> None:
        numbers = np.unique(source.channels)
        self._found.single |= {self._owners[number] for number in numbers if number != NONE}


def _held(args: list[_Traced]) -> tuple[frozenset[str], frozenset[str]]:
    """(populations, senders) of all of these."""
    nobody = frozenset[str]()
    return nobody.union(*(arg.populations for arg in args)), nobody.union(*(arg.senders for arg in args))


def common_channels(channels: Array) -> Array | None:
    """[last axis] the one channel over all other axes, beside NONE; None where they differ."""
    rows = channels.reshape(-1, channels.shape[-1])
    found: Array = rows.max(axis=0)
    return found if bool(np.all((rows == found) | (rows == NONE))) else None


def _pad(body: pb.PadOperation, args: list[Array]) -> Array:
    pairs = list(zip(body.before, body.after, strict=True))
    x = np.pad(args[0], [(max(b, 0), max(a, 0)) for b, a in pairs], constant_values=NONE)
    return x[tuple(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(pairs, x.shape, strict=True))]


_MOVES: dict[str, Callable[..., Array]] = {
    "reshape": lambda body, args: args[0].reshape(tuple(body.shape)),
    "permute": lambda body, args: args[0].transpose(tuple(body.permutation)),
    "concat": lambda body, args: np.concatenate(args, axis=body.axis),
    "pad": _pad,
}
