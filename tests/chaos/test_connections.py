"""Connections that come and go, that say nothing, or whose clients are killed."""

from __future__ import annotations

import socket
import time
import urllib.request
from contextlib import ExitStack

import pytest
from callers import simulate_request
from trial import NAME, WIDTH, Trial

import spikeserve
from spikeserve.v1 import network_pb2 as pb
from spikeserve.v1 import simulation_pb2

LISTENER_DIES = "the table's row on short connections: gRPC's listener dies where descriptors run out"


@pytest.mark.xfail(reason=LISTENER_DIES, strict=True)
def test_short_connections(trial: Trial) -> None:
    budget = trial.budget
    trial.open(f"ulimit -n {budget.descriptors}")
    row = f"{budget.connections:,} short connections"
    outcome = trial.attack("ShortConnections", row, newcomer=True, connections=8, count=budget.connections)
    trial.require_held(outcome)


@pytest.mark.xfail(reason=LISTENER_DIES, strict=True)
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


@pytest.mark.xfail(reason="the table's row on the metrics port: silent connections hold it", strict=True)
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
    outcome = trial.attack(
        "KilledClients", f"{count} clients killed", connections=12, count=count, bodies=_bodies(trial)
    )
    assert outcome.attacker["killed"] == count
    trial.gauges.require_back(trial.before)
    _require_free_sessions(trial, 16)
    trial.require_held(outcome)


def _bodies(trial: Trial) -> dict[str, str]:
    """The first message of each kind of call that the killed clients make."""
    header = pb.LoadNetworkHeader(name="half", total_bytes=16 << 20, sha256=bytes(32))
    stream = simulation_pb2.SimulateStreamRequest(
        request=simulate_request(NAME, 8, WIDTH, 1_000_000), report_every=100
    )
    opened = simulation_pb2.SessionOpen(settings=simulation_pb2.SimulateRequest(network=NAME), batch=4)
    messages = {
        "NetworkService/LoadNetwork": pb.LoadNetworkRequest(header=header),
        "SimulationService/SimulateStream": stream,
        "SimulationService/Session": simulation_pb2.SessionRequest(open=opened),
    }
    paths = {}
    for name, message in messages.items():
        path = trial.stage.folder / name.rpartition("/")[2]
        path.write_bytes(message.SerializeToString())
        paths[f"/spikeserve.v1.{name}"] = str(path)
    return paths


def _require_free_sessions(trial: Trial, count: int) -> None:
    with ExitStack() as opened:
        client = opened.enter_context(spikeserve.Client(trial.server.address))
        for _ in range(count):
            opened.enter_context(client.session(NAME, batch=1))
