"""Neuron models that an activation can be converted to."""

from __future__ import annotations

import math
import re
import typing
from dataclasses import dataclass, fields, replace

from spikeserve.v1 import network_pb2 as pb

_BELOW_RESET = 30.0  # mV, the threshold of Izhikevich's neuron


def _check(name: str, value: float, good: bool, wanted: str) -> None:
    if not (math.isfinite(value) and good):
        raise ValueError(f"{name} is {value}, wanted {wanted}")


def _check_amplitude(amplitude: float) -> None:
    _check("amplitude", amplitude, amplitude != 0, "a finite number other than 0")


def _check_min_voltage(value: float) -> None:
    if not value <= 0:
        raise ValueError(f"min_voltage is {value}, wanted at most 0")


class _Checked:
    """Checks the parameters that several models share, by name."""

    def __post_init__(self) -> None:
        for name in [field.name for field in fields(typing.cast(typing.Any, self))]:
            value = getattr(self, name)
            if name == "amplitude":
                _check_amplitude(value)
            elif name in ("tau_rc", "tau_n", "sigma"):
                _check(name, value, value > 0, "a number above 0")
            elif name == "tau_ref":
                least = "above 0" if isinstance(self, Sigmoid | Tanh) else "of at least 0"
                good = value > 0 if isinstance(self, Sigmoid | Tanh) else value >= 0
                _check(name, value, good, f"a time {least} s")
            elif name == "min_voltage":
                _check_min_voltage(value)
            elif name != "base":
                _check(name, value, True, "a finite number")


@dataclass(frozen=True)
class SpikingRectifiedLinear(_Checked):
    """Nengo's neuron: v += max(J, 0)*dt; n = floor(v); v -= n; output n*amplitude/dt."""

    amplitude: float = 1.0


@dataclass(frozen=True)
class IntegrateAndFire(_Checked):
    """Signed integrate-and-fire: v += J*dt; n = max(floor(v), 0); v -= n; output n*amplitude/dt."""

    amplitude: float = 1.0
    min_voltage: float = -math.inf  # lower bound of v; -inf: none


@dataclass(frozen=True)
class LIF(_Checked):
    """Leaky integrate-and-fire with refractory period; times in seconds, threshold 1, reset 0."""

    tau_rc: float = 0.02
    tau_ref: float = 0.002
    min_voltage: float = 0.0
    amplitude: float = 1.0


@dataclass(frozen=True)
class AdaptiveLIF(_Checked):
    """LIF with the current J - a; a follows the output: a += dt/tau_n*(inc_n*output - a)."""

    tau_rc: float = 0.02
    tau_ref: float = 0.002
    min_voltage: float = 0.0
    amplitude: float = 1.0
    tau_n: float = 1.0
    inc_n: float = 0.01


@dataclass(frozen=True)
class Izhikevich(_Checked):
    """Izhikevich's quadratic neuron with recovery; voltages in mV, rates in 1/ms."""

    tau_recovery: float = 0.02
    coupling: float = 0.2
    reset_voltage: float = -65.0
    reset_recovery: float = 8.0
    amplitude: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        below = self.reset_voltage < _BELOW_RESET
        _check("reset_voltage", self.reset_voltage, below, f"a number below {_BELOW_RESET:g} mV")


@dataclass(frozen=True)
class SpikingLeakyReLU(_Checked):
    """v += (max(J, 0) + negative_slope*min(J, 0))*dt; n = trunc(v), of either sign; v -= n."""

    negative_slope: float = 0.3
    amplitude: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("negative_slope", self.negative_slope, self.negative_slope >= 0, "a number of at least 0")


@dataclass(frozen=True)
class RectifiedLinear(_Checked):
    """A rate neuron, no spikes: output amplitude*max(J, 0)."""

    amplitude: float = 1.0


@dataclass(frozen=True)
class LeakyReLU(_Checked):
    """A rate neuron: output amplitude*(max(J, 0) + negative_slope*min(J, 0))."""

    negative_slope: float = 0.3
    amplitude: float = 1.0


