"""Synapses: the filters behind a population or in front of a probe."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikeserve._keywords import Checked
from spikeserve.convert.arrays import Array
from spikeserve.v1 import network_pb2 as pb

_MAX_ORDER = 4
Coefficients = Sequence[float] | Array


def _check_time(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value}, wanted a time of at least 0 s")


@dataclass(frozen=True)
class Lowpass(Checked):
    """The filter y[n] = a*y[n-1] + (1-a)*u[n], a = exp(-dt/tau), and one step of delay."""

    tau: float  # s; 0 is a pure one-step delay

    def __post_init__(self) -> None:
        _check_time("tau", self.tau)


@dataclass(frozen=True)
class Alpha(Checked):
    """The filter 1/(tau*s + 1)^2 with its input held over the step, and one step of delay."""

    tau: float  # s

    def __post_init__(self) -> None:
        _check_time("tau", self.tau)


@dataclass(frozen=True)
class Triangle(Checked):
    """A finite response with round(t/dt)+1 weights that fall linearly, and one step of delay."""

    t: float  # s

    def __post_init__(self) -> None:
        _check_time("t", self.t)


@dataclass(frozen=True, init=False)
class LinearFilter:
    """The transfer function num/den, highest power first, of order 4 at most, and one step of delay.

    In s and discretised with the input held over the step, or with analog=False in z. All poles must be
    stable.
    """

    num: tuple[float, ...]
    den: tuple[float, ...]
    analog: bool

    def __init__(
        self, num: Sequence[float] | Array, den: Sequence[float] | Array, analog: bool = True
    ) -> None:
        object.__setattr__(self, "num", _coefficients(num, "num"))
        object.__setattr__(self, "den", _coefficients(den, "den"))
        object.__setattr__(self, "analog", bool(analog))
        if not 1 <= len(self.den) <= _MAX_ORDER + 1 or not 1 <= len(self.num) <= len(self.den):
            raise ValueError(
                f"num has {len(self.num)} and den {len(self.den)} coefficients, wanted 1..{_MAX_ORDER + 1} "
                "for den and no more for num"
            )
        if self.den[0] == 0:
            raise ValueError("den[0] is 0, wanted another number")
        poles = np.roots(self.den)
        stable = (poles.real < 0) if self.analog else (np.abs(poles) < 1)
        if not stable.all():
            raise ValueError(f"the filter is unstable: den has the roots {poles.tolist()}")


def _coefficients(values: Any, name: str) -> tuple[float, ...]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"{name} is {values!r:.60}, wanted a list of finite numbers")
    return tuple(float(value) for value in array)


Synapse = Lowpass | Alpha | Triangle | LinearFilter


def as_synapse(value: object) -> Synapse | None:
    """A synapse from None, tau in seconds, a synapse or Nengo's; ValueError for anything else."""
    if value is None or isinstance(value, Synapse):
        return value
    if type(value).__module__.split(".")[0] == "nengo":
        made = _from_nengo(value)
        if made is not None:
            return made
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return Lowpass(float(value))
    raise ValueError(
        f"{value!r} is not a synapse; give None, a time in seconds, Lowpass, Alpha, Triangle or LinearFilter"
    )


def _from_nengo(value: Any) -> Synapse | None:
    name = type(value).__name__
    if name in ("Lowpass", "Alpha"):
        return (Lowpass if name == "Lowpass" else Alpha)(float(value.tau))
    if name == "Triangle":
        return Triangle(float(value.t))
    if name == "LinearFilter":
        if getattr(value, "method", "zoh") != "zoh":
            raise ValueError(f"a LinearFilter with method {value.method!r}, wanted 'zoh'")
        return LinearFilter(value.num, value.den, value.analog)
    return None


def set_synapse(holder: pb.Connection | pb.Probe, synapse: Synapse | None) -> None:
    """Writes the synapse of a connection or probe; none where it is None."""
    if isinstance(synapse, Lowpass):
        holder.synapse.lowpass.tau = synapse.tau
    elif isinstance(synapse, Alpha):
        holder.synapse.alpha.tau = synapse.tau
    elif isinstance(synapse, Triangle):
        holder.synapse.triangle.t = synapse.t
    elif isinstance(synapse, LinearFilter):
        holder.synapse.linear_filter.num.extend(synapse.num)
        holder.synapse.linear_filter.den.extend(synapse.den)
        holder.synapse.linear_filter.discrete = not synapse.analog
    if synapse is not None:
        holder.synapse.SetInParent()
        if isinstance(synapse, Lowpass):
            holder.synapse.lowpass.SetInParent()


def describe_synapse(synapse: pb.Synapse) -> str:
    """A synapse as a person writes it: "lowpass 0.005 s"."""
    kind = synapse.WhichOneof("kind")
    if kind == "linear_filter":
        body = synapse.linear_filter
        numbers_of = [" ".join(f"{v:g}" for v in values) for values in (body.num, body.den)]
        return f"linear filter ({numbers_of[0]})/({numbers_of[1]}) in {'z' if body.discrete else 's'}"
    if kind == "triangle":
        return f"triangle {synapse.triangle.t:g} s"
    return "none" if kind is None else f"{kind} {getattr(synapse, kind).tau:g} s"
