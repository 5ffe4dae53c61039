"""Neurons with memory for functions other than a ReLU, and these functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.models.integrating import IntegratingNeuron
from spikeserve.convert.models.neuron import ABOVE_0, NOT_ZERO, Response, parameter

__all__ = ["MemoryFunction"]

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543773
_RISING = frozenset({"sigmoid", "tanh", "elu", "selu", "softplus", "hard_sigmoid", "exponential", "softsign"})
_TABLE_END, _TABLE_SIZE = 6.0, 1 << 17  # of erf: linear between its values, right to 1e-9


@dataclass(frozen=True)
class MemoryFunction(IntegratingNeuron):
    """Neuron with memory for a function: by each step t it has sent floor(v0 + f(mean drive)*t*dt) in all.

    A step sends what is new, a negative number where spikes are taken back or the function is below 0; output
    n*amplitude/dt. `function`: "sigmoid", "tanh", "swish", "gelu", "gelu_tanh", "elu", "selu", "softplus",
    "mish", "hard_sigmoid" (x/6 + 1/2 within 0..1), "hard_swish", "exponential" or "softsign"; or of a row of
    neurons, along the last axis, "normalise" ((x - mean)/sqrt(variance + alpha)) or "softmax". `amplitude`:
    area of a spike, not 0. `alpha`: of elu, and above 0 of normalise; 0 for the others.
    """

    wire_field = "memory_function"
    response = Response.BOUNDED  # a scale multiplies what the function gives, also where that has no bound
    remembers = True
    usual_voltage: ClassVar[float | None] = 0.5  # what has been sent is rounded to the nearest

    function: str
    amplitude: float = parameter(1.0, NOT_ZERO)
    alpha: float = parameter(0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.function not in FUNCTIONS:
            raise ValueError(f"function is {self.function!r}, wanted one of {', '.join(FUNCTIONS)}")
        if self.function == "normalise":
            ABOVE_0.check("alpha", self.alpha)
        elif self.alpha != 0 and self.function != "elu":
            raise ValueError(f"alpha is {self.alpha}, wanted 0 for any function but elu and normalise")

    @property
    def of_rows(self) -> bool:
        """Whether it is a function of all neurons along the last axis together."""
        return self.function in ("normalise", "softmax")

    @property
    def rises(self) -> bool:
        """Whether the function never falls: the largest of its values is then that of the largest drive."""
        return self.function in _RISING and self.alpha >= 0

    @property
    def is_homogeneous(self) -> bool:
        """A scale leaves the outputs as they are: spikes count for as much less."""
        return True

    def steady_rate(self, current: Array) -> Array:
        """The function itself."""
        return np.asarray(self.amplitude * FUNCTIONS[self.function](current, self.alpha), current.dtype)

    def scaled_rate(self, current: Array, scale: float) -> Array:
        """As without the scale."""
        del scale
        return self.steady_rate(current)


@cache
def _error_function() -> tuple[Array, Array]:
    """(places, erf there) up to where it is 1."""
    places = np.linspace(0, _TABLE_END, _TABLE_SIZE)
    return places, np.array([math.erf(x) for x in places])


def _gelu(x: Array, alpha: float) -> Array:
    del alpha
    found = np.interp(np.abs(x) * math.sqrt(0.5), *_error_function())
    return np.asarray(x / 2 * (1 + np.copysign(found, x)))


def _gelu_tanh(x: Array, alpha: float) -> Array:
    del alpha
    return np.asarray(x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def _sigmoid(x: Array, alpha: float) -> Array:
    del alpha
    return np.asarray(0.5 + 0.5 * np.tanh(x / 2))


def _elu(x: Array, alpha: float) -> Array:
    return np.asarray(np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))))


def _hard_sigmoid(x: Array, alpha: float) -> Array:
    del alpha
    return np.asarray(np.clip(x / 6 + 0.5, 0, 1))


def _softplus(x: Array, alpha: float) -> Array:
    del alpha
    return np.asarray(np.logaddexp(0, x))


def _normalise(x: Array, alpha: float) -> Array:
    off = x - x.mean(axis=-1, keepdims=True)
    return np.asarray(off / np.sqrt((off**2).mean(axis=-1, keepdims=True) + alpha))


def _softmax(x: Array, alpha: float) -> Array:
    del alpha
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


# By name, as functions of the drive and of alpha.
FUNCTIONS: dict[str, Callable[[Array, float], Array]] = {
    "sigmoid": _sigmoid,
    "tanh": lambda x, alpha: np.tanh(x),
    "swish": lambda x, alpha: x * _sigmoid(x, alpha),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "elu": _elu,
    "selu": lambda x, alpha: _SELU_SCALE * _elu(x, _SELU_ALPHA),
    "softplus": _softplus,
    "mish": lambda x, alpha: x * np.tanh(_softplus(x, alpha)),
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x, alpha: x * _hard_sigmoid(x, alpha),
    "exponential": lambda x, alpha: np.exp(x),
    "normalise": _normalise,
    "softmax": _softmax,
    "softsign": lambda x, alpha: x / (1 + np.abs(x)),
}
