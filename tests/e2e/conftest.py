"""A server for the tests that share one, and a maker of servers for those that need their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spikeserve

pytest_plugins = ["client_table"]
ServerMaker = Callable[..., spikeserve.LocalServer]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spikeserve.LocalServer]:
    repository = tmp_path_factory.mktemp("shared") / "networks"
    with spikeserve.serve(backend="cpu", network_repository=repository) as server:
        yield server
    assert server.process.returncode == 0


@pytest.fixture
def client(server: spikeserve.LocalServer) -> Iterator[spikeserve.Client]:
    with spikeserve.Client(server.address, timeout=120) as client:
        yield client


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "networks"


@pytest.fixture
def start_server(repository: Path) -> Iterator[ServerMaker]:
    """Starts servers on `repository`; whatever still runs at the end is stopped."""
    servers: list[spikeserve.LocalServer] = []

    def start(**flags: Any) -> spikeserve.LocalServer:
        servers.append(spikeserve.serve(backend="cpu", network_repository=repository, **flags))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()
