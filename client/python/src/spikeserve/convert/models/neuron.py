"""What a neuron type is: its parameters with their ranges, and all that the converter knows of it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum, auto
from typing import Any, ClassVar, TypeVar

from spikeserve._keywords import Checked
from spikeserve.convert.arrays import Array

Model = TypeVar("Model", bound="NeuronModel")


class Response(Enum):
    """How the rate follows the current, which decides what a scale does to the outputs."""

    LINEAR = auto()  # proportional to the current on either side of 0: a scale leaves the outputs as they are
    BOUNDED = auto()  # below a largest rate: a scale multiplies that rate in place of the gain
    TRAINED = auto()  # nonlinear: a scale changes the function that was trained, more spikes or not
    UNTRAINED = auto()  # nonlinear, but no layer is trained with it: a scale only changes how often it fires


@dataclass(frozen=True)
class Range:
    """The values that a parameter may have; `wanted` describes them in a message."""

    wanted: str
    holds: Callable[[float], bool]
    finite: bool = True

    def check(self, name: str, value: float) -> None:
        """ValueError for a value outside of the range."""
        if not (self.holds(value) and (math.isfinite(value) or not self.finite)):
            raise ValueError(f"{name} is {value}, wanted {self.wanted}")


FINITE = Range("a finite number", lambda value: True)
NOT_ZERO = Range("a finite number other than 0", lambda value: value != 0)
AT_LEAST_0 = Range("a number of at least 0", lambda value: value >= 0)
ABOVE_0 = Range("a number above 0", lambda value: value > 0)
SLOPE = Range("a number from -1 to 1", lambda value: -1 <= value <= 1)
TIME = Range("a time of at least 0 s", lambda value: value >= 0)
TIME_ABOVE_0 = Range("a time above 0 s", lambda value: value > 0)
AT_MOST_0 = Range("at most 0", lambda value: value <= 0, finite=False)  # -inf stands for no bound


def parameter(default: float | None, allowed: Range = FINITE) -> Any:
    """A field of a neuron type: its default and the values it may have; None: it may be left out."""
    return field(default=default, metadata={"allowed": allowed})


@dataclass(frozen=True)
class NeuronModel(Checked, ABC):
    """A neuron type, with the parameters of one population.

    A type is a frozen dataclass that says everything below; one that leaves something out cannot be made.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        name = cls.__dict__.get("wire_field")
        if isinstance(name, str):
            TYPES[name] = cls

    # Whether what it has sent by a step is a function of what it has received by then.
    remembers: ClassVar[bool] = False
    # What its voltage starts from unless the caller says otherwise; None: what the preset says.
    usual_voltage: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if "allowed" in item.metadata and not (value is None and item.default is None):
                item.metadata["allowed"].check(item.name, value)

    @property
    @abstractmethod
    def wire_field(self) -> str:
        """The field of NeuronOperation (and of RateModel) that it is written to."""

    @property
    @abstractmethod
    def spikes(self) -> bool:
        """Whether it emits spikes; otherwise its output is the rate itself."""

    @property
    @abstractmethod
    def has_voltage(self) -> bool:
        """Whether it has a voltage that a run starts from."""

    @property
    @abstractmethod
    def response(self) -> Response:
        """How its rate follows the current."""

    @property
    @abstractmethod
    def amplitude(self) -> float:
        """What a spike counts for, or a unit of rate."""

    @abstractmethod
    def steady_rate(self, current: Array) -> Array:
        """The mean output of a neuron whose current stays as it is, in a population of gain 1."""

    def rate_behind(self, current: Array, gain: float | Array) -> Array:
        """The steady rate in a population of this gain, which `current` holds already."""
        del gain
        return self.steady_rate(current)

    @property
    def scales_gain(self) -> bool:
        """Whether a scale multiplies the gain of its population."""
        return self.response is not Response.BOUNDED

    @property
    def of_rows(self) -> bool:
        """Whether the rate of a neuron depends on the others along the last axis."""
        return False

    @property
    def scales_function(self) -> bool:
        """Whether a scale multiplies what a neuron with memory makes of its drive (output_scale)."""
        return self.remembers and not self.scales_gain

    @property
    def is_homogeneous(self) -> bool:
        """Whether a scale leaves the outputs as they are, so that it may be chosen freely."""
        return self.response is Response.LINEAR

    def scaled(self: Model, scale: float) -> Model:
        """The type with `scale` times as many spikes that count for 1/scale each.

        Beside it the gain is multiplied by `scale`, except where the rate is bounded (`scales_gain`): there
        the rate itself is scaled, so that the output in the mean stays what the activation gives.
        """
        return self._with(amplitude=self.amplitude / scale)

    def scaled_rate(self, current: Array, scale: float) -> Array:
        """The steady rate of a population with this scale."""
        gain = scale if self.scales_gain else 1.0
        return self.scaled(scale).rate_behind(gain * current, gain)

    def taking(self: Model, options: Mapping[str, float]) -> Model:
        """The type with those of an activation's options that are parameters of it."""
        own = {item.name for item in fields(self)}
        return self._with(**{name: value for name, value in options.items() if name in own})

    def _with(self: Model, **values: Any) -> Model:
        return replace(self, **values)


# Every neuron type by its field on the wire, in the order they are defined: the one registry.
TYPES: dict[str, type[NeuronModel]] = {}
