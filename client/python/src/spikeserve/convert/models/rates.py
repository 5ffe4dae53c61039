"""Rate neurons: the output is the rate itself, without spikes and without a voltage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.models import curves
from spikeserve.convert.models.neuron import (
    ABOVE_0,
    NOT_ZERO,
    TIME,
    TIME_ABOVE_0,
    NeuronModel,
    Response,
    parameter,
)

__all__ = [
    "AdaptiveLIFRate",
    "LIFRate",
    "LeakyReLU",
    "RectifiedLinear",
    "Sigmoid",
    "SoftLIFRate",
    "Tanh",
]

Rate = TypeVar("Rate", bound="RateModel")
Bounded = TypeVar("Bounded", bound="BoundedRate")


class RateModel(NeuronModel):
    """A neuron whose output is its rate."""

    spikes = False
    has_voltage = False

    def as_base(self: Rate, scale: float) -> Rate:
        """What a wrapper with this scale makes spikes of: as it is, where the scale is in the gain."""
        del scale
        return self


@dataclass(frozen=True)
class BoundedRate(RateModel):
    """A rate that ends at 1/tau_ref, whatever the current."""

    response = Response.BOUNDED
    amplitude = 1.0  # of a unit of rate: it has no parameter of the name

    tau_ref: float = parameter(1.0, TIME_ABOVE_0)

    def scaled(self: Bounded, scale: float) -> Bounded:
        """As it is: there are no spikes to make more of."""
        del scale
        return self

    def as_base(self: Bounded, scale: float) -> Bounded:
        """With the largest rate scaled."""
        return replace(self, tau_ref=self.tau_ref / scale)


@dataclass(frozen=True)
class RectifiedLinear(RateModel):
    """A rate neuron, no spikes: output amplitude*max(J, 0)."""

    wire_field = "rectified_linear"
    response = Response.LINEAR

    amplitude: float = parameter(1.0, NOT_ZERO)

    def steady_rate(self, current: Array) -> Array:
        """Its output."""
        return curves.rectified(current, self.amplitude)


@dataclass(frozen=True)
class LeakyReLU(RateModel):
    """A rate neuron: output amplitude*(max(J, 0) + negative_slope*min(J, 0))."""

    wire_field = "leaky_rectified_linear"
    response = Response.LINEAR

    negative_slope: float = parameter(0.3)
    amplitude: float = parameter(1.0, NOT_ZERO)

    def steady_rate(self, current: Array) -> Array:
        """Its output."""
        return curves.leaky_rectified(current, self.negative_slope, self.amplitude)


@dataclass(frozen=True)
class Sigmoid(BoundedRate):
    """A rate neuron: output 1/(1 + exp(-J))/tau_ref. Keras' sigmoid is tau_ref 1, the default here."""

    wire_field = "sigmoid"

    def steady_rate(self, current: Array) -> Array:
        """Its output, by a form that does not overflow."""
        return np.asarray(np.exp(-np.logaddexp(0, -current)) / self.tau_ref)


@dataclass(frozen=True)
class Tanh(BoundedRate):
    """A rate neuron: output tanh(J)/tau_ref. Keras' tanh is tau_ref 1, the default here."""

    wire_field = "tanh"

    def steady_rate(self, current: Array) -> Array:
        """Its output."""
        return np.asarray(np.tanh(current) / self.tau_ref)


@dataclass(frozen=True)
class LIFRate(RateModel):
    """The rate of a LIF neuron: amplitude/(tau_ref + tau_rc*log1p(1/(J-1))) where J > 1, else 0."""

    wire_field = "lif_rate"
    response = Response.TRAINED

    tau_rc: float = parameter(0.02, ABOVE_0)
    tau_ref: float = parameter(0.002, TIME)
    amplitude: float = parameter(1.0, NOT_ZERO)

    def steady_rate(self, current: Array) -> Array:
        """Its output."""
        return curves.lif(current, self.tau_rc, self.tau_ref, self.amplitude)


@dataclass(frozen=True)
class SoftLIFRate(RateModel):
    """LIFRate with sigma*softplus((J-1)/sigma) in place of J-1: smooth at the threshold."""

    wire_field = "soft_lif_rate"
    response = Response.TRAINED

    tau_rc: float = parameter(0.02, ABOVE_0)
    tau_ref: float = parameter(0.002, TIME)
    amplitude: float = parameter(1.0, NOT_ZERO)
    sigma: float = parameter(1.0, ABOVE_0)

    def steady_rate(self, current: Array) -> Array:
        """Its output; far below the threshold, where softplus(x) is exp(x), log1p(1/y) is -log(y)."""
        x = (current - 1) / self.sigma
        soft = self.sigma * np.logaddexp(0, np.maximum(x, -20))
        q = np.where(x <= -20, -x - np.log(self.sigma), np.log1p(1 / soft))
        return np.asarray(self.amplitude / (self.tau_ref + self.tau_rc * q))


@dataclass(frozen=True)
class AdaptiveLIFRate(RateModel):
    """LIFRate of J - a; a follows the output: a += dt/tau_n*(inc_n*output - a)."""

    wire_field = "adaptive_lif_rate"
    response = Response.TRAINED

    tau_rc: float = parameter(0.02, ABOVE_0)
    tau_ref: float = parameter(0.002, TIME)
    amplitude: float = parameter(1.0, NOT_ZERO)
    tau_n: float = parameter(1.0, ABOVE_0)
    inc_n: float = parameter(0.01)

    def steady_rate(self, current: Array) -> Array:
        """Its output, once the adaptation has settled."""
        return curves.adapted_lif(current, self.tau_rc, self.tau_ref, self.amplitude, self.inc_n)
