"""Parameters with which the neurons and filters here take another simulator's steps exactly.

Nearly all simulators that read NIR add x to a voltage once per step, so that signals are numbers per step: a
spike is a 1. A LIF neuron here relaxes to J by 1 - exp(-dt/tau_rc) per step, resets to 0 and keeps no rest of
the threshold: with a refractory period of 0 that is the usual discrete LIF, at a suitable tau_rc.
"""

from __future__ import annotations

import math

INTEGRATOR_STEPS = 2.0**80  # tau_rc in steps of a LIF neuron that forgets nothing: v - J rounds to -J
SUM_STEPS = 2.0**26  # tau in steps of a low-pass whose decay is 1 in float32: a running sum
FORGETS_STEPS = 2.0**-5  # tau in steps of what keeps nothing from step to step: exp(-32) is 0 beside 1


def euler_tau(tau: float, dt: float) -> float:
    """The time constant whose exponential decay over dt is the 1 - dt/tau of Euler's rule; 0 where dt is tau.

    Both in s, and dt at most tau.
    """
    return -dt / math.log1p(-dt / tau) if dt < tau else 0.0


def tau_of_euler(tau: float, dt: float) -> float:
    """The inverse: the tau for which Euler's rule over dt decays as exp(-dt/tau) does."""
    return -dt / math.expm1(-dt / tau) if tau > 0 else dt


def lif_tau(tau: float, dt: float) -> float:
    """tau for a LIF neuron, whose tau_rc must be above 0."""
    return max(tau, FORGETS_STEPS * dt)
