"""Chooses the gain of every population, and says what it will fire at."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

import numpy as np

from spikeserve._report import LayerReport
from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.units import set_scale
from spikeserve.convert.lower.lower import Lowered
from spikeserve.convert.models.neuron import NeuronModel, Response
from spikeserve.convert.models.neurons import get_model
from spikeserve.v1 import network_pb2 as pb

# A preset says how often a neuron at the 99th percentile of its layer's positive activations spikes in a
# step. Once is what the percentile suggests; k times reach the same error in 1/k of the steps for the same
# number of spikes per run, and signed neurons clip nothing.
QUANTILE = 0.99
MEASURED_SAMPLES = 1000
# Below one expected spike per active neuron and run the outputs are noise; from five on the trained
# test networks lose less than a point of accuracy, with either preset.
MIN_SPIKES = 1.0
ENOUGH_SPIKES = 5.0
POOL_MODEL, PRODUCT_MODEL = "pool.max", "product"  # in reports, in place of a neuron model
_GUESSED = " (a guess from random inputs between 0 and 1: there is no sample_data)"
_MAX_VALUES = 4_000_000
_SHOWN = 16  # samples whose currents are kept


@dataclass(frozen=True)
class Activity:
    """Statistics of one population over the samples, in units of the float activation."""

    quantile: float  # of the positive activations; 0 where there are none, or where nobody asks for it
    mean_positive: float  # mean of the positive activations
    mean: float  # over all neurons and samples
    mean_active: float  # mean over samples, of the neurons that are ever positive
    neurons: int
    currents: Array  # [some, neurons] inputs, for rates of models that are not homogeneous; of others none


class ActivityMeter:
    """Takes the activity of all populations from a float forward pass with unit gains.

    Of models whose rate is scaled behind the activation (tanh, sigmoid), or that have a bound or a slope
    below 0, it is that of the activation. With that of MAX pools and products.
    """

    def __init__(self, lowered: Lowered, by_quantile: Container[str]) -> None:
        """`by_quantile`: the populations of which the quantile is asked for; it takes all values."""
        models = _models(lowered.definition)
        self._totals = {
            name: _Totals(models.get(name), name in by_quantile)
            for name in (*lowered.populations, *lowered.maxima)
        }

    def see(self, operation: pb.Operation, args: list[Array], value: Array, first: int) -> None:
        """What an operation reads and gives; `first`: number of the first of these samples."""
        del first
        if operation.name in self._totals:
            self._totals[operation.name].add(args[0].reshape(len(value), -1), value.reshape(len(value), -1))

    def activity(self) -> dict[str, Activity]:
        """By Neuron operation, product and MAX pool."""
        return {name: totals.activity() for name, totals in self._totals.items()}


class _Totals:
    """Sums over the samples of one population."""

    def __init__(self, model: NeuronModel | None, by_quantile: bool) -> None:
        """`model`: None of products and MAX pools."""
        self._behind = model is None or not model.scales_gain or model.remembers
        self._shown = 0 if model is None or model.is_homogeneous else _SHOWN
        self._by_quantile = by_quantile
        self._samples = self._active = 0
        self._sums: Array = np.zeros(0)
        self._positive: list[Array] = []
        self._currents: list[Array] = []

    def add(self, currents: Array, outputs: Array) -> None:
        currents = np.abs(outputs) if self._behind else currents
        positive = currents if self._behind else np.maximum(currents, 0)
        sums = positive.sum(axis=0, dtype=np.float64)
        self._sums = sums + (self._sums if self._samples else 0)
        self._active += int(np.count_nonzero(positive))
        if self._by_quantile:
            self._positive.append(currents[currents > 0])
        self._currents.append(currents[: max(0, self._shown - self._samples)].copy())
        self._samples += len(currents)

    def activity(self) -> Activity:
        means = self._sums / self._samples
        currents, some = np.concatenate(self._currents), bool(self._active)
        return Activity(
            self._quantile() if self._by_quantile and some else 0.0,
            float(self._sums.sum() / self._active) if some else 0.0,
            float(means.mean()),
            float(means[means > 0].mean()) if some else 0.0,
            means.size,
            currents,
        )

    def _quantile(self) -> float:
        positive = np.concatenate(self._positive)
        return float(np.quantile(positive[:: -(-positive.size // _MAX_VALUES)], QUANTILE))


def layer_scales(
    lowered: Lowered,
    activity: dict[str, Activity],
    fixed: dict[str, float],
    target_rate_hz: float | None,
    spikes: float | None,
    dt: float,
) -> dict[str, float]:
    """The scale of every layer with neurons: the caller's, else from the target rate, else by quantile.

    `spikes`: per step at the quantile; None: there is no scale by it.
    A layer that is called several times has one scale, taken from its most active call.
    """
    models = _models(lowered.definition)
    scales: dict[str, float] = {}
    for name, found in activity.items():
        if name in lowered.maxima:
            continue
        layer = lowered.populations[name].layer
        model = models.get(name)  # None: a product
        if layer in fixed or found.mean_positive == 0 or not (model is None or model.spikes):
            continue
        if target_rate_hz is not None:
            scale = target_rate_hz / found.mean_positive
        elif spikes is not None and (model is None or model.is_homogeneous):
            scale = spikes / (found.quantile * dt)
        else:
            continue
        scales[layer] = min(scale, scales.get(layer, math.inf))
    return {**scales, **fixed}


def apply_scales(lowered: Lowered, scales: dict[str, float]) -> None:
    """gain = scale and amplitude/scale: the same output in rate mode, more or fewer spikes.

    Where the rate is bounded (tanh, sigmoid) the scale multiplies the rate in place of the gain.
    """
    for op in lowered.definition.operations:
        population = lowered.populations.get(op.name)
        scale = 1.0 if population is None else scales.get(population.layer, 1.0)
        if scale != 1.0:
            multiplier = set_scale(op, scale)
            if multiplier is not None:
                multiplier.scalar = scale


def layer_reports(
    lowered: Lowered,
    activity: dict[str, Activity],
    scales: Mapping[str, float],
    planned: Mapping[str, float],
    seconds: float,
) -> list[LayerReport]:
    """One report per population and MAX pool; `seconds` is the length of a run.

    `scales` by layer; `planned`: the mean scales of populations with one per channel, whose few spikes are
    meant.
    """
    reports = []
    for op in lowered.definition.operations:
        if op.name in lowered.maxima or (op.name in activity and op.HasField("product")):
            reports.append(_unit_report(op, lowered, activity[op.name], scales, planned, seconds))
        elif op.name in activity:
            layer = lowered.populations[op.name].layer
            scale = planned.get(op.name, scales.get(layer, 1.0))
            report = _report(op, layer, activity[op.name], scale, seconds)
            reports.append(replace(report, suggested_scale=None) if op.name in planned else report)
    return reports


def _report(op: pb.Operation, layer: str, found: Activity, scale: float, seconds: float) -> LayerReport:
    model = get_model(op.neuron)
    mean, active = scale * found.mean, scale * found.mean_active
    if not model.is_homogeneous:  # it carries its scale already: the gain is left to apply
        gain = scale if model.scales_gain else 1.0
        rates = np.abs(model.steady_rate(gain * found.currents) / model.amplitude)
        means = rates.mean(axis=0)
        mean = float(means.mean())
        active = float(means[means > 0].mean()) if np.any(means > 0) else 0.0
    spikes = active * seconds if model.spikes else None
    enough = None
    few = spikes is not None and spikes < MIN_SPIKES and found.mean_active > 0
    if few and model.response is not Response.TRAINED:
        # For LIF and the like a scale changes the function that was trained: more spikes, worse outputs.
        enough = _round_up(ENOUGH_SPIKES / (found.mean_active * seconds))
    return LayerReport(
        name=op.name,
        layer=layer,
        model=str(op.neuron.WhichOneof("model")),
        neurons=found.neurons,
        scale=scale,
        mean_activation=found.mean_positive,
        expected_rate_hz=mean,
        expected_spikes=spikes,
        suggested_scale=enough,
    )


def _unit_report(
    op: pb.Operation,
    lowered: Lowered,
    found: Activity,
    scales: Mapping[str, float],
    planned: Mapping[str, float],
    seconds: float,
) -> LayerReport:
    """Of a product, or of a MAX pool, whose spikes are those of its population."""
    population = lowered.carriers[op.name]
    layer = lowered.populations[population].layer
    scale = planned.get(population, scales.get(layer, 1.0))
    return LayerReport(
        name=op.name,
        layer=lowered.maxima.get(op.name, layer),
        model=POOL_MODEL if op.name in lowered.maxima else PRODUCT_MODEL,
        neurons=found.neurons,
        scale=scale,
        mean_activation=found.mean_positive,
        expected_rate_hz=scale * found.mean,
        expected_spikes=scale * found.mean_active * seconds,
    )


def low_rate_warnings(reports: list[LayerReport], real: bool) -> list[str]:
    """A message where a population fires less than once per active neuron and run.

    `real`: the rates come from the caller's samples, not from random ones.
    """
    low = [r for r in reports if r.suggested_scale is not None]
    silent = [f"'{r.layer}'" for r in reports if r.mean_activation == 0 and r.model != POOL_MODEL]
    messages = []
    if low:
        names = ", ".join(f"'{r.layer}' ({r.expected_spikes:.2g})" for r in low)
        table = ", ".join(dict.fromkeys(f"'{r.layer}': {r.suggested_scale:g}" for r in low))
        messages.append(
            "fewer than one expected spike per active neuron and run, so the outputs will be poor: "
            f"{names}; give scale_firing_rates={{{table}}} or more steps" + ("" if real else _GUESSED)
        )
    if silent:
        messages.append(
            f"no neuron of {', '.join(dict.fromkeys(silent))} is active for any sample; give "
            "sample_data as the model takes them, or scale_firing_rates for these layers"
        )
    return messages


def _round_up(value: float) -> float:
    digits = 10 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / digits) * digits:.6g}")


def _models(definition: pb.NetworkDefinition) -> dict[str, NeuronModel]:
    return {op.name: get_model(op.neuron) for op in definition.operations if op.HasField("neuron")}
