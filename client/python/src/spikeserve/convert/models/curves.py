"""Rates over the current that more than one neuron type has, as functions of plain numbers."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.arrays import Array

_BISECTIONS = 60


def rectified(current: Array, amplitude: float) -> Array:
    """amplitude * max(J, 0)."""
    return np.asarray(amplitude * np.maximum(current, 0))


def leaky_rectified(current: Array, negative_slope: float, amplitude: float) -> Array:
    """amplitude * (max(J, 0) + negative_slope*min(J, 0))."""
    if negative_slope == 0:
        return rectified(current, amplitude)
    return np.asarray(amplitude * (np.maximum(current, 0) + negative_slope * np.minimum(current, 0)))


def lif(current: Array, tau_rc: float, tau_ref: float, amplitude: float) -> Array:
    """amplitude / (tau_ref + tau_rc*log1p(1/(J-1))) where J > 1, else 0."""
    above = current > 1
    excess = np.where(above, current - 1, 1.0)
    rate = amplitude / (tau_ref + tau_rc * np.log1p(1 / excess))
    return np.where(above, rate, 0.0)


def adapted_lif(current: Array, tau_rc: float, tau_ref: float, amplitude: float, inc_n: float) -> Array:
    """y = LIF rate of J - inc_n*y, by bisection between nothing and the rate without adaptation."""
    low, high = np.zeros_like(current), lif(current, tau_rc, tau_ref, amplitude)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = np.abs(lif(current - inc_n * middle, tau_rc, tau_ref, amplitude)) > np.abs(middle)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
