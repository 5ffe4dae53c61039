"""A network that goes away: clients that vanish without a word, and what is left of them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
import servers
from trial import NAME, Trial

import spikeserve

OWN_NAMESPACE = "SPIKESERVE_CHAOS_NAMESPACE"  # set by tools/chaos.sh where it could make one
_HERE, _THERE = "198.51.100.1", "198.51.100.2"  # of a range that is for examples and never routed
_SESSIONS = 16
_IDLE_S = 3


class Cable:
    """Joins the namespace of the tests to one of clients that are to vanish."""

    def __init__(self) -> None:
        self.clients = f"chaos{os.getpid()}"
        _ip("netns", "add", self.clients)
        _ip("link", "add", "chaos0", "type", "veth", "peer", "chaos1", "netns", self.clients)
        _ip("address", "add", f"{_HERE}/30", "dev", "chaos0")
        _ip("link", "set", "chaos0", "up")
        _ip("-n", self.clients, "address", "add", f"{_THERE}/30", "dev", "chaos1")
        _ip("-n", self.clients, "link", "set", "chaos1", "up")

    def pull(self) -> None:
        """What is on its way is lost, and neither side is told."""
        _ip("-n", self.clients, "link", "set", "chaos1", "down")

    def remove(self) -> None:
        """Both ends and the namespace."""
        _ip("link", "delete", "chaos0")
        _ip("netns", "delete", self.clients)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    if not os.environ.get(OWN_NAMESPACE):
        pytest.skip("no network namespace of its own: run tools/chaos.sh as root, with iproute2")
    cable = Cable()
    yield cable
    cable.remove()


def test_half_open_connections(trial: Trial, cable: Cable) -> None:
    """Streams and sessions give up their places by the flags for silent clients, descriptors by keepalive."""
    trial.open(
        listen=f"{_HERE}:0", session_idle_seconds=_IDLE_S, write_idle_seconds=_IDLE_S, max_sessions=_SESSIONS
    )
    in_namespace = ("ip", "netns", "exec", cable.clients)
    healthy = trial.healthy(trial.budget.seconds + 1.0).start()
    with trial.attacking(
        "HeldCalls", prefix=in_namespace, source=_THERE, seconds=600.0, connections=2 * _SESSIONS,
        bodies=trial.bodies(samples=1),
    ):  # fmt: skip
        servers.eventually(lambda: trial.gauges.held().memory_used > trial.before.memory_used, "calls run")
        time.sleep(0.5)
        cable.pull()
    measured = healthy.finish()
    trial.note("half-open connections", measured, attack=f"{2 * _SESSIONS} clients vanish in their calls")
    trial.require_healthy(measured)
    # Nothing is left but the connections; a server may need several descriptors for each.
    allowed = replace(trial.before, descriptors=trial.before.descriptors + 4 * 2 * _SESSIONS)
    trial.gauges.require_back(allowed)
    with ExitStack() as opened:
        client = opened.enter_context(spikeserve.Client(trial.server.address))
        for _ in range(_SESSIONS):
            opened.enter_context(client.session(NAME, batch=1))
    if trial.budget.patience:
        trial.gauges.require_back(trial.before, trial.budget.patience)
    assert trial.server.stop() == 0
