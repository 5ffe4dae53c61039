"""Searches the fewest levels that keep the classes of the model, for each population, on unlabelled samples.

The levels of a population are the spikes that a neuron at the 99th percentile of its activations has sent by
the end of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.forward import output_of, read_sources, topological
from spikeserve.convert.definition.units import amplitude
from spikeserve.convert.draft import Draft
from spikeserve.convert.memory.channels import Channels
from spikeserve.convert.memory.correct import Correction, correct
from spikeserve.convert.memory.counts import counting, run_counts
from spikeserve.convert.memory.quanta import Quanta, set_quanta
from spikeserve.v1 import network_pb2 as pb

AGREEMENT = 0.96  # with the classes of the model, of which a good network loses more than a bad one
LOST = 0.01  # of the accuracy, by the probabilities that the model's outputs stand for
START, FACTOR, LEAST = 6.0, 0.8, 1.0  # levels
OUTPUT_LEVELS = 256.0  # of populations whose spikes meet no weights
REFIT_BELOW = 3.5  # levels: with more the biases alone do as well
_PROBING = 256  # samples that the costs of levels are compared on
_TINY = 1e-9  # of an operation
_MARGIN = 0.06  # below the agreement, where the search ends: corrections win back some of it

Levels = Mapping[str, float]  # by population


@dataclass(frozen=True)
class Trial:
    """What levels are tried on."""

    draft: Draft  # with unit gains, and the dt and the voltages of the run
    channels: Channels
    quanta: Quanta  # at one spike per step
    steps: int
    block: int  # samples of one pass
    most: int  # samples that the outputs of all operations may be held of
    threshold: float | None = None  # of one output, above which it is class 1; None: the largest output wins

    def at(self, levels: Levels) -> Draft:
        """The draft with these levels, without corrections."""
        made = self.draft.copy()
        set_quanta(made, self.channels, quanta_at(self.quanta, levels, self.steps))
        return made

    def corrected(self, levels: Levels, fit: Mapping[str, Array]) -> Draft:
        """The same with biases corrected on these samples."""
        made = self.at(levels)
        correct(self.draft, made, self.channels, fit, Correction(self.steps, self.block))
        return made

    def classes(self, outputs: Array) -> Array:
        """The classes that outputs [n, ..., classes] stand for."""
        if self.threshold is not None:
            return np.asarray(outputs > self.threshold)
        return np.asarray(outputs.argmax(axis=-1))

    def chances(self, outputs: Array, classes: Array) -> Array:
        """The probability that the model's outputs give to these classes."""
        if self.threshold is not None:
            first = outputs if self.threshold > 0 else 0.5 + 0.5 * np.tanh(outputs / 2)
            return np.where(classes, first, 1 - first)
        shares = outputs
        if outputs.min() < 0 or not np.allclose(outputs.sum(axis=-1), 1):  # before a softmax
            powers = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
            shares = powers / powers.sum(axis=-1, keepdims=True)
        return np.asarray(np.take_along_axis(shares, classes[..., None], axis=-1))


@dataclass(frozen=True)
class Found:
    """Levels, and how much of the model's classes they keep on samples that nothing was fitted on."""

    levels: Levels
    agreement: float  # share of samples with the class of the model
    lost: float  # accuracy that the others cost by the probabilities that the model's outputs stand for
    classes: int  # that the model gives to these samples

    @property
    def enough(self) -> bool:
        """Whether that is what is asked for."""
        return self.agreement >= AGREEMENT and self.lost <= LOST


def quanta_at(quanta: Quanta, levels: Levels, steps: int) -> Quanta:
    """Quanta for these levels at the end of a run of so many steps, from those at one spike per step."""
    return {name: values * steps / levels[name] for name, values in quanta.items()}


def levels_of(channels: Channels, levels: float) -> dict[str, float]:
    """These levels for every population, more for those whose spikes cost nothing: the outputs."""
    sinks = channels.sinks()
    return {name: max(levels, OUTPUT_LEVELS) if name in sinks else levels for name in channels.ranges}


def refitted(levels: Levels) -> frozenset[str]:
    """The populations with so few levels that the weights behind them are fitted too."""
    return frozenset(name for name, level in levels.items() if level < REFIT_BELOW)


def search_levels(trial: Trial, fit: Mapping[str, Array], held: Mapping[str, Array]) -> Found:
    """The last of ever fewer levels that are enough on `held`; the first of them where none is.

    Biases are corrected on `fit`. Weights are not fitted here: on what a network was trained on they would
    promise more than they keep on other samples.
    """
    path = _Descent(trial, held).path()
    exact = outputs_of(trial, trial.draft, held, exact=True)
    wanted = trial.classes(exact)
    chances = trial.chances(exact, wanted)

    def judge(index: int) -> Found:
        outputs = outputs_of(trial, trial.corrected(path[index], fit), held, exact=False)
        classes = trial.classes(outputs)
        lost = float(np.mean(chances - trial.chances(exact, classes)))
        return Found(path[index], float(np.mean(classes == wanted)), lost, len(np.unique(wanted)))

    best, good, bad = None, 0, len(path)
    while bad - good > 1:
        middle = (good + bad) // 2
        found = judge(middle)
        if found.enough:
            best, good = found, middle
        else:
            bad = middle
    return best or judge(0)


