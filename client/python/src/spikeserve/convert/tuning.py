"""What sample data make of a lowered network: scales, quanta, corrections, and what is reported of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from spikeserve._report import ConversionReport
from spikeserve.convert.calibrate.checks import fixed_scales, positive
from spikeserve.convert.calibrate.expected import few_spikes
from spikeserve.convert.calibrate.samples import Samples
from spikeserve.convert.calibrate.scaling import (
    MEASURED_SAMPLES,
    Activity,
    ActivityMeter,
    apply_scales,
    layer_reports,
    layer_scales,
    low_rate_warnings,
)
from spikeserve.convert.definition.forward import in_turn
from spikeserve.convert.definition.units import remembers
from spikeserve.convert.definition.work import affordable
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.levels import finer_outputs
from spikeserve.convert.lower.lower import Lowered
from spikeserve.convert.memory.plan import (
    NO_SAMPLES,
    Plan,
    Survey,
    block_of,
    make_plan,
    make_sparse_plan,
)
from spikeserve.convert.models.neurons import get_model
from spikeserve.convert.options import PLAIN_STEPS, Recipe, RunOptions, TuningOptions

Seen = Callable[[int, int], None]  # is told how much is done, and how much there is


class Tuning:
    """One pass over the samples, and everything that is set by what it finds; its methods in their order."""

    def __init__(
        self, lowered: Lowered, samples: Samples, options: RunOptions, tuning: TuningOptions
    ) -> None:
        self._lowered, self._samples, self._options = lowered, samples, options
        layers = [population.layer for population in lowered.populations.values()]
        self._fixed = fixed_scales(tuning.scale_firing_rates, layers)
        target = tuning.target_rate_hz
        self._rate = None if target is None else positive(target, "target_rate_hz", "Hz")
        self._guesses = not samples.real and bool(set(layers) - set(self._fixed))
        if self._guesses and options.preset.recipe is Recipe.SEARCH and self._rate is None:
            raise ConversionError(NO_SAMPLES)
        self._activity: dict[str, Activity] = {}
        self._planned: list[str] = []
        self._survey: Survey | None = None
        self._scales: dict[str, float] = {}
        self._plan: Plan | None = None

    def measure(self, seen: Seen) -> None:
        """The float pass, and the scales of layers that follow from it."""
        lowered, options = self._lowered, self._options
        candidates = self._candidates()
        by_scale = self._rate is None and options.spikes is not None
        others = [
            name
            for name, population in lowered.populations.items()
            if by_scale and name not in candidates and population.layer not in self._fixed
        ]
        meter = ActivityMeter(lowered, others)
        if candidates:
            self._survey = Survey(lowered, candidates, self._samples.values)
        self._pass([meter] if self._survey is None else [meter, self._survey], seen)
        self._activity = meter.activity()
        self._planned = [name for name in candidates if self._activity[name].mean_positive > 0]
        unplanned = {name: found for name, found in self._activity.items() if name not in self._planned}
        self._scales = layer_scales(lowered, unplanned, self._fixed, self._rate, options.spikes, options.dt)
        if self._rate is None and options.preset.recipe is Recipe.CHANNELS:
            free = {layer: scale for layer, scale in self._scales.items() if layer not in self._fixed}
            self._scales |= finer_outputs(lowered, free, options)

    def _pass(self, meters: Sequence[ActivityMeter | Survey], seen: Seen) -> None:
        lowered, block = self._lowered, block_of(self._lowered)
        count = affordable(lowered.definition, min(self._samples.count, MEASURED_SAMPLES))
        inputs = self._samples.first(count)
        for start in range(0, count, block):
            part = {name: array[start : start + block] for name, array in inputs.items()}
            seen(start, count)
            for passed in in_turn(lowered.definition, part, np.float32, lowered.draft.tensors):
                for meter in meters:
                    meter.see(*passed, start)
        seen(count, count)

    def scales(self) -> Mapping[str, float]:
        """By layer."""
        return self._scales

    def apply(self, report: ConversionReport) -> None:
        """Sets all gains and fills the report with the layers and warnings about them."""
        lowered, options, samples = self._lowered, self._options, self._samples
        if self._guesses and (self._rate is not None or options.spikes is not None):
            report.warnings.append(
                "no sample_data: the firing rates are set from random inputs, as if every input value were "
                "between 0 and 1; give some hundred training inputs as sample_data, or scale_firing_rates",
            )
        apply_scales(lowered, self._scales)
        plan = self._plan = self._make_plan()
        if plan is None and options.preset.recipe is Recipe.SEARCH:
            report.warnings.append(f"preset 'sparse' has nothing to search: {self._unsearched()}")
        if plan is not None:
            plan.apply(lowered.draft)
            report.notes += plan.notes
            report.warnings += plan.warnings
        means = {} if plan is None else plan.scales()
        report.layers = layer_reports(
            lowered, self._activity, self._scales, means, options.steps * options.dt
        )
        report.warnings += low_rate_warnings(report.layers, samples.real)
        operations = lowered.definition.operations
        models = {op.name: get_model(op.neuron) for op in operations if op.HasField("neuron")}
        neurons = [(item, models[item.name]) for item in report.layers if item.name in models]
        report.warnings += few_spikes(neurons, options.steps)
        report.warnings += [
            f"'{item.layer}': a scale changes the outputs of {type(model).__name__} neurons"
            for item, model in neurons
            if item.scale != 1 and model.scales_gain and not model.is_homogeneous
        ]

    def correct(self, report: ConversionReport, seen: Seen) -> None:
        """Corrects for rounding, which may take more steps of a run."""
        if self._plan is None:
            return
        notes, messages = self._plan.correct(self._lowered.draft, seen)
        report.notes += notes
        report.warnings += messages
        longer = self._lowered.definition.defaults.steps / self._options.steps
        report.layers = [item.over(longer) for item in report.layers]

    def _candidates(self) -> list[str]:
        """The populations with memory whose scale is left to the preset, if they are ever active."""
        by_recipe = self._samples.real and self._rate is None
        if not by_recipe or self._options.preset.recipe is Recipe.LAYERS:
            return []
        populations = self._lowered.populations
        return [
            op.name
            for op in self._lowered.definition.operations
            if op.name in populations and remembers(op) and populations[op.name].layer not in self._fixed
        ]

    def _make_plan(self) -> Plan | None:
        lowered, options, survey = self._lowered, self._options, self._survey
        if not self._planned or survey is None:
            return None
        if options.preset.recipe is Recipe.SEARCH:
            kind = lowered.definition.defaults.output_kind
            return make_sparse_plan(lowered, self._planned, survey, options.steps, kind)
        most = 0 if options.steps_given else PLAIN_STEPS
        return make_plan(lowered, self._planned, survey, options.steps, options.spikes or 1.0, most)

    def _unsearched(self) -> str:
        """Why there is no population whose spikes the preset may set."""
        memory = [
            self._lowered.populations[op.name].layer
            for op in self._lowered.definition.operations
            if op.name in self._lowered.populations and remembers(op)
        ]
        if not memory:
            return "the network has no neurons with memory; take another preset"
        if self._rate is not None:
            return "target_rate_hz sets the scales; leave it out, or take another preset"
        if set(memory) <= set(self._fixed):
            return "scale_firing_rates sets the scales; leave it out, or take another preset"
        return "no neuron with memory whose scale is left to it is active for any sample"
