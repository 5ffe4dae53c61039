"""Neuron models and synapses that an activation can be converted to."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, fields

from spikeserve.v1 import network_pb2 as pb


def _check_amplitude(amplitude: float) -> None:
    if not math.isfinite(amplitude) or amplitude == 0:
        raise ValueError(f"amplitude is {amplitude}, wanted a finite number other than 0")


@dataclass(frozen=True)
class SpikingRectifiedLinear:
    """Nengo's neuron: v += max(J, 0)*dt; n = floor(v); v -= n; output n*amplitude/dt."""

    amplitude: float = 1.0

    def __post_init__(self) -> None:
        _check_amplitude(self.amplitude)


@dataclass(frozen=True)
class IntegrateAndFire:
    """Signed integrate-and-fire: v += J*dt; n = max(floor(v), 0); v -= n; output n*amplitude/dt."""

    amplitude: float = 1.0

    def __post_init__(self) -> None:
        _check_amplitude(self.amplitude)


@dataclass(frozen=True)
class RectifiedLinear:
    """A rate neuron, no spikes: output amplitude*max(J, 0)."""

    amplitude: float = 1.0

    def __post_init__(self) -> None:
        _check_amplitude(self.amplitude)


@dataclass(frozen=True)
class LIF:
    """Leaky integrate-and-fire with refractory period; times in seconds, threshold 1, reset 0."""

    tau_rc: float = 0.02
    tau_ref: float = 0.002
    min_voltage: float = 0.0
    amplitude: float = 1.0

    def __post_init__(self) -> None:
        _check_amplitude(self.amplitude)
        if not (math.isfinite(self.tau_rc) and self.tau_rc > 0):
            raise ValueError(f"tau_rc is {self.tau_rc}, wanted a time above 0 s")
        if not (math.isfinite(self.tau_ref) and self.tau_ref >= 0):
            raise ValueError(f"tau_ref is {self.tau_ref}, wanted a time of at least 0 s")
        if not self.min_voltage <= 0:
            raise ValueError(f"min_voltage is {self.min_voltage}, wanted at most 0")


NeuronModel = SpikingRectifiedLinear | IntegrateAndFire | RectifiedLinear | LIF

_BY_NAME: dict[str, type[NeuronModel]] = {
    "SpikingRectifiedLinear": SpikingRectifiedLinear,
    "IntegrateAndFire": IntegrateAndFire,
    "RectifiedLinear": RectifiedLinear,
    "LIF": LIF,
}


@dataclass(frozen=True)
class Lowpass:
    """The filter y[n] = a*y[n-1] + (1-a)*u[n], a = exp(-dt/tau), and one step of delay."""

    tau: float  # s; 0 is a pure one-step delay

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tau) and self.tau >= 0):
            raise ValueError(f"tau is {self.tau}, wanted a time of at least 0 s")


def as_neuron(value: object) -> NeuronModel:
    """A neuron model from an instance, a class, a name or Nengo's object of the same name."""
    if isinstance(value, NeuronModel):
        return value
    named = value.__name__ if isinstance(value, type) else value
    if isinstance(named, str) and named in _BY_NAME:
        return _BY_NAME[named]()
    cls = _BY_NAME.get(type(value).__name__)
    if cls is not None and type(value).__module__.split(".")[0] == "nengo":
        names = [field.name for field in fields(cls)]
        return cls(**{name: float(getattr(value, name)) for name in names if hasattr(value, name)})
    raise ValueError(f"{value!r} is not a neuron; choose one of {', '.join(_BY_NAME)}")


def as_synapse(value: object) -> Lowpass | None:
    """A synapse from None, tau in seconds, a Lowpass or Nengo's; ValueError for anything else."""
    if value is None or isinstance(value, Lowpass):
        return value
    if type(value).__name__ == "Lowpass" and type(value).__module__.split(".")[0] == "nengo":
        value = getattr(value, "tau", None)
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return Lowpass(float(value))
    raise ValueError(f"{value!r} is not a synapse; give None, a time in seconds or a Lowpass")


def set_model(neuron: pb.NeuronOperation, model: NeuronModel, amplitude: float) -> None:
    """Writes `model`, with its amplitude replaced, into the operation."""
    if isinstance(model, SpikingRectifiedLinear):
        neuron.spiking_rectified_linear.amplitude = amplitude
    elif isinstance(model, IntegrateAndFire):
        neuron.integrate_and_fire.amplitude = amplitude
    elif isinstance(model, RectifiedLinear):
        neuron.rectified_linear.amplitude = amplitude
    else:
        neuron.lif.tau_rc = model.tau_rc
        neuron.lif.tau_ref = model.tau_ref
        neuron.lif.min_voltage = model.min_voltage
        neuron.lif.amplitude = amplitude
