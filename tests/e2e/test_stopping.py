"""The end of a server, seen from outside: SIGTERM, SIGINT, SIGHUP, twice, HTTP, answers under way."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import threading
import time
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import rest
import servers
from conftest import ServerMaker

import spikeserve

WIDTH = 64
LONG = 1_000_000  # steps that no machine does while a test runs


def ready(server: spikeserve.LocalServer) -> bool:
    try:
        servers.http_get(server, "/readyz")
    except urllib.error.HTTPError as error:
        return error.code != 503
    return True


def endless(client: spikeserve.Client) -> Iterator[spikeserve.Progress | spikeserve.SimulationResult]:
    """A stream that runs for longer than the test."""
    events = client.stream("net", servers.samples(64, WIDTH), steps=LONG, report_every=100)
    next(events)
    return events


@pytest.fixture
def busy(start_server: ServerMaker) -> Iterator[tuple[spikeserve.LocalServer, spikeserve.Client]]:
    """A server with a lame duck of minutes, and a client."""
    server = start_server(lame_duck_seconds=600, drain_seconds=600, max_steps=LONG, http_listen="127.0.0.1:0")
    with spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network(WIDTH, scale=100.0))
        yield server, client
        server.process.kill()


def test_sigterm_turns_not_ready_at_once_and_serves_on(
    busy: tuple[spikeserve.LocalServer, spikeserve.Client],
) -> None:
    server, client = busy
    assert ready(server)
    with spikeserve.Client(server.address) as other:  # a client whose health checks have seen nothing yet
        server.process.send_signal(signal.SIGTERM)
        servers.eventually(lambda: not ready(server), "/readyz is 503")
        with pytest.raises(spikeserve.UnavailableError, match="not serving"):
            servers.eventually(lambda: not other.simulate("net", servers.samples(1, WIDTH)).samples, "it is")
    url = http.client.HTTPConnection(server.http_address, timeout=20)
    url.request("GET", "/v2/health/live")
    answer = url.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (200, "close")
    assert server.process.poll() is None
    client.close()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_all_waiting(
    busy: tuple[spikeserve.LocalServer, spikeserve.Client], first: signal.Signals
) -> None:
    server, client = busy
    events = endless(client)
    server.process.send_signal(first)
    server.process.send_signal(first)  # the same wish: both come from one key in a terminal
    servers.eventually(lambda: "draining" in server.log, "it drains")
    time.sleep(1)  # twice as long as what comes again is the same wish
    assert server.process.poll() is None
    server.process.send_signal(signal.SIGTERM)
    with pytest.raises(spikeserve.UnavailableError, match="shutting down"):
        list(events)
    assert server.process.wait(60) == 0


def test_a_second_signal_leaves_http_answers_that_nobody_reads(start_server: ServerMaker) -> None:
    server = start_server(lame_duck_seconds=0, drain_seconds=600, http_listen="127.0.0.1:0")
    with spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network(256, scale=1000.0))
    host, _, port = server.http_address.rpartition(":")
    body = json.dumps({"inputs": [rest.tensor(servers.samples(4096, 256))], "parameters": {"steps": 7}})
    with socket.socket() as unread:
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.connect((host, int(port)))
        head = f"POST /v2/models/net/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        unread.sendall((head + body).encode())
        assert unread.recv(12) == b"HTTP/1.1 200"
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert server.process.poll() is None
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
    assert time.monotonic() - begin < 5


def test_sigint_and_a_server_without_clients_do_not_wait(start_server: ServerMaker) -> None:
    used = start_server(lame_duck_seconds=600)
    idle = start_server(lame_duck_seconds=600, repository_role="follower")
    with spikeserve.Client(used.address) as client:
        assert client.list() == ()
        used.process.send_signal(signal.SIGINT)
        assert used.process.wait(60) == 0
    idle.process.send_signal(signal.SIGTERM)
    assert idle.process.wait(60) == 0


def test_sighup_does_not_end_it(start_server: ServerMaker) -> None:
    server = start_server()
    server.process.send_signal(signal.SIGHUP)
    servers.eventually(lambda: "reloaded" in server.log, "it says so")
    with spikeserve.Client(server.address) as client:
        assert client.list() == ()
    assert server.stop() == 0


def test_every_answer_that_was_made_is_read(start_server: ServerMaker) -> None:
    """Answers of megabytes on their way when the server ends: it counts as many as its clients got."""
    server = start_server(log_format="json", workers=8)
    with spikeserve.Client(server.address, timeout=120) as client:
        client.load("net", servers.small_network(256))
    inputs = servers.samples(8, 256)
    begun = threading.Semaphore(0)

    def call() -> list[bytes]:
        answers = []
        ended = contextlib.suppress(spikeserve.UnavailableError)
        with spikeserve.Client(server.address, timeout=120) as mine, ended:
            while True:
                result = mine.simulate("net", inputs, steps=500, trajectories=True)
                answers.append(result.trajectories["output"].tobytes())
                begun.release()
        return answers

    with ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(call) for _ in range(8)]
        for _ in callers:
            assert begun.acquire(timeout=120)
        server.process.terminate()
        assert server.process.wait(120) == 0
        answers = [answer for caller in callers for answer in caller.result()]
    lines = [json.loads(line) for line in server.log.splitlines() if '"Simulate"' in line]
    assert len(answers) == sum(line["code"] == "OK" for line in lines)
    assert {line["code"] for line in lines} <= {"OK", "UNAVAILABLE"}
    assert len(set(answers)) == 1
