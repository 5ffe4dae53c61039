"""Several clients of one server at the same time, for the scenarios of overload and fairness."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import networks
import numpy as np
from callers import Callers, Measured, simulate_request
from stage import Stage

import spikeserve

DENSE, OTHER, CONVOLUTION = "dense", "other", "convolution"


@dataclass(frozen=True)
class Work:
    """A kind of request."""

    network: str
    samples: int
    steps: int

    @property
    def sample_steps(self) -> int:
        """What one of them takes to compute."""
        return self.samples * self.steps

    def callers(self, server: spikeserve.LocalServer, seconds: float, **options: Any) -> Callers:
        """Clients that send it."""
        request = simulate_request(self.network, self.samples, networks.INPUTS, self.steps)
        return Callers(server.address, request.SerializeToString(), seconds, **options)


def apart() -> tuple[list[str], list[str]]:
    """A scene of a server on one core, and the prefix of clients on all others: neither slows the other.

    Both empty where there is one core alone.
    """
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))]
    if len(cores) < 2:
        return [], []
    return [f"taskset -pc {cores[0]} $$ >/dev/null"], ["taskset", "-c", ",".join(cores[1:])]


def open_server(
    stage: Stage, seed: int, *scene: str, token: str = "", **flags: Any
) -> spikeserve.LocalServer:
    """A server with three networks, each of which has run once."""
    server = stage.start(*scene, drain_seconds=0, log_level="warn", **flags)
    made = {
        DENSE: networks.dense_network(seed),
        OTHER: networks.dense_network(seed + 1),
        CONVOLUTION: networks.convolution_network(seed),
    }
    with spikeserve.Client(server.address, timeout=60, token=token or None) as client:
        for name, network in made.items():
            client.load(name, network)
            client.simulate(name, np.zeros((1, networks.INPUTS), np.float32), steps=10)
    return server


def bearer(token: str) -> list[tuple[str, str]]:
    """Metadata with this token, or none."""
    return [("authorization", f"Bearer {token}")] if token else []


@contextmanager
def beside(*floods: Callers) -> Iterator[None]:
    """These at work meanwhile; what they still wait for in the end is given up."""
    running = [flood.start() for flood in floods]
    try:
        yield
    finally:
        for one in running:
            one.kill()


def together(contestants: Mapping[Work, Callers]) -> dict[Work, Measured]:
    """All of them at the same time, each to its end."""
    running = {work: callers.start() for work, callers in contestants.items()}
    return {work: one.finish() for work, one in running.items()}


def goodput(measured: Mapping[Work, Measured]) -> float:
    """Sample-steps a second that were computed for calls that were answered, until the last of them was."""
    answered = [
        (work, begun + took)
        for work, one in measured.items()
        for begun, took, code in one.calls
        if code == "OK"
    ]
    return sum(work.sample_steps for work, _ in answered) / max((end for _, end in answered), default=1.0)
