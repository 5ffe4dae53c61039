"""Repositories that are read-only, go away, or come back as another folder."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import replicas
import servers

import spikeserve
from spikeserve.local_server import find_binary

ServerMaker = Callable[..., spikeserve.LocalServer]
_POLL = {"repository_poll_seconds": replicas.POLL_SECONDS}
_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


@pytest.fixture
def read_only_server(tmp_path: Path, repository: Path) -> Path:
    """A program that is the server, and sees the repository as a mount that it may not write to."""
    repository.mkdir()
    folder = shlex.quote(str(repository))
    mount = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
    tried = subprocess.run([*_NAMESPACE, "sh", "-ec", mount], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"a folder cannot be mounted read-only here: {tried.stderr.strip()}")
    script = f'{mount}; exec {shlex.quote(str(find_binary()))} "$@"'
    program = tmp_path / "server"
    program.write_text(f'#!/bin/sh\nexec {shlex.join([*_NAMESPACE, "sh", "-ec", script, "sh"])} "$@"\n')
    program.chmod(0o755)
    return program


def test_a_read_only_mount_is_followed(
    start_server: ServerMaker, repository: Path, read_only_server: Path
) -> None:
    reader = start_server(binary=read_only_server, **_POLL)
    owner = start_server()
    network = servers.small_network()
    with spikeserve.Client(owner.address) as client:
        client.load("net", network)
    replicas.await_served(reader, [("net", 1, replicas.digest(network))])
    with spikeserve.Client(reader.address) as client:
        for change in (lambda: client.load("net", network), lambda: client.unload("net")):
            with pytest.raises(spikeserve.FailedPreconditionError, match="Read-only file system") as caught:
                change()
            assert f"process {owner.process.pid} on " in caught.value.message
    assert replicas.version_file(repository, "net", 1).exists()
    assert replicas.repository_status(reader)["role"] == "reader"
    with spikeserve.Client(owner.address) as client:
        client.unload("net")
    replicas.await_served(reader, [])


@pytest.mark.parametrize("place", ["nothing", "an empty folder"])
def test_a_folder_that_goes_away_and_comes_back(
    start_server: ServerMaker, repository: Path, place: str
) -> None:
    """What is loaded serves on; it is said once, shown, and over when the folder is back."""
    server = start_server(**_POLL)
    networks = [servers.small_network(scale=scale) for scale in (1.0, 2.0)]
    with spikeserve.Client(server.address) as client:
        client.load("net", networks[0])
        before = replicas.served(server)
        away = repository.rename(repository.with_name("away"))
        if place != "nothing":
            repository.mkdir()
        with replicas.Traffic(server, "net") as traffic:
            servers.eventually(lambda: bool(replicas.repository_status(server)["last_error"]), "told", 60)
            replicas.await_polls(server)
            traffic.await_version(1)
            assert replicas.served(server) == before
            with pytest.raises(spikeserve.SpikeserveError, match=str(repository)):
                client.load("net", networks[1])
            assert not repository.exists() or not list(repository.iterdir())
            if place != "nothing":
                repository.rmdir()
            networks[1].save(replicas.version_file(away, "net", 2))
            away.rename(repository)
            traffic.await_version(2)
        assert not traffic.errors
        assert client.load("net", servers.small_network(scale=3.0)) == 3
    status = replicas.repository_status(server)
    assert (status["last_error"], status["role"]) == ("", "owner")
    assert status["failed_polls"] >= 3
    assert len(servers.log_lines(server, "repository_poll_failed")) == 1
    assert len(servers.log_lines(server, "repository_poll_recovered")) == 1
