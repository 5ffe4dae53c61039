"""The containers that sync a bucket, run for real beside a server that follows the folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import charts
import pytest
import servers
from started import started

import spikeserve

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(autouse=True)
def _rclone() -> None:
    if shutil.which("rclone") is None:
        pytest.skip("rclone is not installed (Debian: rclone)")


def environment(container: charts.Manifest, folder: Path) -> dict[str, str]:
    """The container's variables, with the folders of this test and a second between two looks."""
    told = {
        each["name"]: each["value"].replace("/networks", str(folder / "networks"))
        for each in container["env"]
    }
    (folder / "rclone.conf").write_text(f"[models]\ntype = alias\nremote = {folder / 'bucket'}\n")
    return {
        **os.environ,
        **told,
        "REMOTE": "models:",
        "RCLONE_CONFIG": str(folder / "rclone.conf"),
        "SECONDS_BETWEEN": "1",
    }


def command(container: charts.Manifest, folder: Path) -> list[str]:
    """What the container runs, on the folder of this test."""
    return [
        *container["command"],
        *(a.replace("/networks", str(folder / "networks")) for a in container["args"]),
    ]


@contextmanager
def beside(container: charts.Manifest, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The container that goes on syncing; SIGTERM has to end it at once, as it does when the pod goes."""
    process = subprocess.Popen(
        command(container, folder), env=environment(container, folder), stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def put(folder: Path, name: str, width: int = 4) -> None:
    """A network into the bucket."""
    place = folder / "bucket" / name
    place.parent.mkdir(parents=True)
    servers.small_network(width).save(place)


def test_servers_follow_a_bucket(tmp_path: Path) -> None:
    pod = charts.one(charts.render("bucket"), "Deployment")["spec"]["template"]["spec"]
    first, sidecar = pod["initContainers"]
    (server,) = pod["containers"]
    arguments = [
        "--repository-poll-seconds=1" if argument.startswith("--repository-poll") else argument
        for argument in server["args"]
    ]
    (tmp_path / "networks").mkdir()
    put(tmp_path, "digits/1/network.spk")
    subprocess.run(command(first, tmp_path), env=environment(first, tmp_path), check=True, timeout=60)
    with (
        started(arguments, {"/var/lib/spikeserve": tmp_path / "networks"}) as running,
        beside(sidecar, tmp_path),
        spikeserve.Client(running.grpc, timeout=60) as client,
    ):

        def versions() -> dict[str, list[int]]:
            found: dict[str, list[int]] = {}
            for network in client.list():
                found.setdefault(network.name, []).append(network.version)
            return found

        assert versions() == {"digits": [1]}
        put(tmp_path, "digits/2/network.spk")
        put(tmp_path, "letters/1/network.spk")
        servers.eventually(lambda: versions() == {"digits": [1, 2], "letters": [1]}, "what came", 60)
        shutil.rmtree(tmp_path / "bucket" / "letters")
        servers.eventually(lambda: versions() == {"digits": [1, 2]}, "what went", 60)


def test_a_bucket_that_is_away_deletes_nothing(tmp_path: Path) -> None:
    pod = charts.one(charts.render("bucket"), "Deployment")["spec"]["template"]["spec"]
    first, sidecar = pod["initContainers"]
    (tmp_path / "networks").mkdir()
    put(tmp_path, "digits/1/network.spk")
    subprocess.run(command(first, tmp_path), env=environment(first, tmp_path), check=True, timeout=60)
    (tmp_path / "bucket").rename(tmp_path / "away")
    done = subprocess.run(
        command(first, tmp_path),
        env=environment(first, tmp_path),
        check=False,
        timeout=60,
        capture_output=True,
    )
    assert done.returncode != 0
    with beside(sidecar, tmp_path) as process:
        assert process.stderr is not None
        while "trying again" not in (line := process.stderr.readline()):
            assert line, "it ended"
        assert servers.files_in(tmp_path / "networks") == ["digits/1/network.spk"]
