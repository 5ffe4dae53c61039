"""Connections that come and go, that say nothing, or whose clients are killed."""

from __future__ import annotations

import socket
import time
import urllib.request
from contextlib import ExitStack

from trial import NAME, Trial

import spikeserve


def test_short_connections(trial: Trial) -> None:
    budget = trial.budget
    trial.open(f"ulimit -n {budget.descriptors}")
    row = f"{budget.connections:,} short connections"
    outcome = trial.attack("ShortConnections", row, newcomer=True, connections=8, count=budget.connections)
    trial.require_held(outcome)


def test_more_connections_than_descriptors(trial: Trial) -> None:
    """Held open: others on older connections go on, and new ones get in as soon as there is room."""
    trial.open("ulimit -n 128")
    count = 400
    outcome = trial.attack("HeldConnections", f"{count} held connections, 128 descriptors", count=count)
    trial.require_held(outcome)  # with new connections


def test_silent_connections(trial: Trial) -> None:
    trial.open()
    outcome = trial.attack("HeldConnections", "300 silent connections", count=300)
    trial.require_held(outcome)


def test_silent_connections_to_the_metrics_port(trial: Trial) -> None:
    trial.open()
    host, _, port = trial.server.metrics_address.rpartition(":")
    with ExitStack() as held:
        for _ in range(300):
            held.enter_context(socket.create_connection((host, int(port)), timeout=10))
        for page in ("/healthz", "/readyz", "/metrics"):
            begun = time.monotonic()
            with urllib.request.urlopen(f"http://{host}:{port}{page}", timeout=2) as answer:
                assert answer.status == 200
            assert time.monotonic() - begun <= 1.0, page
    trial.require_clean()


def test_clients_that_are_killed(trial: Trial) -> None:
    """While they upload, stream, or hold a session; afterwards all sessions and uploads are free again."""
    count = trial.budget.killed_clients
    trial.open(max_sessions=16, max_uploads=4, max_steps=10_000_000)
    bodies = trial.bodies(samples=4)
    row = f"{count:,} clients killed"
    outcome = trial.attack("KilledClients", row, connections=12, count=count, bodies=bodies)
    assert outcome.attacker["killed"] == count
    trial.gauges.require_back(trial.before)
    _require_free_sessions(trial, 16)
    trial.require_held(outcome)


def _require_free_sessions(trial: Trial, count: int) -> None:
    with ExitStack() as opened:
        client = opened.enter_context(spikeserve.Client(trial.server.address))
        for _ in range(count):
            opened.enter_context(client.session(NAME, batch=1))
