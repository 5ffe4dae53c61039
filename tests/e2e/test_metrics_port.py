"""The metrics port: probes are answered whoever else is connected, and what is shown there is well formed."""

from __future__ import annotations

import socket
import time

import pytest
import servers
from conftest import ServerMaker


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT"], ids=["silent", "half a request"])
def test_silent_connections_keep_no_probe_waiting(start_server: ServerMaker, sent: bytes) -> None:
    server = start_server()
    assert server.metrics_address
    silent = []
    for _ in range(300):
        silent.append(connect(server.metrics_address))
        if sent:
            silent[-1].sendall(sent)
    fastest = min(_seconds_of_a_probe(server) for _ in range(5))
    slowest = max(_seconds_of_a_probe(server) for _ in range(20))
    for connection in silent:
        connection.close()
    assert fastest < 0.1  # what it takes without the silent ones, on a machine that has time
    assert slowest < 1


def _seconds_of_a_probe(server: servers.spikeserve.LocalServer) -> float:
    start = time.monotonic()
    assert servers.http_get(server, "/healthz") == "ok\n"
    return time.monotonic() - start


def test_a_silent_connection_is_closed(start_server: ServerMaker) -> None:
    server = start_server()
    assert server.metrics_address
    with connect(server.metrics_address) as connection:
        assert connection.recv(1) == b""  # after five seconds


def test_connections_are_used_again(start_server: ServerMaker) -> None:
    server = start_server()
    assert server.metrics_address
    with connect(server.metrics_address) as connection:
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):
                part = connection.recv(4096)
                assert part
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")