@dataclass(frozen=True)
class Sigmoid(_Checked):
    """A rate neuron: output 1/(1 + exp(-J))/tau_ref. Keras' sigmoid is tau_ref 1, the default here."""

    tau_ref: float = 1.0


@dataclass(frozen=True)
class Tanh(_Checked):
    """A rate neuron: output tanh(J)/tau_ref. Keras' tanh is tau_ref 1, the default here."""

    tau_ref: float = 1.0


@dataclass(frozen=True)
class LIFRate(_Checked):
    """The rate of a LIF neuron: amplitude/(tau_ref + tau_rc*log1p(1/(J-1))) where J > 1, else 0."""

    tau_rc: float = 0.02
    tau_ref: float = 0.002
    amplitude: float = 1.0


@dataclass(frozen=True)
class SoftLIFRate(_Checked):
    """LIFRate with sigma*softplus((J-1)/sigma) in place of J-1: smooth at the threshold."""

    tau_rc: float = 0.02
    tau_ref: float = 0.002
    amplitude: float = 1.0
    sigma: float = 1.0


@dataclass(frozen=True)
class AdaptiveLIFRate(_Checked):
    """LIFRate of J - a; a follows the output: a += dt/tau_n*(inc_n*output - a)."""

    tau_rc: float = 0.02
    tau_ref: float = 0.002
    amplitude: float = 1.0
    tau_n: float = 1.0
    inc_n: float = 0.01


RateModel = RectifiedLinear | LeakyReLU | Sigmoid | Tanh | LIFRate | SoftLIFRate | AdaptiveLIFRate


class _Wrapper(_Checked):
    """A model that makes spikes of the output of a rate model."""

    base: RateModel

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.base, RateModel):
            raise ValueError(f"base is {self.base!r}, wanted a rate neuron, e.g. Tanh()")


@dataclass(frozen=True)
class RegularSpiking(_Wrapper):
    """v += R*dt; n = floor(v), of either sign; v -= n; output n*amplitude/dt, R the base's output."""

    base: RateModel
    amplitude: float = 1.0


@dataclass(frozen=True)
class StochasticSpiking(_Wrapper):
    """floor(|R|*dt) spikes, and one more with the probability of the remainder, in the sign of R."""

    base: RateModel
    amplitude: float = 1.0


@dataclass(frozen=True)
class PoissonSpiking(_Wrapper):
    """A Poisson number of spikes with mean |R|*dt, in the sign of R."""

    base: RateModel
    amplitude: float = 1.0


NeuronModel = (
    SpikingRectifiedLinear
    | IntegrateAndFire
    | LIF
    | AdaptiveLIF
    | Izhikevich
    | SpikingLeakyReLU
    | RateModel
    | RegularSpiking
    | StochasticSpiking
    | PoissonSpiking
)

# The field of NeuronOperation (and of RateModel) of every model.
FIELDS: dict[type[NeuronModel], str] = {
    SpikingRectifiedLinear: "spiking_rectified_linear",
    IntegrateAndFire: "integrate_and_fire",
    LIF: "lif",
    AdaptiveLIF: "adaptive_lif",
    Izhikevich: "izhikevich",
    SpikingLeakyReLU: "spiking_leaky_rectified_linear",
    RectifiedLinear: "rectified_linear",
    LeakyReLU: "leaky_rectified_linear",
    Sigmoid: "sigmoid",
    Tanh: "tanh",
    LIFRate: "lif_rate",
    SoftLIFRate: "soft_lif_rate",
    AdaptiveLIFRate: "adaptive_lif_rate",
    RegularSpiking: "regular_spiking",
    StochasticSpiking: "stochastic_spiking",
    PoissonSpiking: "poisson_spiking",
}
_BY_FIELD = {field: cls for cls, field in FIELDS.items()}
_BY_NAME = {cls.__name__: cls for cls in FIELDS}
RATE_FIELDS = frozenset(FIELDS[cls] for cls in typing.get_args(RateModel))
WITHOUT_VOLTAGE = RATE_FIELDS | {"stochastic_spiking", "poisson_spiking"}


