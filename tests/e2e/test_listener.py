"""A server that runs out of file descriptors: gRPC stops listening for good, which must not go unnoticed."""

from __future__ import annotations

import resource
import socket
from pathlib import Path
from urllib.error import HTTPError, URLError

import servers
from conftest import ServerMaker

import spikeserve


def open_files(server: spikeserve.LocalServer) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def is_ready(server: spikeserve.LocalServer) -> bool:
    try:
        servers.http_get(server, "/readyz")
    except (HTTPError, URLError, OSError):
        return False
    return True


def test_the_limit_of_open_files_is_raised(start_server: ServerMaker) -> None:
    server = start_server()
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard


def test_a_lost_listener_ends_the_server(start_server: ServerMaker) -> None:
    server = start_server(drain_seconds=1)
    with spikeserve.Client(server.address) as client:
        assert client.list() == ()
    assert is_ready(server)
    host, _, port = server.address.rpartition(":")
    limit = open_files(server) + 8
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    connections = [socket.create_connection((host, int(port))) for _ in range(30)]
    servers.eventually(lambda: open_files(server) >= limit, "no descriptor is left")
    servers.eventually(lambda: "listener_unreachable" in server.log, "the server has noticed")
    for connection in connections:
        connection.close()
    assert not is_ready(server)
    assert server.process.wait(60) == 1
    assert "listener_lost" in server.log
