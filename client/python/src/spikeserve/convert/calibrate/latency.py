"""How many steps pass before an input reaches the outputs, through synapses and delays."""

from __future__ import annotations

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


def _arrivals(definition: pb.NetworkDefinition) -> dict[str, int]:
    """By operation: the steps that the shortest way from an input takes."""
    ways: dict[str, list[pb.Connection]] = {}
    for connection in definition.connections:
        ways.setdefault(connection.target, []).append(connection)
    arrivals: dict[str, int] = {}
    for operation in topological(definition):
        behind = [arrivals[way.source] + _steps(way) for way in ways.get(operation.name, [])]
        arrivals[operation.name] = min(behind, default=0)
    return arrivals


def _steps(way: pb.Connection | pb.Probe) -> int:
    """A synapse takes one step, beside what it does to the values."""
    return way.delay_steps + int(way.HasField("synapse"))
