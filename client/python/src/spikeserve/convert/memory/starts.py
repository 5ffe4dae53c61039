"""Corrects in initial voltages what rounding in populations with memory does to the layers behind them.

Layer by layer, each behind the corrected layers before it, from unlabelled samples: what is missing from the
drive of a population in the mean of a run of the default length is what it starts from. Rounding takes a
number of spikes, whatever the length of the run, and in rate mode the definition stays the model.

The mean drive is what a linear map makes of the mean of its input. So the outputs of all samples are kept
only where a linear map reads them, and no layer is computed twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from spikeserve._probes import answer_target
from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.forward import evaluate, parameter, read_sources, topological
from spikeserve.convert.definition.units import amplitude, remembers
from spikeserve.convert.draft import Draft
from spikeserve.convert.memory.channels import Channels
from spikeserve.convert.memory.counts import counting
from spikeserve.convert.memory.weights import Weights, linear_map
from spikeserve.convert.models.neurons import get_model
from spikeserve.v1 import network_pb2 as pb

LEAST_SAMPLES = 64  # with fewer the corrections fit their noise
_MAX_START = 2.0  # how far an initial voltage may be from one half
_MAX_STARTS = 1 << 20  # neurons of a population, each of which has its number in the file


class DriveMeter:
    """Takes what linear maps give in the mean, and the answers, from a float pass over so many samples."""

    def __init__(self, definition: pb.NetworkDefinition, samples: int) -> None:
        self._answer, self._samples = answer_target(definition), samples
        self._sums: dict[str, Array] = {}
        self._answers: list[Array] = []

    def see(self, operation: pb.Operation, args: list[Array], value: Array, first: int) -> None:
        """What an operation reads and gives; `first`: number of the first of these samples."""
        del args
        if first >= self._samples:
            return
        found = value[: self._samples - first]
        if linear_map(operation) is not None or _of_function(operation):
            sums = found.reshape(-1, found.shape[-1]).sum(axis=0, dtype=np.float64)
            places = found[0].size // found.shape[-1] * self._samples
            if operation.HasField("neuron"):
                sums /= amplitude(operation)
            self._sums[operation.name] = self._sums.get(operation.name, 0) + sums / places
        if operation.name == self._answer:
            self._answers.append(found)

    def means(self) -> Mapping[str, Array]:
        """[channels] over samples and places: of linear maps; of populations of functions in spikes per s."""
        return self._sums

    def answers(self) -> Array:
        """What the probe of the answer reads, [samples, ...]."""
        return np.concatenate(self._answers)


def correct_starts(
    draft: Draft,
    channels: Channels,
    inputs: Mapping[str, Array],
    means: Mapping[str, Array],
    steps: int,
    block: int,
    seen: Callable[[int, int], None],
) -> Array:
    """Sets the initial voltages for runs of so many steps; returns what the probe of the answer reads then.

    `means`: of a DriveMeter, without rounding. `block`: samples of one pass. `seen`: is told of the
    layers that are done, and how many there are.
    """
    walk = _Walk(draft, channels, inputs, means, steps, block)
    operations = topological(draft.definition)  # which are in the same order there
    for index, operation in enumerate(operations):
        seen(index, len(operations))
        walk.visit(operation)
    seen(len(operations), len(operations))
    return walk.answer()


class _Walk:
    """One pass over a definition with all samples side by side."""

    def __init__(
        self,
        draft: Draft,
        channels: Channels,
        inputs: Mapping[str, Array],
        means: Mapping[str, Array],
        steps: int,
        block: int,
    ) -> None:
        definition = draft.definition
        self._draft, self._weights, self._means = draft, Weights(draft), means
        self._channels, self._block = channels, block
        self._seconds = steps * definition.defaults.dt
        self._compute = counting(steps, definition.defaults.dt)
        self._operations = {op.name: op for op in topological(definition)}
        self._sources = read_sources(definition)
        self._targets: dict[str, list[str]] = {name: [] for name in self._operations}
        for connection in definition.connections:
            self._targets[connection.source].append(connection.target)
        self._answer = answer_target(definition)
        self._senders = channels.senders()
        self._drives = self._corrected_drives()
        self._centered = {
            name
            for name in channels.ranges
            if _of_function(self._operations[name]) and _may_start(self._operations[name])
        }
        read_in_the_mean = {self._sources[drive][0] for drive in self._drives.values()} | self._centered
        self._kept: dict[str, _Kept] = {
            name: _Kept(name in read_in_the_mean)
            for name, op in self._operations.items()
            if name in read_in_the_mean or name == self._answer or len(self._targets[name]) > 1
            if not op.HasField("input")
        }
        for name, op in self._operations.items():
            if op.HasField("input"):
                given = np.asarray(inputs[name], np.float32)
                self._kept[name] = _Kept(False)
                for start in range(0, len(given), block):
                    part = given[start : start + block]
                    self._kept[name].add(part.reshape(len(part), *op.input.shape))
        self._ways = {name: self._way(name) for name in self._kept if self._sources[name]}
        self._left = Counter(root for _, roots in self._ways.values() for root in roots)
        self._left.update(self._sources[drive][0] for drive in self._drives.values())

    def _corrected_drives(self) -> dict[str, str]:
        """The linear maps behind rounding by the population that is all to read them."""
        rounded: set[str] = set()
        for name, op in self._operations.items():
            if remembers(op) or rounded.intersection(self._sources[name]):
                rounded.add(name)
        return {
            name: drive
            for name in self._channels.ranges
            for drive in self._sources[name]
            if drive in rounded
            and linear_map(self._operations[drive]) is not None
            and self._targets[drive] == [name]
            and _may_start(self._operations[name])
            and not _of_function(self._operations[name])
        }

    def _way(self, target: str) -> tuple[list[pb.Operation], set[str]]:
        """(the operations that an output takes beside those that are kept, the kept ones that these read)."""
        inner, roots, pending = {target}, set(), list(self._sources[target])
        while pending:
            name = pending.pop()
            if name in self._kept:
                roots.add(name)
            elif name not in inner:
                inner.add(name)
                pending += self._sources[name]
        return [op for name, op in self._operations.items() if name in inner], roots

    def visit(self, operation: pb.Operation) -> None:
        """Has a population start where it should, and computes what is kept."""
        name = operation.name
        if name in self._drives:
            drive = self._operations[self._drives[name]]
            self._start(operation, drive)
            self._let_go({self._sources[drive.name][0]})
        if name not in self._ways:
            return
        self._keep(operation)
        if name in self._centered and self._center(operation):
            self._kept[name] = _Kept(True)
            self._keep(operation)
        self._let_go(self._ways[name][1])

    def _let_go(self, roots: set[str]) -> None:
        """One who reads these is done."""
        self._left.subtract(roots)
        for root in roots:
            if not self._left[root] and root != self._answer:
                del self._kept[root]

    def _keep(self, operation: pb.Operation) -> None:
        way, roots = self._ways[operation.name]
        sender = self._operations[self._senders.get(operation.name, operation.name)]  # of a pool's spikes
        unit = amplitude(sender) / self._seconds if remembers(sender) else None
        for index in range(len(next(iter(self._kept[root] for root in roots)).blocks)):
            values = {root: self._kept[root].block(index) for root in roots}
            for one in way:
                args = [values[source] for source in self._sources[one.name]]
                values[one.name] = self._compute(one, args, self._draft.tensors)
            self._kept[operation.name].add(values[operation.name], unit)

    def answer(self) -> Array:
        """What its probe reads, [samples, ...]."""
        kept = self._kept[self._answer]
        return np.concatenate([kept.block(index) for index in range(len(kept.blocks))])

    def _start(self, operation: pb.Operation, drive: pb.Operation) -> None:
        """Has a population start from what its drive lacks in a run."""
        neuron, tensors = operation.neuron, self._draft.tensors
        source = self._kept[self._sources[drive.name][0]].mean()
        given = evaluate(drive, [source[None]], tensors)
        if given.size > _MAX_STARTS:
            return
        lacking = self._means[drive.name] - given.reshape(-1, given.shape[-1]).mean(axis=0)
        gain = tensors[neuron.gain.tensor] if neuron.gain.tensor else neuron.gain.scalar
        self._move(operation, lacking * gain * self._seconds, given.shape[1:])

    def _center(self, operation: pb.Operation) -> bool:
        """Has a population of a function start from what its counts lack in a run, for each channel."""
        sent = self._kept[operation.name].mean()
        if sent.size > _MAX_STARTS:
            return False
        scale = parameter(operation.neuron.output_scale, 1.0, self._draft.tensors)
        wanted = self._means[operation.name] * (scale * self._seconds)
        counted = sent.reshape(-1, sent.shape[-1]).mean(axis=0) * (self._seconds / amplitude(operation))
        self._move(operation, wanted - counted, sent.shape)
        return True

    def _move(self, operation: pb.Operation, lacking: Array, shape: tuple[int, ...]) -> None:
        voltage = operation.neuron.initial_voltage
        moved = voltage.constant + np.clip(lacking, -_MAX_START, _MAX_START)
        starts = np.broadcast_to(moved, shape)
        voltage.tensor = self._weights.add(f"{operation.name}/initial_voltage", starts)


def _of_function(operation: pb.Operation) -> bool:
    """Whether it is a population with memory whose drive is no number of spikes."""
    return operation.HasField("neuron") and get_model(operation.neuron).scales_function


def _may_start(operation: pb.Operation) -> bool:
    """Whether nobody else has chosen what a population starts from."""
    if not operation.HasField("neuron"):
        return False
    return operation.neuron.initial_voltage.constant == get_model(operation.neuron).usual_voltage


class _Kept:
    """The outputs of an operation on all samples, in blocks: of a population as numbers of spikes, if few."""

    def __init__(self, summed: bool) -> None:
        self.blocks: list[tuple[Array, float | None]] = []
        self._total: Array | float | None = 0.0 if summed else None
        self._samples = 0

    def add(self, value: Array, unit: float | None = None) -> None:
        """One more block; `unit`: what a spike counts for."""
        self._samples += len(value)
        if self._total is not None:
            self._total = self._total + value.sum(axis=0, dtype=np.float64)
        if unit is not None:
            spikes = np.rint(value / unit)
            if spikes.min() >= 0 and spikes.max() <= np.iinfo(np.uint8).max:
                self.blocks.append((spikes.astype(np.uint8), unit))
                return
        self.blocks.append((value, None))

    def block(self, index: int) -> Array:
        """In float32."""
        stored, unit = self.blocks[index]
        return stored if unit is None else stored.astype(np.float32) * np.float32(unit)

    def mean(self) -> Array:
        """Over all samples, in float64."""
        assert self._total is not None
        return np.asarray(self._total / self._samples)
