"""Fits biases and weights to what few levels of populations with memory do to the layers behind them.

Layer by layer, each behind the corrected layers before it, from unlabelled samples and for runs of one
length: in rate mode the definition is the model no more. Where levels are not that few, initial voltages do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.forward import (
    Tensors,
    conv_patches,
    evaluate,
    read_sources,
    topological,
)
from spikeserve.convert.definition.units import remembers, unit
from spikeserve.convert.draft import Draft
from spikeserve.convert.memory.channels import NONE, Channels, Reader
from spikeserve.convert.memory.counts import mean_output
from spikeserve.convert.memory.starts import LEAST_SAMPLES
from spikeserve.convert.memory.weights import Linear, Weights, groups_of, linear_map
from spikeserve.v1 import network_pb2 as pb

_RIDGE = 0.1  # of the mean square of an input: how much the trained weights are trusted
_MAX_ROWS = 20_000  # of a regression


@dataclass(frozen=True)
class Correction:
    """What is corrected: biases, and the weights behind the populations of `refitted`."""

    steps: int
    block: int  # samples of one pass
    refitted: frozenset[str] = frozenset()


def correct(
    exact: Draft,
    counted: Draft,
    channels: Channels,
    inputs: Mapping[str, Array],
    correction: Correction,
) -> None:
    """Corrects `counted`, which is `exact` with quanta, on these samples; not at all on too few."""
    if len(next(iter(inputs.values()))) < LEAST_SAMPLES:
        return
    walk = _Walk(exact, counted, channels, correction)
    for operation in topological(counted.definition):
        walk.visit(operation, inputs)


class _Walk:
    """One pass over both definitions, which keeps the outputs on all samples as long as they are read."""

    def __init__(
        self,
        exact: Draft,
        counted: Draft,
        channels: Channels,
        correction: Correction,
    ) -> None:
        self._operations = {op.name: op for op in counted.definition.operations}
        self._twins = {op.name: op for op in exact.definition.operations}
        self._originals, self._tensors, self._weights = exact.tensors, counted.tensors, Weights(counted)
        self._correction, self._dt = correction, counted.definition.defaults.dt
        self._ranges, self._count = channels.ranges, channels.count
        self._readers = {reader.operation: reader for reader in channels.readers}
        self._sources = read_sources(counted.definition)
        self._left = Counter(name for names in self._sources.values() for name in names)
        self._exact: dict[str, Array] = {}
        self._counted: dict[str, Array] = {}  # without those that no counts reach
        self._maxima = channels.maxima
        self._worth: dict[str, Array] = {}  # [channels] by sender: of a spike, beside what its quantum says

    def visit(self, operation: pb.Operation, inputs: Mapping[str, Array]) -> None:
        """Evaluates one operation, corrected where counts reach it."""
        name, sources = operation.name, self._sources[operation.name]
        if operation.HasField("input"):
            self._exact[name] = np.asarray(inputs[name], np.float32).reshape(-1, *operation.input.shape)
            return
        exact = [self._exact[source] for source in sources]
        self._exact[name] = self._evaluate(self._twins[name], exact, self._originals)
        if remembers(operation) or any(source in self._counted for source in sources):
            self._counted[name] = self._evaluate(operation, self._arguments(name), self._tensors)
            self._correct(operation)
        self._left.subtract(sources)
        for source in sources:
            if not self._left[source]:
                self._exact.pop(source, None)
                self._counted.pop(source, None)

    def _arguments(self, name: str) -> list[Array]:
        return [self._counted.get(source, self._exact[source]) for source in self._sources[name]]

    def _evaluate(self, operation: pb.Operation, args: list[Array], tensors: Tensors) -> Array:
        runs = tensors is self._tensors
        parts = []
        for start in range(0, len(args[0]), self._correction.block):
            part = [array[start : start + self._correction.block] for array in args]
            if runs:
                parts.append(mean_output(operation, part, tensors, self._correction.steps, self._dt))
            else:
                parts.append(evaluate(operation, part, tensors))
        return np.concatenate(parts)

    def _correct(self, operation: pb.Operation) -> None:
        body, name = linear_map(operation), operation.name
        if name in self._ranges or name in self._maxima:
            self._worth[name] = self._worth_of(name)
        if body is None:
            return
        reader = self._readers.get(name)
        if reader is not None and reader.populations & self._correction.refitted:
            self._refit(operation, body, reader)
            self._counted[name] = self._evaluate(operation, self._arguments(name), self._tensors)
        error = self._exact[name] - self._counted[name]
        shift = error.reshape(-1, error.shape[-1]).mean(axis=0, dtype=np.float64)
        self._weights.replace(body, "bias", self._weights.bias(body) + shift, f"{name}/bias")
        self._counted[name] += shift.astype(np.float32)

    def _worth_of(self, sender: str) -> Array:
        """[channels] the factor that brings the counts of a population closest to what it should compute.

        Of those that leave a MAX pool, where that is the sender; 1 for other populations' channels.
        """
        pooled = self._maxima.get(sender)
        population = sender if pooled is None else pooled.population
        own = np.arange(self._count)[self._ranges[population]]
        places, worth = own if pooled is None else pooled.channels, np.ones(self._count)
        if places is None:
            return worth
        operation = self._operations[population]
        worth_of_1 = unit(operation, self._twins[population], self._tensors)
        units = np.broadcast_to(np.float32(worth_of_1), own.shape)
        there = places != NONE
        sent = self._counted[sender].reshape(-1, len(places))[:, there] / units[places[there] - own[0]]
        wanted = self._exact[sender].reshape(-1, len(places))[:, there]
        squares = np.einsum("ij,ij->j", sent, sent, dtype=np.float64)
        products = np.einsum("ij,ij->j", sent, wanted, dtype=np.float64)
        worth[places[there]] = np.where(squares > 0, products / np.where(squares > 0, squares, 1), 1.0)
        return worth

    def _refit(self, operation: pb.Operation, body: Linear, reader: Reader) -> None:
        """Lets the weights count what spikes are worth, then moves them to where they undo the rounding."""
        name = operation.name
        if reader.channels is not None:
            known = [self._worth[sender] for sender in sorted(reader.senders)]
            worth = np.where(reader.channels == NONE, 1.0, np.prod(known, axis=0)[reader.channels])
            self._weights.scale_inputs(operation, worth)
            self._counted[name] = self._evaluate(operation, self._arguments(name), self._tensors)
        if groups_of(body) != 1:
            return
        weight = self._tensors[body.weight]
        source = self._arguments(name)[0]
        views = conv_patches(body, source, weight.shape[2:]) if isinstance(body, pb.ConvOperation) else source
        error = self._exact[name] - self._counted[name]
        chosen = _some(error.shape[:-1])
        rows = views[chosen].reshape(len(chosen[0]), -1)
        change = _ridge(rows, error[chosen])
        self._weights.replace(body, "weight", weight.astype(np.float64) + change.T.reshape(weight.shape))


def _some(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """Indices of places, all or as many as a regression takes, the same in every conversion."""
    count = int(np.prod(shape))
    if count <= _MAX_ROWS:
        return np.unravel_index(np.arange(count), shape)
    picked = np.random.default_rng(0).choice(count, _MAX_ROWS, replace=False)
    return np.unravel_index(np.sort(picked), shape)


def _ridge(rows: Array, errors: Array) -> Array:
    """[inputs, outputs] the change of weights that takes most of the errors away without going far."""
    x = (rows - rows.mean(axis=0)).astype(np.float64)
    y = (errors - errors.mean(axis=0)).astype(np.float64)
    count, inputs = x.shape
    weight = _RIDGE * float(np.einsum("ij,ij->", x, x)) / inputs
    if weight == 0:
        return np.zeros((inputs, y.shape[1]))
    if inputs <= count:
        return np.asarray(np.linalg.solve(x.T @ x + weight * np.eye(inputs), x.T @ y))
    return np.asarray(x.T @ np.linalg.solve(x @ x.T + weight * np.eye(count), y))
