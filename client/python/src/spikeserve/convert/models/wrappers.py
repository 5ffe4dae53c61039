"""Neurons that make spikes of the output of a rate neuron."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.models.neuron import NOT_ZERO, NeuronModel, Response, parameter
from spikeserve.convert.models.rates import RateModel

__all__ = ["PoissonSpiking", "RegularSpiking", "StochasticSpiking"]

Wrapping = TypeVar("Wrapping", bound="Wrapper")


@dataclass(frozen=True)
class Wrapper(NeuronModel):
    """A neuron that makes spikes of the output of its base."""

    spikes = True

    base: RateModel
    amplitude: float = parameter(1.0, NOT_ZERO)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.base, RateModel):
            raise ValueError(f"base is {self.base!r}, wanted a rate neuron, e.g. Tanh()")

    @property
    def response(self) -> Response:
        """That of the base."""
        return self.base.response

    @property
    def is_homogeneous(self) -> bool:
        """Also where the base is bounded: its rate is scaled and the amplitude divided by as much."""
        return self.response in (Response.LINEAR, Response.BOUNDED)

    def scaled(self: Wrapping, scale: float) -> Wrapping:
        """More spikes of the same output."""
        return replace(self, base=self.base.as_base(scale), amplitude=self.amplitude / scale)

    def steady_rate(self, current: Array) -> Array:
        """The base's, in the amplitude of the spikes."""
        return np.asarray(self.amplitude * self.base.steady_rate(current))


@dataclass(frozen=True)
class RegularSpiking(Wrapper):
    """v += R*dt; n = floor(v), of either sign; v -= n; output n*amplitude/dt, R the base's output."""

    wire_field = "regular_spiking"
    has_voltage = True


@dataclass(frozen=True)
class StochasticSpiking(Wrapper):
    """floor(|R|*dt) spikes, and one more with the probability of the remainder, in the sign of R."""

    wire_field = "stochastic_spiking"
    has_voltage = False


@dataclass(frozen=True)
class PoissonSpiking(Wrapper):
    """A Poisson number of spikes with mean |R|*dt, in the sign of R."""

    wire_field = "poisson_spiking"
    has_voltage = False
