"""Whether the few levels of a preset with memory will do, or a run takes those of the preset 'spikeserve'.

`balanced` and `accurate` make do with few levels because the mean of a run is all that counts, because it is
corrected from samples, and because a class does not change with every rounding. Where a model or an option
takes one of these away, a run has as many levels as with the preset 'spikeserve', so that nobody gets less
than there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from spikeserve._probes import answer_target
from spikeserve._show import count
from spikeserve.convert.calibrate.samples import Samples
from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.convert.definition.units import remembers
from spikeserve.convert.lower.lower import Lowered
from spikeserve.convert.memory.channels import trace
from spikeserve.convert.memory.plan import fitted_samples, not_plain, without_memory
from spikeserve.convert.memory.search import OUTPUT_LEVELS
from spikeserve.convert.memory.starts import LEAST_SAMPLES
from spikeserve.convert.options import PLAIN_SPIKES, PLAIN_STEPS, Recipe, RunOptions, TuningOptions
from spikeserve.v1 import network_pb2 as pb


def settled(
    options: RunOptions, tuning: TuningOptions, lowered: Lowered, samples: Samples
) -> tuple[RunOptions, list[str]]:
    """(the options with the steps and spikes of a run, notes on them); sets the steps of the definition."""
    preset, definition = options.preset, lowered.definition
    if preset.recipe is not Recipe.CHANNELS or not lowered.populations:
        return options, []
    reasons = list(_reasons(options, tuning, lowered, samples))
    if not reasons:
        return options, []
    if options.steps_given:
        return replace(options, spikes=PLAIN_SPIKES if options.steps >= PLAIN_STEPS else options.spikes), []
    definition.defaults.steps = PLAIN_STEPS
    note = (
        f"{PLAIN_STEPS} steps as with preset 'spikeserve', not the {preset.steps} of preset '{preset.name}': "
        f"{'; '.join(reasons)}. steps={preset.steps} takes these all the same"
    )
    return replace(options, steps=PLAIN_STEPS, spikes=PLAIN_SPIKES), [note]


def _reasons(options: RunOptions, tuning: TuningOptions, lowered: Lowered, samples: Samples) -> Iterator[str]:
    """What keeps the recipe from making do with its steps, as a reader of the report understands it."""
    for name in ("scale_firing_rates", "target_rate_hz"):
        if getattr(tuning, name) is not None:
            yield f"{name} sets how often neurons spike"
    given = not_plain(lowered.definition)
    if given:
        yield f"{', '.join(given)}: few steps are for plain means without filters"
    others = [f"'{lowered.populations[name].layer}'" for name in without_memory(lowered.definition)]
    if others:
        yield f"neurons without memory in {', '.join(dict.fromkeys(others))}"
    if (options.spikes or 0) * options.preset.steps >= PLAIN_SPIKES * PLAIN_STEPS:
        return
    yield from _uncorrected(lowered, samples)
    if options.initial_voltage is not None:
        yield "initial_voltage takes the place of corrections"
    yield from _outputs(lowered.definition)


def _uncorrected(lowered: Lowered, samples: Samples) -> Iterator[str]:
    """Why rounding will not be corrected for."""
    fitted = fitted_samples(lowered, samples.values)
    if not samples.real:
        yield "there is no sample_data to correct for rounding with"
    elif fitted < LEAST_SAMPLES <= samples.count:
        yield "the network is too large to correct for rounding"
    elif fitted < LEAST_SAMPLES:
        given = count(samples.count, "sample")
        yield f"sample_data has {given}, and to correct for rounding takes {LEAST_SAMPLES}"


def _outputs(definition: pb.NetworkDefinition) -> Iterator[str]:
    """Why rounding shows in the outputs: they are no classes, as far as is known."""
    kind, target = definition.defaults.output_kind, answer_target(definition)
    values = math.prod(operation_shapes(definition)[target])
    if kind == pb.OUTPUT_KIND_VALUE:
        yield f"the output '{target}' is a value, in which all rounding shows"
    elif kind == pb.OUTPUT_KIND_LABELS:
        yield f"the outputs '{target}' are labels, of which most are seldom true: rounding shows in these"
    elif kind == pb.OUTPUT_KIND_UNSPECIFIED:
        known = "" if values == 1 else " (class_labels says that they are)"
        yield f"nothing says that the output '{target}' is classes{known}, and rounding shows in values"


def finer_outputs(lowered: Lowered, scales: Mapping[str, float], options: RunOptions) -> dict[str, float]:
    """Scales for the layers whose spikes meet no weights: finer ones cost nothing there.

    `scales`: of all layers without a scale for each channel. Other neurons stay as they are.
    """
    populations = lowered.populations
    memory = [op.name for op in lowered.definition.operations if op.name in populations and remembers(op)]
    sinks = trace(lowered.definition, memory).sinks()
    busy = {populations[name].layer for name in populations if name not in sinks}
    finer = max(1.0, OUTPUT_LEVELS / ((options.spikes or 1.0) * options.steps))
    found = {populations[name].layer for name in sinks} - busy
    return {layer: finer * scale for layer, scale in scales.items() if layer in found}
