"""Neurons that integrate their current into a voltage and spike when it is high enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.models import curves
from spikeserve.convert.models.neuron import (
    ABOVE_0,
    AT_LEAST_0,
    AT_MOST_0,
    NOT_ZERO,
    SLOPE,
    TIME,
    NeuronModel,
    Range,
    Response,
    parameter,
)

__all__ = [
    "LIF",
    "AdaptiveLIF",
    "IntegrateAndFire",
    "Izhikevich",
    "MemoryRectifiedLinear",
    "SpikingLeakyReLU",
    "SpikingRectifiedLinear",
]

_IZHIKEVICH_STEPS = 500  # of 1 ms
_IZHIKEVICH_THRESHOLD = 30.0  # mV


class IntegratingNeuron(NeuronModel):
    """A neuron with a voltage, which emits spikes."""

    spikes = True
    has_voltage = True


@dataclass(frozen=True)
class SpikingRectifiedLinear(IntegratingNeuron):
    """Nengo's neuron: v += max(J, 0)*dt; n = floor(v); v -= n; output n*amplitude/dt."""

    wire_field = "spiking_rectified_linear"
    response = Response.LINEAR

    amplitude: float = parameter(1.0, NOT_ZERO)

    def steady_rate(self, current: Array) -> Array:
        """As a ReLU."""
        return curves.rectified(current, self.amplitude)


@dataclass(frozen=True)
class IntegrateAndFire(IntegratingNeuron):
    """Signed integrate-and-fire: v += J*dt; n = max(floor(v), 0); v -= n; output n*amplitude/dt."""

    wire_field = "integrate_and_fire"
    response = Response.LINEAR

    amplitude: float = parameter(1.0, NOT_ZERO)
    min_voltage: float = parameter(-math.inf, AT_MOST_0)  # lower bound of v; -inf: none

    def steady_rate(self, current: Array) -> Array:
        """As a ReLU."""
        return curves.rectified(current, self.amplitude)


@dataclass(frozen=True)
class MemoryRectifiedLinear(IntegratingNeuron):
    """Signed neuron with memory: by each step it has sent max(floor(v0 + everything received), 0) in all.

    A step sends what is new, a negative number where spikes are taken back; output n*amplitude/dt.
    `amplitude`: area of a spike, not 0. `max_value`: bound of what it computes, above 0, as that of ReLU6;
    None: no bound, or that of the layer that it is given for. `negative_slope`, -1 to 1: by what the part of
    the drive below 0 counts; 0: not at all, or as the layer says.
    """

    wire_field = "memory_rectified_linear"
    response = Response.LINEAR
    remembers = True
    usual_voltage: ClassVar[float | None] = 0.5  # what has been sent is rounded to the nearest

    amplitude: float = parameter(1.0, NOT_ZERO)
    max_value: float | None = parameter(None, ABOVE_0)  # of what it computes, at any gain; None: no bound
    negative_slope: float = parameter(0.0, SLOPE)  # what of the drive below 0 counts

    @property
    def rises(self) -> bool:
        """Whether what it computes never falls, so that the largest of it is that of the largest drive."""
        return self.negative_slope >= 0

    def steady_rate(self, current: Array) -> Array:
        """As a ReLU with these options."""
        return self.rate_behind(current, 1.0)

    def rate_behind(self, current: Array, gain: float | Array) -> Array:
        """As a ReLU with these options; the bound grows with the gain."""
        bounded = current if self.max_value is None else np.minimum(current, self.max_value * gain)
        return curves.leaky_rectified(bounded, self.negative_slope, self.amplitude)


@dataclass(frozen=True)
class LIF(IntegratingNeuron):
    """Leaky integrate-and-fire with refractory period; times in seconds, threshold 1, reset 0."""

    wire_field = "lif"
    response = Response.TRAINED

    tau_rc: float = parameter(0.02, ABOVE_0)
    tau_ref: float = parameter(0.002, TIME)
    min_voltage: float = parameter(0.0, AT_MOST_0)
    amplitude: float = parameter(1.0, NOT_ZERO)

    def steady_rate(self, current: Array) -> Array:
        """The closed form of LIFRate."""
        return curves.lif(current, self.tau_rc, self.tau_ref, self.amplitude)


@dataclass(frozen=True)
class AdaptiveLIF(IntegratingNeuron):
    """LIF with the current J - a; a follows the output: a += dt/tau_n*(inc_n*output - a)."""

    wire_field = "adaptive_lif"
    response = Response.TRAINED

    tau_rc: float = parameter(0.02, ABOVE_0)
    tau_ref: float = parameter(0.002, TIME)
    min_voltage: float = parameter(0.0, AT_MOST_0)
    amplitude: float = parameter(1.0, NOT_ZERO)
    tau_n: float = parameter(1.0, ABOVE_0)
    inc_n: float = parameter(0.01)

    def steady_rate(self, current: Array) -> Array:
        """That of LIF, once the adaptation has settled."""
        return curves.adapted_lif(current, self.tau_rc, self.tau_ref, self.amplitude, self.inc_n)


@dataclass(frozen=True)
class Izhikevich(IntegratingNeuron):
    """Izhikevich's quadratic neuron with recovery; voltages in mV, rates in 1/ms."""

    wire_field = "izhikevich"
    response = Response.UNTRAINED

    tau_recovery: float = parameter(0.02)
    coupling: float = parameter(0.2)
    reset_voltage: float = parameter(-65.0)  # below the threshold
    reset_recovery: float = parameter(8.0)
    amplitude: float = parameter(1.0, NOT_ZERO)

    def __post_init__(self) -> None:
        super().__post_init__()
        below = Range(f"a number below {_IZHIKEVICH_THRESHOLD:g} mV", lambda v: v < _IZHIKEVICH_THRESHOLD)
        below.check("reset_voltage", self.reset_voltage)

    def steady_rate(self, current: Array) -> Array:
        """Spikes over half a second of 1 ms steps: the model has no closed form."""
        drive = np.maximum(np.asarray(current, np.float64), -30.0)
        v, u, spikes = (np.zeros_like(drive) for _ in range(3))
        for _ in range(_IZHIKEVICH_STEPS):
            v = v + 0.04 * v * v + 5 * v + 140 - u + drive
            fired = v >= _IZHIKEVICH_THRESHOLD
            v = np.where(fired, self.reset_voltage, v)
            u = u + self.tau_recovery * (self.coupling * v - u) + fired * self.reset_recovery
            spikes += fired
        return np.asarray(self.amplitude * spikes * (1000.0 / _IZHIKEVICH_STEPS))


@dataclass(frozen=True)
class SpikingLeakyReLU(IntegratingNeuron):
    """v += (max(J, 0) + negative_slope*min(J, 0))*dt; n = trunc(v), of either sign; v -= n."""

    wire_field = "spiking_leaky_rectified_linear"
    response = Response.LINEAR

    negative_slope: float = parameter(0.3)  # at least 0
    amplitude: float = parameter(1.0, NOT_ZERO)

    def __post_init__(self) -> None:
        super().__post_init__()
        AT_LEAST_0.check("negative_slope", self.negative_slope)

    def steady_rate(self, current: Array) -> Array:
        """As a leaky ReLU."""
        return curves.leaky_rectified(current, self.negative_slope, self.amplitude)
