"""A recipe from its samples to the definition: quanta first, corrections once the conversion is checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from spikeserve._probes import READOUTS, answer_target
from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.convert.definition.work import affordable
from spikeserve.convert.draft import Draft
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.lower.lower import Lowered
from spikeserve.convert.memory.channels import Channels, trace
from spikeserve.convert.memory.correct import Correction, correct
from spikeserve.convert.memory.judge import judge
from spikeserve.convert.memory.quanta import Activity, ChannelMeter, Quanta, set_quanta, unit_quanta
from spikeserve.convert.memory.search import (
    AGREEMENT,
    LOST,
    START,
    Found,
    Trial,
    levels_of,
    quanta_at,
    refitted,
    search_levels,
)
from spikeserve.convert.memory.starts import LEAST_SAMPLES, DriveMeter, correct_starts
from spikeserve.convert.models.neurons import get_model
from spikeserve.convert.models.synapses import describe_synapse
from spikeserve.v1 import network_pb2 as pb

NO_SAMPLES = (
    "preset 'sparse' searches for the fewest spikes that keep the classes of sample_data; give some thousand "
    "training inputs, no labels are needed"
)
LEAST_SEARCHED = 300  # samples: with fewer nobody can tell 96 % from 94 %
_MEASURED, _FITTED, _HELD = 500, 1000, 2000  # samples
_BLOCK = 50
_VALUES = 1 << 24  # of all operations on one block; a few of them are held at a time
_MAX_VALUES = 1 << 28  # of all operations on samples that are held at once


@dataclass(frozen=True)
class Plan:
    """The quanta of some populations, and what is left to do to the weights behind them."""

    trial: Trial  # where weights are fitted with the draft as it was before
    activity: Activity
    quanta: Quanta
    correction: Correction | DriveMeter  # of biases and weights, or by initial voltages
    samples: Mapping[str, Array]  # for the corrections
    notes: list[str]
    warnings: list[str]
    most_steps: int = 0  # that a run may get for its classes

    def apply(self, draft: Draft) -> None:
        """Sets the quanta; in rate mode nothing changes."""
        set_quanta(draft, self.trial.channels, self.quanta)

    def correct(self, draft: Draft, seen: Callable[[int, int], None]) -> tuple[list[str], list[str]]:
        """Corrects for rounding, if there are samples enough; (notes, warnings) on what came of it.

        `seen`: is told of the layers that are done, and how many there are.
        """
        if _count(self.samples) < LEAST_SAMPLES:
            return [], []
        if isinstance(self.correction, Correction):
            correct(self.trial.draft, draft, self.trial.channels, self.samples, self.correction)
            what = "biases and weights" if self.correction.refitted else "biases"
            return [self._corrected(what)], []  # judged by the search
        return self._start(draft, self.correction, seen)

    def _start(
        self, draft: Draft, drives: DriveMeter, seen: Callable[[int, int], None]
    ) -> tuple[list[str], list[str]]:
        definition, trial = draft.definition, self.trial
        before = _started(definition)
        counted = correct_starts(
            draft, trial.channels, self.samples, drives.means(), trial.steps, trial.block, seen
        )
        found = [f"'{name}'" for name in _started(definition) if name not in before]
        notes = [self._corrected(f"the initial voltages of {', '.join(found)}")] if found else []
        if not_plain(definition) or without_memory(definition):
            return notes, []  # a run gives something else
        kept, warnings = judge(trial, draft, (drives.answers(), counted), self.samples, self.most_steps)
        return notes + kept, warnings

    def _corrected(self, what: str) -> str:
        return f"rounding is corrected for in {what}, from {_count(self.samples)} samples"

    def scales(self) -> dict[str, float]:
        """Mean firing rate in Hz per unit of activation, by population."""
        return {name: self._scale(name, values) for name, values in self.quanta.items()}

    def _scale(self, name: str, quanta: Array) -> float:
        means = self.activity.means[self.trial.channels.ranges[name]]
        weights = means / means.sum() if means.sum() > 0 else np.full(len(means), 1 / len(means))
        rates = 1 / (np.broadcast_to(quanta, means.shape) * self.trial.draft.definition.defaults.dt)
        return float(weights @ rates)


def fitted_samples(lowered: Lowered, samples: Mapping[str, Array]) -> int:
    """How many of these samples corrections are made with."""
    return min(affordable(lowered.definition, min(_count(samples), _MEASURED)), _most(lowered))


class Survey:
    """What a plan takes from a float pass over samples, of populations that it may be for."""

    def __init__(self, lowered: Lowered, populations: Iterable[str], samples: Mapping[str, Array]) -> None:
        """The pass is to be in blocks of `block_of(lowered)` samples."""
        self.samples = samples
        self._channels = trace(lowered.definition, populations)
        shapes = operation_shapes(lowered.definition)
        sizes = {name: math.prod(shapes[name]) for name in self._channels.ranges}
        count = affordable(lowered.definition, min(_count(samples), _MEASURED))
        self._meter = ChannelMeter(self._channels, sizes, count)
        self.drives = DriveMeter(lowered.definition, fitted_samples(lowered, samples))

    def see(self, operation: pb.Operation, args: list[Array], value: Array, first: int) -> None:
        """What an operation reads and gives; `first`: number of the first of these samples."""
        self._meter.see(operation, args, value, first)
        self.drives.see(operation, args, value, first)

    def activity(self, channels: Channels) -> Activity:
        """In the numbers of these channels, which are among those that were measured."""
        return self._meter.activity().renumbered(self._channels, channels)


def make_plan(
    lowered: Lowered,
    populations: Iterable[str],
    survey: Survey,
    steps: int,
    spikes: float,
    most_steps: int,
) -> Plan:
    """The plan for these populations, `spikes` per step at the 99th percentile of a channel.

    A network that loses too many classes gets more steps, up to `most_steps`.
    """
    trial, activity = _trial(lowered, lowered.draft, populations, survey, steps)
    levels = levels_of(trial.channels, spikes * steps)
    fit = _first(survey.samples, fitted_samples(lowered, survey.samples))
    chosen = quanta_at(trial.quanta, levels, steps)
    notes = _few(fit, survey.samples) + _means(lowered, chosen)
    return Plan(trial, activity, chosen, survey.drives, fit, notes, [], most_steps)


def make_sparse_plan(
    lowered: Lowered, populations: Iterable[str], survey: Survey, steps: int, kind: pb.OutputKind
) -> Plan:
    """The plan with the fewest levels that keep the classes; `kind` is that of the first output."""
    _check_plain(lowered.definition)
    samples = survey.samples
    fit, held = _split(samples)
    trial, activity = _trial(lowered, lowered.draft.copy(), populations, survey, steps)
    trial = replace(trial, threshold=_threshold(trial, kind))
    fit = _first(fit, trial.most)
    found = search_levels(trial, _first(fit, _MEASURED), held)
    layers = {lowered.populations[name].layer: f"{level:.3g}" for name, level in found.levels.items()}
    listed = ", ".join(f"'{layer}': {level}" for layer, level in layers.items())
    kept, warnings = _kept(found, _count(held))
    notes = [f"levels, spikes that a neuron at the 99th percentile sends in a run: {listed}", *kept]
    correction = Correction(steps, trial.block, refitted(found.levels))
    chosen = quanta_at(trial.quanta, found.levels, steps)
    notes += _few(fit, samples) + _means(lowered, chosen)
    return Plan(trial, activity, chosen, correction, fit, notes, warnings)


def block_of(lowered: Lowered) -> int:
    """Samples of one pass."""
    return lowered.block(max(1, min(_BLOCK, _VALUES // lowered.elements)))


def _trial(
    lowered: Lowered, draft: Draft, populations: Iterable[str], survey: Survey, steps: int
) -> tuple[Trial, Activity]:
    channels = trace(draft.definition, populations)
    activity = survey.activity(channels)
    quanta = unit_quanta(draft, channels, activity)
    return Trial(draft, channels, quanta, steps, block_of(lowered), _most(lowered)), activity


def _most(lowered: Lowered) -> int:
    """How many samples the outputs of all operations may be held of."""
    return max(1, _MAX_VALUES // lowered.elements)


def _kept(found: Found, samples: int) -> tuple[list[str], list[str]]:
    """(notes, warnings) about the classes that the levels keep."""
    said = f"the class is the model's on {100 * found.agreement:.1f}% of {samples} samples"
    lost = f"{100 * found.lost:.1f} points of accuracy"
    source = "by the probabilities that the model's outputs stand for"
    if not found.enough:
        return [], [
            "preset 'sparse' found no levels that keep the classes: with the most that it tries, "
            f"{START:g}, {said} (wanted at least {100 * AGREEMENT:g}%); the others cost {lost}, {source} "
            f"(wanted at most {100 * LOST:g}). Take preset 'balanced'"
        ]
    warnings = []
    if found.classes == 1:
        warnings.append(
            f"the model gives all {samples} samples that preset 'sparse' searches with the same class, so "
            "that it cannot tell how few spikes do; give sample_data of all classes, as the model takes them"
        )
    return [f"with corrected biases {said}; the others cost {lost}, {source}"], warnings


def _few(fit: Mapping[str, Array], samples: Mapping[str, Array]) -> list[str]:
    """A note where corrections are left out."""
    if _count(fit) >= LEAST_SAMPLES:
        return []
    large = " at once, for which the network is too large" if _count(samples) >= LEAST_SAMPLES else ""
    return [f"rounding is not corrected for: that takes {LEAST_SAMPLES} samples{large}"]


def _means(lowered: Lowered, quanta: Quanta) -> list[str]:
    """A note on the scales that are reported for layers which have one for each channel."""
    names = [lowered.populations[name].layer for name, values in quanta.items() if values.size > 1]
    layers = ", ".join(f"'{name}'" for name in dict.fromkeys(names))
    return [f"with a scale for each channel, the mean of which is reported: {layers}"] if layers else []


def _started(definition: pb.NetworkDefinition) -> list[str]:
    """The populations with an initial voltage for each neuron."""
    return [op.name for op in definition.operations if op.neuron.initial_voltage.tensor]


def _threshold(trial: Trial, kind: pb.OutputKind) -> float | None:
    """The output above which a sample is of class 1; None where the largest of several wins."""
    if kind in (pb.OUTPUT_KIND_LOGIT, pb.OUTPUT_KIND_LABELS):
        return 0.0
    if kind == pb.OUTPUT_KIND_PROBABILITY:
        return 0.5
    target = answer_target(trial.draft.definition)
    one = math.prod(operation_shapes(trial.draft.definition)[target]) == 1
    if kind == pb.OUTPUT_KIND_VALUE or one:
        raise ConversionError(
            "preset 'sparse' searches for the fewest spikes that keep the class, and the output "
            f"'{target}' is no class; take preset 'balanced'"
        )
    return None


def not_plain(definition: pb.NetworkDefinition) -> list[str]:
    """The options by which runs are of another kind than those that recipes know."""
    readout, links = definition.defaults.readout, definition.connections
    given = [f"synapse ({describe_synapse(link.synapse)})" for link in links if link.HasField("synapse")]
    given += [f"delay_steps ({link.delay_steps})" for link in links if link.delay_steps]
    given += [
        f"probe_synapse ({describe_synapse(probe.synapse)})"
        for probe in definition.probes
        if probe.HasField("synapse")
    ]
    if readout.kind != pb.READOUT_KIND_MEAN or readout.skip_steps:
        name = {kind: name for name, kind in READOUTS.items()}[readout.kind]
        skipping = f", skipping {readout.skip_steps}" if readout.skip_steps else ""
        given.append(f"readout ({name}{skipping})")
    return list(dict.fromkeys(given))


def without_memory(definition: pb.NetworkDefinition) -> list[str]:
    """The populations that spike and do not remember."""
    return [
        op.name
        for op in definition.operations
        if op.HasField("neuron")
        for model in [get_model(op.neuron)]
        if model.spikes and not model.remembers
    ]


def _check_plain(definition: pb.NetworkDefinition) -> None:
    """ConversionError where runs are of another kind than those that are searched."""
    given = not_plain(definition)
    if given:
        raise ConversionError(
            "preset 'sparse' searches with the mean of runs without synapses and delays, and got "
            f"{', '.join(given)}; leave that out, or take preset 'balanced' with more steps"
        )


def _split(samples: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """(samples to fit on, others to judge by): a third, and the rest."""
    count = _count(samples)
    if count < LEAST_SEARCHED:
        raise ConversionError(
            f"sample_data has {count} samples, preset 'sparse' wants at least {LEAST_SEARCHED} to search "
            "with, better 3,000; no labels are needed"
        )
    fitted = min(_FITTED, count // 3)
    held = {name: array[fitted : fitted + _HELD] for name, array in samples.items()}
    return _first(samples, fitted), held


def _first(samples: Mapping[str, Array], count: int) -> dict[str, Array]:
    return {name: array[:count] for name, array in samples.items()}


def _count(samples: Mapping[str, Array]) -> int:
    return len(next(iter(samples.values())))