def as_neuron(value: object) -> NeuronModel:
    """A neuron model from an instance, a class, a name or Nengo's object of the same name."""
    if isinstance(value, NeuronModel):
        return value
    named = value.__name__ if isinstance(value, type) else value
    nested = re.fullmatch(r"(\w+)\((\w+)\)", named) if isinstance(named, str) else None
    if nested is not None and nested[1] in _BY_NAME and "base" in _BY_NAME[nested[1]].__dataclass_fields__:
        return _BY_NAME[nested[1]](as_neuron(nested[2]))  # type: ignore[arg-type]
    cls = _BY_NAME.get(named) if isinstance(named, str) else None
    if cls is not None:
        if "base" in cls.__dataclass_fields__:
            raise ValueError(f"{cls.__name__} wants a base, e.g. {cls.__name__}(Tanh())")
        return cls()  # type: ignore[call-arg]
    cls = _BY_NAME.get(type(value).__name__)
    if cls is not None and type(value).__module__.split(".")[0] == "nengo":
        return _from_nengo(cls, value)
    raise ValueError(f"{value!r} is not a neuron; choose one of {', '.join(_BY_NAME)}")


def _from_nengo(cls: type[NeuronModel], value: object) -> NeuronModel:
    given: dict[str, typing.Any] = {}
    for name in [field.name for field in fields(cls)]:
        source = "base_type" if name == "base" else name
        if hasattr(value, source):
            found = getattr(value, source)
            given[name] = as_neuron(found) if name == "base" else float(found)
    return cls(**given)


def set_model(neuron: pb.NeuronOperation, model: NeuronModel) -> None:
    """Writes `model` into the operation."""
    _fill(getattr(neuron, FIELDS[type(model)]), model)


def _fill(message: typing.Any, model: NeuronModel) -> None:
    for name in [field.name for field in fields(model)]:
        value = getattr(model, name)
        if name == "base":
            _fill(getattr(message.base, FIELDS[type(value)]), value)
        elif not (name == "min_voltage" and isinstance(model, IntegrateAndFire) and value == -math.inf):
            setattr(message, name, value)
    message.SetInParent()


def get_model(neuron: pb.NeuronOperation) -> NeuronModel:
    """The model of an operation; ValueError where it has none or one out of its ranges."""
    return _read(neuron)


def _read(holder: typing.Any) -> NeuronModel:
    field = holder.WhichOneof("model")
    if field is None:
        raise ValueError("no neuron model is set")
    message, cls = getattr(holder, field), _BY_FIELD[field]
    given: dict[str, typing.Any] = {}
    for name in [item.name for item in fields(cls)]:
        if name == "base":
            given[name] = _read(message.base)
        elif not (name == "min_voltage" and cls is IntegrateAndFire and not message.HasField(name)):
            given[name] = getattr(message, name)
    return cls(**given)


def scaled(model: NeuronModel, scale: float) -> NeuronModel:
    """The model with `scale` times as many spikes that count for 1/scale each.

    Beside it the gain is multiplied by `scale`, except for wrappers of a bounded rate (`scales_gain`): there
    the rate itself is scaled, so that the output in the mean stays what the activation gives.
    """
    if isinstance(model, _Wrapper):
        base = model.base
        if isinstance(base, Sigmoid | Tanh):
            base = replace(base, tau_ref=base.tau_ref / scale)
        return replace(model, base=base, amplitude=model.amplitude / scale)
    if isinstance(model, Sigmoid | Tanh):
        return model
    return replace(model, amplitude=model.amplitude / scale)


def scales_gain(model: NeuronModel) -> bool:
    """Whether a scale multiplies the gain of the model's population."""
    bounded = Sigmoid | Tanh
    return not isinstance(model, bounded) and not (
        isinstance(model, _Wrapper) and isinstance(model.base, bounded)
    )


def is_homogeneous(model: NeuronModel) -> bool:
    """Whether a scale leaves the outputs as they are, so that it may be chosen freely."""
    base = model.base if isinstance(model, _Wrapper) else model
    linear = SpikingRectifiedLinear | IntegrateAndFire | SpikingLeakyReLU | RectifiedLinear | LeakyReLU
    return isinstance(base, linear) or (isinstance(model, _Wrapper) and not scales_gain(model))
