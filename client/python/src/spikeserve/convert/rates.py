"""Firing rates of the neuron models for a constant current."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.graph import Array
from spikeserve.convert.neurons import LIF, NeuronModel


def lif_rate(current: Array, tau_rc: float, tau_ref: float, amplitude: float) -> Array:
    """amplitude / (tau_ref + tau_rc*log1p(1/(J-1))) where J > 1, else 0."""
    above = current > 1
    excess = np.where(above, current - 1, 1.0)
    return np.where(above, amplitude / (tau_ref + tau_rc * np.log1p(1 / excess)), 0.0)


def scaled_rate(model: NeuronModel, current: Array, scale: float) -> Array:
    """Output of a population with gain `scale` and its amplitude divided by it."""
    if isinstance(model, LIF):
        return lif_rate(scale * current, model.tau_rc, model.tau_ref, model.amplitude / scale)
    return model.amplitude * np.maximum(current, 0)
