"""Disks that are full, small or read-only: what the client is told, and what is left of a network."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import servers

import spikeserve
from spikeserve.local_server import find_binary

DiskServer = Callable[..., spikeserve.LocalServer]
_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


@pytest.fixture
def start_on_disk(tmp_path: Path) -> Iterator[DiskServer]:
    """Starts servers with a disk of their own, mounted with these options, after a shell command `before`."""
    found = subprocess.run(
        [*_NAMESPACE, "mount", "-t", "tmpfs", "none", tmp_path], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        pytest.skip(f"a disk of the test's own cannot be mounted here: {found.stderr.strip()}")
    started: list[spikeserve.LocalServer] = []

    def start(options: str, before: str = "true") -> spikeserve.LocalServer:
        repository = tmp_path / "disk"
        repository.mkdir(exist_ok=True)
        disk, server = shlex.quote(str(repository)), shlex.quote(str(find_binary()))
        wrapper = tmp_path / "server"
        script = f'mount -t tmpfs -o {options} none {disk}; {before}; exec {server} "$@"'
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join([*_NAMESPACE, "sh", "-ec", script, "sh"])} "$@"\n')
        wrapper.chmod(0o755)
        started.append(spikeserve.serve(backend="cpu", network_repository=repository, binary=wrapper))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def stored(server: spikeserve.LocalServer, disk: Path) -> list[str]:
    """Files and folders on the server's disk, as it sees it, but for its lock."""
    root = Path(f"/proc/{server.process.pid}/root{disk}")
    found = (str(path.relative_to(root)) for path in root.rglob("*"))
    return sorted(path for path in found if path != ".spikeserve-owner")


def refusal(client: spikeserve.Client, width: int) -> spikeserve.SpikeserveError:
    """Of a network with two weight matrices of this width."""
    with pytest.raises(spikeserve.SpikeserveError) as caught:
        client.load("large", servers.small_network(width))
    return caught.value


def test_a_network_larger_than_the_disk_is_refused_before_it_is_sent(
    start_on_disk: DiskServer, tmp_path: Path
) -> None:
    server = start_on_disk("size=256k")
    with spikeserve.Client(server.address) as client:
        error = refusal(client, 256)  # 512 KiB of weights
        assert isinstance(error, spikeserve.ResourceExhaustedError)
        assert f"the disk of {tmp_path / 'disk'} has " in error.message
        assert " bytes free, and 5" in error.message
        assert "cannot be reached" not in error.message
        assert stored(server, tmp_path / "disk") == []
        client.load("small", servers.small_network())
        assert client.simulate("small", servers.samples(2)).samples == 2
        assert stored(server, tmp_path / "disk") == ["small", "small/1", "small/1/network.spk"]


@pytest.mark.parametrize(
    ("options", "before", "message"),
    [
        # The folders of a version are made, its file is not: there is no room for one more.
        ("size=4m,nr_inodes=4", "true", "no room for one more file"),
        # The file is begun, and may not become as large.
        ("size=4m", "ulimit -f 128", "more than one file may have here"),
    ],
)
def test_what_was_begun_of_a_network_is_removed(
    start_on_disk: DiskServer, tmp_path: Path, options: str, before: str, message: str
) -> None:
    server = start_on_disk(options, before)
    with spikeserve.Client(server.address) as client:
        free = servers.memory_used(server)
        error = refusal(client, 256)
        assert isinstance(error, spikeserve.ResourceExhaustedError)
        assert message in error.message
        assert str(tmp_path / "disk") in error.message
        assert stored(server, tmp_path / "disk") == []
        assert client.list() == ()
        servers.eventually(lambda: servers.memory_used(server) == free, "what the load held is free")


def test_a_disk_that_is_read_only(start_on_disk: DiskServer, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    network = servers.small_network()
    network.save(tmp_path / "kept.spk")
    kept = f"{disk}/kept/1"
    fill = f"mkdir -p {kept}; cp {tmp_path}/kept.spk {kept}/network.spk; mount -o remount,ro {disk}"
    server = start_on_disk("size=4m", fill)
    with spikeserve.Client(server.address) as client:
        assert client.simulate("kept", servers.samples(2)).samples == 2
        error = refusal(client, 4)
        assert isinstance(error, spikeserve.FailedPreconditionError)
        assert str(disk) in error.message
        assert "read-only" in error.message
        assert "cannot be reached" not in error.message
        with pytest.raises(spikeserve.FailedPreconditionError, match="version 1 stays"):
            client.unload("kept")
        assert client.simulate("kept", servers.samples(2)).samples == 2


def test_what_is_no_network_is_named_at_the_start(tmp_path: Path) -> None:
    repository = tmp_path / "networks"
    network = servers.small_network()
    for name, version in (
        ("good", "1"), ("good", "0"), ("good", "01"), ("good", "+1"), ("good", "abc"), ("not allowed", "1"),
    ):  # fmt: skip
        folder = repository / name / version
        folder.mkdir(parents=True)
        network.save(folder / "network.spk")
    network.save(repository / "good.spk")
    with spikeserve.serve(backend="cpu", network_repository=repository) as server:
        with spikeserve.Client(server.address) as client:
            assert [(info.name, info.version) for info in client.list()] == [("good", 1)]
        named = ("good/0", "good/01", "good/+1", "good/abc", "not allowed", "good.spk")
        lines = servers.log_lines(server, " no_network path=", len(named))
    assert len(lines) == len(named)
    for name in named:
        assert sum(f'"{name}\\"' in line for line in lines) == 1, name
    assert all("warn" in line for line in lines)
    assert any("is no version, which is a number from 1 to" in line for line in lines)
    assert any("is no name of a network, which is [A-Za-z0-9._-]" in line for line in lines)
