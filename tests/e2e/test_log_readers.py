"""A log that nobody reads holds up nothing: not requests, not probes, not the end of the server."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import servers

import spikeserve
from spikeserve.local_server import find_binary
from spikeserve.v1 import network_pb2, network_pb2_grpc

LOST = "spikeserve_log_lines_lost_total"


class PipedServer:
    """A server whose stderr is a pipe; it is read only where a test does."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [
                find_binary(), "--backend", "cpu", "--listen", "127.0.0.1:0", "--http-listen", "none",
                "--metrics-listen", "127.0.0.1:0", "--log-format", "json",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.metrics_address = self.process.stdout.readline().split()[-1]
        self.address = self.process.stdout.readline().split()[-1]

    def values(self) -> dict[str, float]:
        return servers.metrics(self)  # type: ignore[arg-type]

    def fill_the_log(self) -> None:
        """Calls until lines are lost: the pipe is full, and the room behind it."""
        name = "x" * 128
        with grpc.insecure_channel(self.address) as channel:
            stub: Any = network_pb2_grpc.NetworkServiceStub(channel)
            for _ in range(300):
                calls = [
                    stub.GetNetwork.future(network_pb2.GetNetworkRequest(name=name), timeout=60)
                    for _ in range(100)
                ]
                assert {call.code() for call in calls} == {grpc.StatusCode.NOT_FOUND}
                if self.values()[LOST] > 0:
                    return
        pytest.fail("no line was lost")


@pytest.fixture
def piped() -> Iterator[PipedServer]:
    server = PipedServer()
    yield server
    server.process.kill()
    server.process.communicate()


def test_nothing_waits_for_who_reads_the_log(piped: PipedServer) -> None:
    assert piped.values()[LOST] == 0
    piped.fill_the_log()
    with spikeserve.Client(piped.address, timeout=60) as client:
        client.load("net", servers.small_network())
        assert client.simulate("net", servers.samples(2), steps=10).samples == 2
    piped.process.send_signal(signal.SIGTERM)
    assert piped.process.wait(timeout=60) == 0


def test_a_line_says_how_many_were_lost(piped: PipedServer) -> None:
    piped.fill_the_log()
    lines: list[dict[str, Any]] = []

    def read() -> None:
        assert piped.process.stderr is not None
        lines.extend(json.loads(line) for line in piped.process.stderr)

    reader = threading.Thread(target=read)
    reader.start()
    with spikeserve.Client(piped.address, timeout=60) as client:

        def told() -> bool:
            client.list()
            return any(line["event"] == "log_lines_lost" for line in lines)

        servers.eventually(told, "the log says what it lost")
    piped.process.send_signal(signal.SIGTERM)
    assert piped.process.wait(timeout=60) == 0
    reader.join(timeout=60)
    told_lines = sum(line["lines"] for line in lines if line["event"] == "log_lines_lost")
    assert told_lines > 0
    assert (lines[0]["event"], lines[-1]["event"]) == ("starting", "stopped")
