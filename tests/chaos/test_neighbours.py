"""Two servers where there is room for one, and a log that nobody reads."""

from __future__ import annotations

import fcntl
import hashlib
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import servers
from stage import Stage
from trial import Trial

import spikeserve


def test_a_second_server_on_one_unix_socket(stage: Stage, tmp_path: Path) -> None:
    """Is refused with a line that names the socket; the first one serves on, and beyond the second's end."""
    address = f"unix:{tmp_path / 's'}"
    first = stage.start(listen=address)
    with pytest.raises(spikeserve.ServerStartError, match=str(tmp_path / "s")) as caught:
        spikeserve.serve(backend="cpu", listen=address)
    assert "status 1" in str(caught.value)
    with spikeserve.Client(first.address) as client:
        assert client.list() == ()
    assert first.stop() == 0


def test_the_socket_of_a_server_that_was_killed(stage: Stage, tmp_path: Path) -> None:
    """What kill -9 leaves behind does not keep the next one from its place."""
    address = f"unix:{tmp_path / 's'}"
    first = stage.start(listen=address)
    first.process.kill()
    first.process.wait()
    second = stage.start(listen=address)
    with spikeserve.Client(second.address) as client:
        assert client.list() == ()
    assert second.stop() == 0


def test_two_servers_on_one_folder(stage: Stage) -> None:
    """Whether the second is refused or serves: what either has acknowledged is there afterwards."""
    first = stage.start()
    try:
        running = [first, stage.start()]
    except spikeserve.ServerStartError as error:
        if str(stage.repository) not in str(error):
            raise
        running = [first]
    with ThreadPoolExecutor(len(running)) as pool:
        stored = [one for many in pool.map(_load_some, range(len(running)), running) for one in many]
    assert len({(name, version) for name, version, _ in stored}) == len(stored)
    for server in running:
        assert server.stop() == 0
    with spikeserve.Client(stage.start().address) as client:
        found = sorted((info.name, info.version, info.sha256) for info in client.list())
    assert found == sorted(stored)


def _load_some(number: int, server: spikeserve.LocalServer) -> list[tuple[str, int, str]]:
    """Name, version and SHA-256 of the loads that were acknowledged."""
    stored = []
    with spikeserve.Client(server.address) as client:
        for attempt in range(60):
            network = servers.small_network(4, scale=1.0 + 2 * attempt + number)
            try:
                version = client.load("shared", network)
            except spikeserve.AlreadyExistsError:  # the other one was quicker
                continue
            stored.append(("shared", version, hashlib.sha256(network.to_bytes()).hexdigest()))
    assert stored
    return stored


def test_a_log_that_nobody_reads(trial: Trial, tmp_path: Path) -> None:
    """stderr is a pipe with room for 4 KiB: requests are answered, SIGTERM is heard, probes say the truth."""
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    try:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        trial.open(f"exec 2>'{pipe}'", log_level="debug")
        healthy = trial.healthy(trial.budget.seconds).run()
        trial.note("stderr that nobody reads", healthy)
        trial.require_healthy(healthy)
        with urllib.request.urlopen(f"http://{trial.server.metrics_address}/healthz", timeout=5) as answer:
            assert answer.status == 200
        trial.server.process.terminate()
        assert trial.server.process.wait(20) == 0
    finally:
        os.close(reader)
