"""Outputs of the neuron models in the long run, for a constant current."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.models.neurons import (
    LIF,
    AdaptiveLIF,
    AdaptiveLIFRate,
    Izhikevich,
    LeakyReLU,
    LIFRate,
    NeuronModel,
    PoissonSpiking,
    RegularSpiking,
    Sigmoid,
    SoftLIFRate,
    SpikingLeakyReLU,
    StochasticSpiking,
    Tanh,
    scaled,
    scales_gain,
)
from spikeserve.convert.read.graph import Array

_BISECTIONS = 60
_IZHIKEVICH_STEPS = 500  # of 1 ms


def steady_rate(model: NeuronModel, current: Array) -> Array:
    """The mean output of a neuron whose current stays as it is."""
    if isinstance(model, RegularSpiking | StochasticSpiking | PoissonSpiking):
        return np.asarray(model.amplitude * steady_rate(model.base, current))
    if isinstance(model, LIF | LIFRate):
        return _lif_rate(model, current)
    if isinstance(model, AdaptiveLIF | AdaptiveLIFRate):
        return _adapted_rate(model, current)
    if isinstance(model, SoftLIFRate):
        x = (current - 1) / model.sigma
        soft = model.sigma * np.logaddexp(0, np.maximum(x, -20))
        q = np.where(x <= -20, -x - np.log(model.sigma), np.log1p(1 / soft))
        return np.asarray(model.amplitude / (model.tau_ref + model.tau_rc * q))
    if isinstance(model, Sigmoid):
        return np.asarray(np.exp(-np.logaddexp(0, -current)) / model.tau_ref)
    if isinstance(model, Tanh):
        return np.asarray(np.tanh(current) / model.tau_ref)
    if isinstance(model, LeakyReLU | SpikingLeakyReLU):
        return np.asarray(
            model.amplitude * (np.maximum(current, 0) + model.negative_slope * np.minimum(current, 0))
        )
    if isinstance(model, Izhikevich):
        return _izhikevich_rate(model, current)
    return np.asarray(model.amplitude * np.maximum(current, 0))


def scaled_rate(model: NeuronModel, current: Array, scale: float) -> Array:
    """The same of a population with this scale: more or fewer spikes that count for less or more."""
    return steady_rate(scaled(model, scale), scale * current if scales_gain(model) else current)


def _lif_rate(model: LIF | LIFRate | AdaptiveLIF | AdaptiveLIFRate, current: Array) -> Array:
    """amplitude / (tau_ref + tau_rc*log1p(1/(J-1))) where J > 1, else 0."""
    above = current > 1
    excess = np.where(above, current - 1, 1.0)
    rate = model.amplitude / (model.tau_ref + model.tau_rc * np.log1p(1 / excess))
    return np.where(above, rate, 0.0)


def _adapted_rate(model: AdaptiveLIF | AdaptiveLIFRate, current: Array) -> Array:
    """y = LIF rate of J - inc_n*y, by bisection between nothing and the rate without adaptation."""
    low, high = np.zeros_like(current), _lif_rate(model, current)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = np.abs(_lif_rate(model, current - model.inc_n * middle)) > np.abs(middle)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def _izhikevich_rate(model: Izhikevich, current: Array) -> Array:
    """Spikes over half a second of 1 ms steps: the model has no closed form."""
    drive = np.maximum(np.asarray(current, np.float64), -30.0)
    v, u, spikes = (np.zeros_like(drive) for _ in range(3))
    for _ in range(_IZHIKEVICH_STEPS):
        v = v + 0.04 * v * v + 5 * v + 140 - u + drive
        fired = v >= 30
        v = np.where(fired, model.reset_voltage, v)
        u = u + model.tau_recovery * (model.coupling * v - u) + fired * model.reset_recovery
        spikes += fired
    return np.asarray(model.amplitude * spikes * (1000.0 / _IZHIKEVICH_STEPS))
