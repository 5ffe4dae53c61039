"""Disks that are full, read-only or broken: a load fails with what is wrong, and everything else goes on."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import preloaded
import pytest
import servers
from budget import Budget
from figures import Figures
from gauges import Gauges
from stage import Stage
from stored import WIDTH, Storekeeper

import spikeserve

_OPERATIONS = 11  # on files, of one load


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 1 MiB on this folder; skips where this machine may not mount one."""
    folder.mkdir()
    command: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    mount = subprocess.run(command, capture_output=True, text=True, check=False)
    if mount.returncode:
        pytest.skip(f"no file system of its own can be mounted: {mount.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def require_serving(client: spikeserve.Client, name: str) -> None:
    assert client.simulate(name, np.ones((1, WIDTH), np.float32), steps=5, timeout=10).samples == 1


def test_a_full_disk(stage: Stage) -> None:
    """The error says which disk and what is needed; once there is room again, the same load works."""
    with small_disk(stage.repository) as disk:
        server = stage.start()
        with spikeserve.Client(server.address) as client:
            client.load("kept", servers.small_network(WIDTH))
            held = Gauges(server).held()
            large = servers.small_network(600)  # 2.9 MB
            with pytest.raises(spikeserve.ResourceExhaustedError) as caught:
                client.load("large", large)
            assert str(disk) in caught.value.message
            assert any(character.isdigit() for character in caught.value.message)
            require_serving(client, "kept")
            Gauges(server).require_back(held)
            assert servers.files_in(disk) == ["kept/1/network.spk"]
            filler = disk / "filler"
            filler.write_bytes(bytes(_free(disk)))
            with pytest.raises(spikeserve.ResourceExhaustedError):
                client.load("kept", servers.small_network(WIDTH, scale=2.0))
            filler.unlink()
            assert client.load("kept", servers.small_network(WIDTH, scale=2.0)) == 2
        assert server.stop() == 0


def _free(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def test_a_read_only_disk(stage: Stage) -> None:
    """What is stored is served, before and after a restart; a load and an unload fail and change nothing."""
    with small_disk(stage.repository) as disk:
        first = stage.start()
        with spikeserve.Client(first.address) as client:
            client.load("kept", servers.small_network(WIDTH))
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            _require_unwritable(client)
        assert first.stop() == 0
        second = stage.start()
        with spikeserve.Client(second.address) as client:
            _require_unwritable(client)
        assert second.stop() == 0


def _require_unwritable(client: spikeserve.Client) -> None:
    with pytest.raises(spikeserve.SpikeserveError, match="Read-only file system"):
        client.load("new", servers.small_network(WIDTH))
    with pytest.raises(spikeserve.SpikeserveError, match="Read-only file system"):
        client.unload("kept")
    assert [info.name for info in client.list()] == ["kept"]
    require_serving(client, "kept")


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EIO", "EROFS"])
def test_operations_on_files_that_fail(
    stage: Stage, budget: Budget, figures: Figures, seed: int, tmp_path: Path, error: str
) -> None:
    """Any one of them: an error for the caller, nothing half done, all well again after it."""
    library = preloaded.compiled(tmp_path)
    draw = random.Random(f"{seed} {error}")
    keeper = Storekeeper(draw)
    refused = 0
    for _ in range(max(3, budget.disk_faults // 4)):
        code, at = getattr(errno, error), draw.randint(2, 2 * _OPERATIONS)
        scene = preloaded.scene(library, folder=stage.repository, errno=code, fail_at=at)
        server = stage.start(scene)
        with spikeserve.Client(server.address, timeout=20) as client:
            keeper.require(client)
            for _ in range(8):
                try:
                    keeper.change(client)
                except spikeserve.SpikeserveError:
                    refused += 1
                    keeper.require(client)
        assert server.stop() == 0
    with spikeserve.Client(stage.start().address) as client:
        keeper.require(client)
    assert refused > 0
    figures.add(
        "endurance", f"operations on files that fail ({error})", refused=refused,
        acknowledged=keeper.count, lost=0,
    )  # fmt: skip


def test_an_unload_that_fails(stage: Stage, tmp_path: Path) -> None:
    """Whichever of its operations on files fails: a restart has what the server had before."""
    library = preloaded.compiled(tmp_path)
    told = ""
    first_of_unload = 3 + _OPERATIONS  # after the repository, its lock and the load
    for at in range(first_of_unload, first_of_unload + 3):
        shutil.rmtree(stage.repository, ignore_errors=True)
        server = stage.start(preloaded.scene(library, folder=stage.repository, errno=errno.EIO, fail_at=at))
        with spikeserve.Client(server.address) as client:
            client.load("a", servers.small_network(WIDTH))
            try:
                client.unload("a")
            except spikeserve.SpikeserveError as error:
                told += f"{error.message}\n"
            before = client.list()
        assert server.stop() == 0
        second = stage.start()
        with spikeserve.Client(second.address) as client:
            after = client.list()
        assert second.stop() == 0
        assert [info.name for info in after] == [info.name for info in before], f"operation {at}"
    assert "version 1 stays, as its file cannot be deleted" in told
    assert "version 1 is unloaded and its file deleted" in told