def outputs_of(trial: Trial, draft: Draft, inputs: Mapping[str, Array], exact: bool) -> Array:
    """What the first probe reads: in rate mode (`exact`), or in the mean of a run of the trial's steps."""
    target = draft.definition.probes[0].target
    compute = None if exact else counting(trial.steps, draft.definition.defaults.dt)
    parts = []
    for start in range(0, len(next(iter(inputs.values()))), trial.block):
        part = {name: array[start : start + trial.block] for name, array in inputs.items()}
        parts.append(output_of(draft.definition, target, part, draft.tensors, compute))
    return np.concatenate(parts)


class _Descent:
    """Takes levels from one population after another, from where they are missed least.

    What a step would cost is computed again only for the population that seems to be next: the others' costs
    change little with it.
    """

    def __init__(self, trial: Trial, held: Mapping[str, Array]) -> None:
        self._trial = trial
        count = min(_PROBING, trial.most)
        self._inputs = {name: array[:count] for name, array in held.items()}
        sinks = trial.channels.sinks()
        self._units = [unit for unit in trial.channels.units() if not unit & sinks]
        self._behind = [_reached(trial.draft.definition, unit) for unit in self._units]
        definition, tensors = trial.draft.definition, trial.draft.tensors
        self._target = definition.probes[0].target
        exact = output_of(definition, self._target, self._inputs, tensors)
        self._exact, self._wanted = exact, trial.classes(exact)
        self._levels: Levels = levels_of(trial.channels, START)
        self._values: dict[str, Array] = {}
        self._values, self._error, self._spent = self._run(self._levels, set())

    def path(self) -> list[Levels]:
        """The levels after every step, until the classes are no more those of the model."""
        path = [self._levels]
        costs: dict[int, float] = {}
        while self._agreement() >= AGREEMENT - _MARGIN:
            unit = self._next(costs)
            if unit is None:
                break
            self._levels = self._fewer(unit)
            self._values, self._error, self._spent = self._run(self._levels, self._behind[unit])
            path.append(self._levels)
            costs.pop(unit)
        return path

    def _next(self, costs: dict[int, float]) -> int | None:
        open_units = [
            index
            for index, unit in enumerate(self._units)
            if self._levels[next(iter(unit))] * FACTOR >= LEAST
        ]
        for index in open_units:
            costs.setdefault(index, self._cost(index))
        fresh: set[int] = set()
        while open_units:
            best = min(open_units, key=lambda index: costs[index])
            if best in fresh or len(open_units) == 1:
                return best
            costs[best] = self._cost(best)
            fresh.add(best)
        return None

    def _cost(self, unit: int) -> float:
        """Growth of the squared error of the outputs for each synaptic operation that is saved."""
        _, error, spent = self._run(self._fewer(unit), self._behind[unit])
        return (error - self._error) / max(self._spent - spent, _TINY)

    def _fewer(self, unit: int) -> Levels:
        fewer = self._units[unit]
        return {name: level * (FACTOR if name in fewer else 1.0) for name, level in self._levels.items()}

    def _run(self, levels: Levels, behind: set[str]) -> tuple[dict[str, Array], float, float]:
        """(outputs, their mean squared error, synaptic operations per sample); computes only `behind`."""
        trial, draft = self._trial, self._trial.at(levels)
        definition = draft.definition
        known = {name: value for name, value in self._values.items() if name not in behind}
        values = run_counts(definition, self._inputs, trial.steps, known, draft.tensors)
        error = float(np.mean((values[self._target] - self._exact) ** 2, dtype=np.float64))
        spent = 0.0
        operations = {operation.name: operation for operation in definition.operations}
        for name, population in trial.channels.senders().items():
            height = amplitude(operations[population]) / definition.defaults.dt
            found = values[name]
            sent = float(np.abs(found).sum(dtype=np.float64)) / len(found) * trial.steps / abs(height)
            spent += sent * trial.channels.met(name)
        return values, error, spent

    def _agreement(self) -> float:
        return float(np.mean(self._trial.classes(self._values[self._target]) == self._wanted))


def _reached(definition: pb.NetworkDefinition, unit: set[str]) -> set[str]:
    """The operations that populations reach, with themselves."""
    sources = read_sources(definition)
    reached = set(unit)
    for operation in topological(definition):
        if reached.intersection(sources[operation.name]):
            reached.add(operation.name)
    return reached
