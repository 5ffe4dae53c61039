"""Runs networks of neurons with memory in whole numbers, written from the formulas alone.

The weights of a row are rounded to 22 bits of its largest, in units of 2^-s spikes. Z, what a neuron has
received by step t beside its initial voltage, is then a sum of whole numbers, and N, what it has sent, is Z
with the initial voltage in spikes, rounded down. `counts_at` computes N from what the sources have sent by
then; `Steps` adds up what they send in each step. Both have to come to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikeserve.v1 import network_pb2 as pb

Array = np.ndarray[Any, Any]
_BITS = 20  # of the largest weight of a row, rounded down
_LEAST = -(2**62)  # below every count
_EXACT = 2.0**53  # below it float64 products of whole numbers are whole numbers


@dataclass
class Term:
    """A linear map of whole numbers: of the counts of `source`, real weights by output channel."""

    kind: str  # "affine", "conv" or "each", which multiplies every channel by one number
    body: Any
    source: str
    weights: Array  # [out, ...]; what one count of the source is worth is in them


@dataclass
class Rows:
    """Terms with whole weights in units of 2^-s of what the row is for, and the constant of each step."""

    terms: list[Term]
    s: Array  # [out]
    constant: Array  # [out]


class MemorySimulation:
    """A definition on constant inputs of bytes, [n, ...] uint8."""

    def __init__(self, definition: pb.NetworkDefinition, inputs: Array) -> None:
        self.definition = definition
        self.dt = definition.defaults.dt
        self._inputs = inputs.astype(np.int64)
        self._tensors = {
            t.id: np.frombuffer(t.data, "<f4").reshape(tuple(t.shape)).astype(np.float64)
            for t in definition.tensors
        }
        self.sources: dict[str, list[str]] = {op.name: [] for op in definition.operations}
        for link in definition.connections:
            assert not link.HasField("synapse")
            assert not link.delay_steps
            self.sources[link.target].append(link.source)
        self.worth: dict[str, Array] = {}  # of a count, [...] in output * seconds
        self._linear: dict[str, tuple[list[Term], Array]] = {}  # terms and constant, before any gain
        self.rows: dict[str, Rows] = {}
        for operation in definition.operations:  # the converter writes them in order
            self._prepare(operation)

    def counts_at(self, step: int) -> dict[str, Array]:
        """What every operation that moves or sends counts has of them by the end of a step, int64."""
        counts: dict[str, Array] = {}
        for op in self.definition.operations:
            if op.HasField("input"):
                counts[op.name] = self._inputs.reshape(-1, *op.input.shape) * step
            elif op.HasField("neuron"):
                counts[op.name] = self.sent(op, self.total(op.name, counts), step)
            elif op.name in self.worth:
                counts[op.name] = move(op, [counts[name] for name in self.sources[op.name]])
        return counts

    def output(self, step: int) -> Array:
        """The mean of the first probe over the steps up to this one."""
        target, counts = self.definition.probes[0].target, self.counts_at(step)
        if target in self.worth:
            return np.asarray(counts[target] * self.worth[target] / (step * self.dt))
        rows = self.rows[target]
        received = self.total(target, counts) + step * rows.constant
        return np.asarray(received * 2.0**-rows.s / (step * self.dt))

    def operations(self, step: int) -> float:
        """Synaptic operations per sample by the end of a step, of spikes less those taken back."""
        counts, total = self.counts_at(step), 0.0
        spiking = {op.name for op in self.definition.operations if op.HasField("neuron")}
        for op in self.definition.operations:  # in order
            if op.name in self.worth and spiking.intersection(self.sources[op.name]):
                spiking.add(op.name)
            for term in self._linear.get(op.name, ([], 0))[0]:
                if term.source in spiking and term.source in self.sources[op.name]:
                    groups = term.body.groups if term.kind == "conv" else 1
                    ones = np.ones((groups, *term.weights.shape[1:]), np.int64)
                    met = product(Term(term.kind, term.body, term.source, ones), np.abs(counts[term.source]))
                    total += float(met.sum()) * len(term.weights) / groups
        return total / len(self._inputs)

    def total(self, name: str, counts: dict[str, Array]) -> Array:
        """What these counts make of the rows of an operation, without its constant."""
        total: Any = 0
        for term in self.rows[name].terms:
            total = total + product(term, counts[term.source])
        return np.asarray(total)

    def sent(self, op: pb.Operation, received: Array, step: int) -> Array:
        """N of a population from what it has received, in units of its rows."""
        rows, neuron = self.rows[op.name], op.neuron.memory_rectified_linear
        z = received + step * rows.constant
        if neuron.HasField("max_value"):
            bound = np.rint(neuron.max_value * self._gain(op) * self.dt * 2.0**rows.s).astype(np.int64)
            z = np.minimum(z, step * bound)
        begin = op.neuron.initial_voltage
        voltage = self._tensors[begin.tensor] if begin.tensor else np.array(begin.constant)
        start = np.rint(voltage * 2.0**rows.s).astype(np.int64)
        if not neuron.negative_slope:
            return np.asarray(np.maximum((z + start) >> rows.s, 0))
        slope = np.int64(np.rint(neuron.negative_slope * 2**15))
        return np.asarray((np.where(z < 0, (slope * z) >> 15, z) + start) >> rows.s)

    def _gain(self, op: pb.Operation) -> Array:
        gain = op.neuron.gain
        return self._tensors[gain.tensor] if gain.WhichOneof("kind") == "tensor" else np.array(gain.scalar)

    def _prepare(self, op: pb.Operation) -> None:
        kind, sources = str(op.WhichOneof("kind")), self.sources[op.name]
        if kind == "input":
            assert op.input.uint8_offset == 0
            self.worth[op.name] = np.full(tuple(op.input.shape), op.input.uint8_scale * self.dt)
        elif kind == "neuron":
            self._neuron(op)
        elif kind in ("affine", "conv", "scale_shift"):
            self._linear[op.name] = self._map(op, kind, sources[0])
        elif kind == "weighted_sum":
            self._sum(op, sources)
        else:
            averaged = op.pool.kind == pb.POOL_KIND_AVERAGE
            cells = float(np.prod(list(op.pool.window))) if averaged else 1.0
            moved = move(op, [self.worth[name][None] for name in sources], edge=True)[0]
            self.worth[op.name] = moved / cells**2  # a pool's sum of the worths, over a mean of the counts
        if op.name in self._linear and any(probe.target == op.name for probe in self.definition.probes):
            terms, constant = self._linear[op.name]
            self.rows[op.name] = rounded(terms, constant, np.ones(len(constant)))

    def _map(self, op: pb.Operation, kind: str, source: str) -> tuple[list[Term], Array]:
        worth = last_axis(self.worth[source])
        if kind == "scale_shift":
            body = op.scale_shift
            scale = self._tensors[body.scale] if body.scale else np.ones(1)
            shift = self._tensors[body.shift] if body.shift else np.zeros(1)
            return [Term("each", body, source, scale * worth)], shift * self.dt * np.ones(len(worth))
        body = getattr(op, kind)
        weights = self._tensors[body.weight]
        groups = body.groups if kind == "conv" else 1
        inner = worth.reshape(groups, 1, -1, *(1,) * (weights.ndim - 2))
        scaled = (weights.reshape(groups, -1, *weights.shape[1:]) * inner).reshape(weights.shape)
        bias = self._tensors[body.bias] if body.bias else np.zeros(len(weights))
        return [Term(kind, body, source, scaled)], bias * self.dt

    def _sum(self, op: pb.Operation, sources: list[str]) -> None:
        coefficients = list(op.weighted_sum.coefficients)
        worths = [self.worth.get(name) for name in sources]
        first = worths[0]
        if first is not None and all(w is not None and np.all(w == first) for w in worths):
            assert coefficients == [1.0] * len(sources), "only plain sums of counts"
            self.worth[op.name] = first
            return
        terms: list[Term] = []
        constant: Any = 0.0
        for name, factor in zip(sources, coefficients, strict=True):
            own, shift = self._linear.get(name) or self._each(name)
            terms += [Term(t.kind, t.body, t.source, t.weights * factor) for t in own]
            constant = constant + shift * factor
        self._linear[op.name] = terms, np.asarray(constant)

    def _each(self, name: str) -> tuple[list[Term], Array]:
        worth = last_axis(self.worth[name])
        return [Term("each", None, name, worth)], np.zeros(len(worth))

    def _neuron(self, op: pb.Operation) -> None:
        (source,) = self.sources[op.name]
        terms, constant = self._linear.get(source) or self._each(source)
        gain = np.broadcast_to(self._gain(op), constant.shape)
        assert not op.neuron.HasField("bias")
        self.rows[op.name] = rounded(terms, constant, gain)
        height = op.neuron.memory_rectified_linear.amplitude
        shape = self.total(op.name, {t.source: self._nothing(t.source) for t in terms}).shape[1:]
        self.worth[op.name] = np.full(shape, height)

    def _nothing(self, name: str) -> Array:
        return np.zeros((1, *self.worth[name].shape), np.int64)


class Steps:
    """The same network step by step: every population gets what its sources send in the step."""

    def __init__(self, simulation: MemorySimulation) -> None:
        self._of = simulation
        self._received: dict[str, Array] = {}
        self._totals: dict[str, Array] = {}  # of what every operation has passed on
        self.sent: dict[str, Array] = {}  # N so far
        self.taken_back = 0  # spikes with a minus sign

    def run(self, steps: int) -> Iterator[dict[str, Array]]:
        """N of all populations after each step."""
        for step in range(1, steps + 1):
            news: dict[str, Array] = {}
            for op in self._of.definition.operations:
                if op.HasField("input"):
                    news[op.name] = self._of.counts_at(1)[op.name]
                elif op.HasField("neuron"):
                    news[op.name] = self._spike(op, news, step)
                elif op.pool.kind == pb.POOL_KIND_MAX:
                    (source,) = self._of.sources[op.name]
                    news[op.name] = self._send(op.name, move(op, [self._totals[source]]))
                elif op.name in self._of.worth:
                    news[op.name] = move(op, [news[name] for name in self._of.sources[op.name]])
                if op.name in news:
                    self._totals[op.name] = self._totals.get(op.name, np.int64(0)) + news[op.name]
            yield dict(self.sent)

    def _spike(self, op: pb.Operation, news: dict[str, Array], step: int) -> Array:
        got = self._of.total(op.name, news)
        self._received[op.name] = self._received.get(op.name, np.int64(0)) + got
        return self._send(op.name, self._of.sent(op, self._received[op.name], step))

    def _send(self, name: str, now: Array) -> Array:
        """The spikes of a step, behind which `now` have been sent in all."""
        spikes: Array = now - self.sent.get(name, np.int64(0))
        self.sent[name] = now
        self.taken_back += int(np.minimum(spikes, 0).sum())
        return spikes


def rounded(terms: list[Term], constant: Array, gain: Array) -> Rows:
    """Rows with the gain in them, rounded; all terms of a row share its unit."""
    reals = [term.weights * gain.reshape(-1, *(1,) * (term.weights.ndim - 1)) for term in terms]
    largest = np.max([np.abs(real).reshape(len(gain), -1).max(axis=1) for real in reals], axis=0)
    exponent = np.floor(np.log2(np.where(largest > 0, largest, 1.0))).astype(np.int64)
    s = np.minimum(_BITS - exponent, 40)
    s -= np.rint(largest * 2.0**s) >= 2 ** (_BITS + 1)
    assert s.min() >= 1
    whole = [np.rint(real * (2.0**s).reshape(-1, *(1,) * (real.ndim - 1))).astype(np.int64) for real in reals]
    kept = [Term(t.kind, t.body, t.source, w) for t, w in zip(terms, whole, strict=True)]
    return Rows(kept, s, np.rint(constant * gain * 2.0**s).astype(np.int64))


def product(term: Term, counts: Array) -> Array:
    """The whole numbers that a term makes of counts [n, ...]; in float64, which is exact here."""
    weights = term.weights.astype(np.float64)
    reach = np.abs(weights).reshape(len(weights), -1).sum(axis=1).max() * max(1, int(np.abs(counts).max()))
    assert reach < _EXACT
    x = counts.astype(np.float64)
    if term.kind == "each":
        return np.asarray(counts * term.weights)
    found = x @ weights.T if term.kind == "affine" else _conv(term.body, weights, x)
    return np.asarray(found.astype(np.int64))


def _conv(body: pb.ConvOperation, weights: Array, x: Array) -> Array:
    pads = zip(body.pad_before, body.pad_after, strict=True)
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    kernel = weights.shape[2:]
    sizes = [
        (n - (k - 1) * d - 1) // step + 1
        for n, k, d, step in zip(x.shape[1:-1], kernel, body.dilation, body.stride, strict=True)
    ]
    rows, columns = len(weights) // body.groups, weights.shape[1]
    result = np.zeros((len(x), *sizes, len(weights)))
    for offset in np.ndindex(*kernel):
        starts = [o * d for o, d in zip(offset, body.dilation, strict=True)]
        where = [
            slice(a, a + (n - 1) * step + 1, step)
            for a, n, step in zip(starts, sizes, body.stride, strict=True)
        ]
        seen = x[(slice(None), *where)]
        for group in range(body.groups):
            out, read = slice(group * rows, (group + 1) * rows), slice(group * columns, (group + 1) * columns)
            result[..., out] += seen[..., read] @ weights[(out, slice(None), *offset)].T
    return result


def move(op: pb.Operation, values: list[Array], edge: bool = False) -> Array:
    """What an operation without weights makes of whole numbers [n, ...]; an average pool gives the sum.

    `edge`: a padding repeats the values next to it.
    """
    return _MOVES[str(op.WhichOneof("kind"))](op, values, edge)


def _pool(op: pb.Operation, values: list[Array], edge: bool) -> Array:
    del edge
    body, x = op.pool, values[0]
    most = body.kind == pb.POOL_KIND_MAX
    pads = [(0, 0), *zip(body.pad_before, body.pad_after, strict=True), (0, 0)]
    assert most or not any([*body.pad_before, *body.pad_after])
    x = np.pad(x, pads, constant_values=_LEAST) if most and np.any(pads) else x
    sizes = [(n - w) // s + 1 for n, w, s in zip(x.shape[1:-1], body.window, body.stride, strict=True)]
    found: Any = _LEAST if most else 0
    for offset in np.ndindex(*body.window):
        where = [slice(o, o + (n - 1) * s + 1, s) for o, n, s in zip(offset, sizes, body.stride, strict=True)]
        cells = x[(slice(None), *where)]
        found = np.maximum(found, cells) if most else found + cells
    return np.asarray(found)


def _pad(op: pb.Operation, values: list[Array], edge: bool) -> Array:
    assert min([*op.pad.before, *op.pad.after]) >= 0
    pairs = [(0, 0), *zip(op.pad.before, op.pad.after, strict=True)]
    return np.pad(values[0], pairs) if not edge else np.pad(values[0], pairs, mode="edge")


_MOVES: dict[str, Callable[[pb.Operation, list[Array], bool], Array]] = {
    "pool": _pool,
    "pad": _pad,
    "weighted_sum": lambda op, values, edge: np.asarray(sum(values)),
    "concat": lambda op, values, edge: np.concatenate(
        values, axis=op.concat.axis if op.concat.axis < 0 else op.concat.axis + 1
    ),
    "reshape": lambda op, values, edge: values[0].reshape(len(values[0]), *op.reshape.shape),
    "permute": lambda op, values, edge: values[0].transpose(0, *(a + 1 for a in op.permute.permutation)),
}


def last_axis(worth: Array) -> Array:
    """[channels] what a count of each index of the last axis is worth, the same at all places."""
    rows = worth.reshape(-1, worth.shape[-1])
    assert np.all(rows == rows[0])
    return np.asarray(rows[0])
