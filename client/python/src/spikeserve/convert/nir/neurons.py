"""Nodes with time: which neuron or filter here takes their steps."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.models.integrating import LIF, IntegrateAndFire
from spikeserve.convert.models.per_step import (
    FORGETS_STEPS,
    INTEGRATOR_STEPS,
    SUM_STEPS,
    euler_tau,
    lif_tau,
)
from spikeserve.convert.nir.fields import AGAIN, spread, uniform
from spikeserve.convert.nir.graph import NirNode
from spikeserve.convert.nir.options import NirOptions
from spikeserve.convert.nir.units import Filtering, Shape, Spiking

MAX_DELAY_STEPS = 4096
_NEAR = 0.01  # of a step, by which a delay may miss a whole number of them
PER_STEP = 0.1  # below, r*dt says that r is for inputs that come at once rather than during a step
_LONGEST = 1e6  # s, of a filter


def delay(node: NirNode, options: NirOptions) -> Filtering:
    """Delay in whole steps."""
    time = uniform(node, "delay", "a delay")
    steps = round(time / options.dt) if 0 <= time / options.dt < 2 * MAX_DELAY_STEPS else -1
    if not 0 <= steps <= MAX_DELAY_STEPS:
        longest = MAX_DELAY_STEPS * options.dt
        raise UnsupportedError(f"delay is {time:g} s, wanted 0 to {longest:g} s", "give a longer dt")
    if abs(time / options.dt - steps) > _NEAR:
        raise UnsupportedError(
            f"delay is {time:g} s, {time / options.dt:.4g} steps of {options.dt:g} s",
            "give a dt of which all delays are multiples",
        )
    return Filtering((), steps)


def leaky_integrator(node: NirNode, shape: Shape, options: NirOptions) -> Filtering:
    """LI and CubaLI: one low-pass, or two of them in series."""
    if node.kind == "LI":
        taus: tuple[float, ...] = (_filter_tau(node, "tau", options),)
        factor = spread(node, "r", shape)
    else:
        taus = (_filter_tau(node, "tau_syn", options), _filter_tau(node, "tau_mem", options))
        factor = spread(node, "r", shape) * spread(node, "w_in", shape, 1.0)
    shift = spread(node, "v_leak", shape)
    return Filtering(taus, factor=factor, shift=shift if shift.any() else None)


def integrator(node: NirNode, shape: Shape, options: NirOptions) -> Filtering:
    """I: a low-pass that forgets nothing a float32 could hold."""
    tau = SUM_STEPS * options.dt
    if tau > _LONGEST:
        raise UnsupportedError(
            f"a step of {options.dt:g} s is too long for a running sum",
            f"give dt, at most {_LONGEST / SUM_STEPS:.3g} s",
        )
    charge = charge_per_step(node, shape, options.dt)
    return Filtering((tau,), factor=charge * SUM_STEPS, endless=True)


def charge_per_step(node: NirNode, shape: Shape, dt: float) -> Array:
    """What an input of 1 adds to a voltage without leak in a step.

    Most tools add r*x, whatever dt is; where r is about 1/dt they mean a current of x during the step.
    """
    held = float(np.median(np.abs(node.values["r"]))) * dt >= PER_STEP
    return spread(node, "r", shape) * (dt if held else 1.0)


def integrate_and_fire(node: NirNode, shape: Shape, options: NirOptions) -> Spiking:
    """IF: one spike per step at most and then v_reset, or floor(v) spikes and as many thresholds less."""
    span, reset = _span(node, shape)
    charge = charge_per_step(node, shape, options.dt)
    start = 0.0 - reset / span
    _check_start(start)
    if options.reset == "subtract":
        model = IntegrateAndFire(amplitude=options.dt, min_voltage=options.min_voltage)
        return Spiking(model, charge / (span * options.dt), None, start)
    forgets_nothing = LIF(INTEGRATOR_STEPS * options.dt, 0.0, -math.inf, options.dt)
    return Spiking(forgets_nothing, charge * INTEGRATOR_STEPS / span, None, start)


def leaky_integrate_and_fire(node: NirNode, shape: Shape, options: NirOptions) -> Spiking:
    """LIF and CubaLIF: a LIF neuron without refractory period, the second behind a low-pass."""
    if options.reset == "subtract":
        raise UnsupportedError(
            "no neuron here both leaks and keeps what is above the threshold",
            "read the file with reset='value', as its equations say, or train with IF",
        )
    cuba = node.kind == "CubaLIF"
    tau = step_tau(uniform(node, "tau_mem" if cuba else "tau", "a LIF neuron"), options)
    span, reset = _span(node, shape)
    gain = spread(node, "r", shape) / span
    taus: tuple[float, ...] = ()
    if cuba:
        gain = gain * spread(node, "w_in", shape, 1.0)
        taus = (_filter_tau(node, "tau_syn", options),)
    rest = (spread(node, "v_leak", shape) - reset) / span
    model = LIF(lif_tau(tau, options.dt), 0.0, -math.inf, options.dt)
    return Spiking(model, gain, rest if rest.any() else None, np.minimum(rest, 1.0), taus)


def threshold(node: NirNode, shape: Shape, options: NirOptions) -> Spiking:
    """Threshold: a LIF neuron that forgets everything from step to step."""
    level = spread(node, "threshold", shape)
    model = LIF(FORGETS_STEPS * options.dt, 0.0, 0.0, options.dt)
    start = np.zeros(shape)
    if (level > 0).all():
        return Spiking(model, 1 / level, None, start)
    return Spiking(model, np.ones(shape), 1 - level, start)


def _span(node: NirNode, shape: Shape) -> tuple[Array, Array]:
    """From reset to threshold, and the reset."""
    top, reset = spread(node, "v_threshold", shape), spread(node, "v_reset", shape, 0.0)
    if (top <= reset).any():
        worst = np.unravel_index(int(np.argmin(top - reset)), shape)
        raise UnsupportedError(
            f"v_threshold is {top[worst]:g} and v_reset {reset[worst]:g}, wanted a threshold above", AGAIN
        )
    return top - reset, reset


def _check_start(start: Array) -> None:
    if start.max() > 1:
        raise UnsupportedError(
            "v_threshold is below 0, where the voltage starts", "move v_threshold and v_reset up"
        )


def step_tau(tau: float, options: NirOptions) -> float:
    """The time constant of a decay per step as the chosen integration has it."""
    if not tau > 0:
        raise UnsupportedError(f"a time constant is {tau:g} s, wanted one above 0", AGAIN)
    if options.integration == "exact":
        return tau
    if options.dt > tau * (1 + 1e-6):
        raise UnsupportedError(
            f"a time constant of {tau:g} s is shorter than dt, {options.dt:g} s, too short for Euler's rule",
            f"give dt={tau:g} or less, or integration='exact'",
        )
    return euler_tau(tau, options.dt)


def _filter_tau(node: NirNode, name: str, options: NirOptions) -> float:
    tau = step_tau(uniform(node, name, "a filter"), options)
    if tau > _LONGEST:
        raise UnsupportedError(f"{name} is {tau:g} s, wanted at most {_LONGEST:g} s", AGAIN)
    return tau
