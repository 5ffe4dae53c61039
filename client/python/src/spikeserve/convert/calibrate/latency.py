"""How late an input reaches the outputs, through synapses and delays: at all, and in the mean."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from spikeserve._show import count
from spikeserve.convert.definition.forward import topological
from spikeserve.v1 import network_pb2 as pb


def late_outputs(definition: pb.NetworkDefinition) -> list[str]:
    """A message for every probe that no input reaches within the default steps of a run."""
    arrivals = _arrivals(definition)
    steps = definition.defaults.steps
    return [
        f"no spike of the input reaches the output '{probe.target}' in {count(steps, 'step')}: synapses and "
        f"delays on the way take {late}; give steps={late + steps} or more"
        for probe in definition.probes
        for late in [arrivals[probe.target] + _steps(probe)]
        if late >= steps
    ]


def slow_outputs(definition: pb.NetworkDefinition) -> list[str]:
    """A message for every probe that the drive of the input reaches so late that biases outweigh it.

    A filter holds its input back by a time in the mean, and filters behind each other by the sum: what is
    missing of the mean of a long run is that time's share of the run. The mean that takes the start-up out
    does so for the outputs, and not for the neurons on the way.
    """
    readout, steps, dt = definition.defaults.readout, definition.defaults.steps, definition.defaults.dt
    arrivals = _arrivals(definition)
    held_back = _delays(definition, lambda way: _held_back(way, dt), lambda found: sum(found) / len(found))
    skipped = steps - 1 if readout.kind == pb.READOUT_KIND_LAST else readout.skip_steps
    share = 1.0 if readout.kind == pb.READOUT_KIND_CORRECTED_MEAN else 0.5  # of the steps that count
    return [
        f"synapses and delays hold back what reaches the output '{probe.target}' by about {late:.2g} steps "
        f"of the {steps} of a run, so that biases outweigh it and accuracy is lost; give "
        f"steps={math.ceil(round(4 * late, 6)) + readout.skip_steps} or more"
        for probe in definition.probes
        for late in [held_back[probe.target]]
        if late - skipped > share * (steps - skipped) and arrivals[probe.target] + _steps(probe) < steps
    ]


def _arrivals(definition: pb.NetworkDefinition) -> dict[str, float]:
    """By operation: the steps that the shortest way from an input takes."""
    return _delays(definition, _steps, min)


def _delays(
    definition: pb.NetworkDefinition,
    along: Callable[[pb.Connection], float],
    joined: Callable[[list[float]], float],
) -> dict[str, float]:
    """By operation: what the ways from the inputs add up to, joined where several meet."""
    ways: dict[str, list[pb.Connection]] = {}
    for connection in definition.connections:
        ways.setdefault(connection.target, []).append(connection)
    found: dict[str, float] = {}
    for operation in topological(definition):
        behind = [found[way.source] + along(way) for way in ways.get(operation.name, [])]
        found[operation.name] = joined(behind) if behind else 0
    return found


def _steps(way: pb.Connection | pb.Probe) -> int:
    """A synapse takes one step, beside what it does to the values."""
    return way.delay_steps + int(way.HasField("synapse"))


def _held_back(way: pb.Connection, dt: float) -> float:
    """The mean delay of what passes, in steps: the synapse's own, beside the steps before anything does."""
    delay = float(_steps(way))
    kind = way.synapse.WhichOneof("kind")
    if kind == "lowpass":
        return delay + way.synapse.lowpass.tau / dt
    if kind == "alpha":
        return delay + 2 * way.synapse.alpha.tau / dt
    if kind == "triangle":
        return delay + way.synapse.triangle.t / dt / 3
    if kind == "linear_filter":
        return delay + _of_filter(way.synapse.linear_filter, dt)
    return delay


def _of_filter(body: pb.LinearFilter, dt: float) -> float:
    """-H'/H where a constant passes; 0 for a filter that lets none through."""
    at = 1.0 if body.discrete else 0.0
    num, den = np.array(body.num), np.array(body.den)
    if np.polyval(num, at) == 0:
        return 0.0
    above, below = (np.polyval(np.polyder(p), at) / np.polyval(p, at) for p in (num, den))
    return float(below - above) / (1.0 if body.discrete else dt)
