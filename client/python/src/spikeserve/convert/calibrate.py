"""Chooses the gain of every population, and says what it will fire at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spikeserve.convert.forward import run_rates
from spikeserve.convert.graph import Array
from spikeserve.convert.lower import Lowered
from spikeserve.convert.rates import lif_rate
from spikeserve.network import LayerReport
from spikeserve.v1 import network_pb2 as pb

QUANTILE = 0.99
SPIKES_AT_QUANTILE = 1.0  # spikes per step of a neuron at that quantile
_BATCH = 50
_MAX_VALUES = 4_000_000


@dataclass
class Activity:
    """Statistics of one population over the samples, in units of the float activation."""

    quantile: float  # of the positive activations; 0 where there are none
    mean_positive: float  # mean of the positive activations
    mean_active: float  # mean over samples, of the neurons that are ever positive
    currents: Array  # a sample of the inputs, for rates of nonlinear models


def measure(lowered: Lowered, inputs: dict[str, Array], quantile: float) -> dict[str, Activity]:
    """Activity by Neuron operation, from a float forward pass with unit gains."""
    sources = {
        c.target: c.source
        for c in lowered.definition.connections
        if c.target in lowered.neuron_layers
    }
    collected: dict[str, list[Array]] = {name: [] for name in sources}
    count = len(next(iter(inputs.values())))
    for start in range(0, count, _BATCH):
        block = {name: array[start : start + _BATCH] for name, array in inputs.items()}
        values = run_rates(lowered.definition, block, np.float32)
        for name, source in sources.items():
            collected[name].append(values[source].reshape(len(values[source]), -1))
    return {name: _statistics(np.concatenate(c), quantile) for name, c in collected.items()}


def _statistics(currents: Array, quantile: float) -> Activity:
    positive = currents[currents > 0]
    if positive.size == 0:
        return Activity(0.0, 0.0, 0.0, currents[:1])
    step = -(-positive.size // _MAX_VALUES)
    means = np.maximum(currents, 0).mean(axis=0)
    return Activity(
        float(np.quantile(positive[::step], quantile)),
        float(positive.mean()),
        float(means[means > 0].mean()),
        currents[:16],
    )


def layer_scales(
    lowered: Lowered,
    activity: dict[str, Activity],
    fixed: dict[str, float],
    target_rate_hz: float | None,
    calibrated: bool,
    dt: float,
) -> dict[str, float]:
    """The scale of every layer with neurons: the caller's, else from the target rate, else by quantile.

    A layer that is called several times has one scale, taken from its most active call.
    """
    models = _models(lowered.definition)
    scales: dict[str, float] = {}
    for name, layer in lowered.neuron_layers.items():
        if name not in activity or layer in fixed:
            continue
        scale = 1.0
        if target_rate_hz is not None and activity[name].mean_positive > 0:
            scale = target_rate_hz / activity[name].mean_positive
        elif calibrated and activity[name].quantile > 0 and models[name] != "lif":
            scale = SPIKES_AT_QUANTILE / (activity[name].quantile * dt)
        scales[layer] = min(scale, scales.get(layer, math.inf))
    return {**scales, **fixed}


def apply_scales(lowered: Lowered, scales: dict[str, float]) -> None:
    """gain = scale and amplitude/scale: the same output in rate mode, more or fewer spikes."""
    for op in lowered.definition.operations:
        layer = lowered.neuron_layers.get(op.name)
        if layer is None or not op.HasField("neuron"):
            continue
        scale = scales.get(layer, 1.0)
        if scale != 1.0:
            op.neuron.gain.scalar = scale
            model = getattr(op.neuron, str(op.neuron.WhichOneof("model")))
            model.amplitude = model.amplitude / scale


def layer_reports(
    lowered: Lowered, activity: dict[str, Activity], scales: dict[str, float], seconds: float
) -> list[LayerReport]:
    """One report per population; `seconds` is the length of a run."""
    models = _models(lowered.definition)
    reports = []
    for op in lowered.definition.operations:
        if op.name not in activity:
            continue
        found, layer = activity[op.name], lowered.neuron_layers[op.name]
        scale = scales.get(layer, 1.0)
        currents = scale * found.currents
        if models[op.name] == "lif":
            rates = lif_rate(currents, op.neuron.lif.tau_rc, op.neuron.lif.tau_ref, 1.0)
        else:
            rates = np.maximum(currents, 0)
        spiking = models[op.name] != "rectified_linear"
        active = rates.mean(axis=0)
        active = float(active[active > 0].mean()) if np.any(active > 0) else 0.0
        if models[op.name] != "lif":
            active = scale * found.mean_active
        reports.append(
            LayerReport(
                op.name,
                layer,
                models[op.name],
                int(found.currents.shape[1]),
                scale,
                found.mean_positive,
                float(rates.mean()),
                active * seconds if spiking else None,
            )
        )
    return reports


def low_rate_warnings(reports: list[LayerReport]) -> list[str]:
    """A message where a population fires less than once per active neuron and run."""
    low = {r.layer: r for r in reports if r.expected_spikes is not None and r.expected_spikes < 1}
    if not low:
        return []
    wanted = {
        layer: _round_up(r.scale / r.expected_spikes) if r.expected_spikes else 100.0
        for layer, r in low.items()
    }
    names = ", ".join(f"'{n}' ({r.expected_spikes:.2g})" for n, r in low.items())
    table = ", ".join(f"'{layer}': {scale:g}" for layer, scale in wanted.items())
    return [
        "fewer than one expected spike per active neuron and run, so the outputs will be poor: "
        f"{names}; give scale_firing_rates={{{table}}} or more steps"
    ]


def _round_up(value: float) -> float:
    digits = 10 ** math.floor(math.log10(value) - 1) if value > 0 else 1
    return float(f"{math.ceil(value / digits) * digits:.6g}")


def _models(definition: pb.NetworkDefinition) -> dict[str, str]:
    return {
        op.name: str(op.neuron.WhichOneof("model"))
        for op in definition.operations
        if op.HasField("neuron")
    }
