"""Servers on one repository, and what they are seen to serve."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import servers

import spikeserve

POLL_SECONDS = 1
Served = list[tuple[str, int, str]]  # name, version, SHA-256 of the definition


def served(server: spikeserve.LocalServer) -> Served:
    """What is ready."""
    with spikeserve.Client(server.address) as client:
        return [(one.name, one.version, one.sha256) for one in client.list() if one.state == "ready"]


def digest(network: spikeserve.Network) -> str:
    """As the server shows it."""
    return hashlib.sha256(network.to_bytes()).hexdigest()


def await_served(server: spikeserve.LocalServer, wanted: Served, timeout: float = 30) -> None:
    """Until exactly this is ready."""
    servers.eventually(lambda: served(server) == sorted(wanted), f"{wanted} is served", timeout)


def polls(server: spikeserve.LocalServer) -> float:
    """Looks at the repository, since the start."""
    return servers.counter(servers.metrics(server), "spikeserve_repository_polls_total")


def await_polls(server: spikeserve.LocalServer, count: int = 3) -> None:
    """Until it has looked so many more times."""
    wanted = polls(server) + count
    servers.eventually(lambda: polls(server) >= wanted, f"{count} more polls", 60)


def owns(server: spikeserve.LocalServer) -> bool:
    """Whether this server takes loads and unloads."""
    return servers.metrics(server)["spikeserve_repository_owned"] == 1


def repository_status(server: spikeserve.LocalServer) -> dict[str, Any]:
    """The repository's row of /statusz."""
    (row,) = json.loads(servers.http_get(server, "/statusz?format=json"))["repository"]
    assert isinstance(row, dict)
    return row


def version_file(repository: Path, name: str, version: int) -> Path:
    """Where a version is stored; the folder is made."""
    path = repository / name / str(version) / "network.spk"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


class Traffic:
    """Runs of the default version of one network, from a thread; use it in a `with`."""

    def __init__(self, server: spikeserve.LocalServer, name: str) -> None:
        self.versions: list[int] = []
        self.errors: list[str] = []
        self._name = name
        self._end = threading.Event()
        self._client = spikeserve.Client(server.address, timeout=60)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._client.close()

    def await_version(self, version: int) -> None:
        """Until a run was answered by this version."""
        servers.eventually(lambda: self.versions[-1:] == [version] or bool(self.errors), f"{version}", 60)
        assert not self.errors

    def _run(self) -> None:
        inputs = servers.samples(2)
        while not self._end.wait(0.01):
            try:
                self.versions.append(self._client.simulate(self._name, inputs, steps=20).settings.version)
            except spikeserve.SpikeserveError as error:
                self.errors.append(repr(error))
