"""The images, built once: of a Debian from packages, and of the server that the other tests use."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import accuracy_table
import pytest
from containers import ROOT, Engine, make_engine
from trained_models import TrainedModel

import spikeserve

DIGITS = TrainedModel("digits_mlp.keras", "digits")


@pytest.fixture(scope="session")
def network() -> spikeserve.Network:
    return accuracy_table.convert(DIGITS, "spikeserve")


@pytest.fixture(scope="session")
def server_binary() -> Path:
    """The server that goes into the images."""
    binary = Path(
        os.environ.get("SPIKESERVE_SERVER_BINARY", ROOT / "build/release/server/app/spikeserve-server")
    )
    if not binary.is_file():
        pytest.skip(f"no {binary}: `make server` builds it")
    release = Path("/etc/os-release").read_text()
    if "VERSION_CODENAME=bookworm" not in release:
        pytest.skip("the server was compiled on another system than Debian 12, which the images are of")
    return binary


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine with the base image. What the tests built is gone afterwards; the base stays."""
    engine = make_engine(ROOT / "build" / "image")
    done = engine.run("tools/image-base.sh", check=False)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    yield engine
    engine.run("buildah", "rm", "--all")
    for line in engine.run("podman", "images", "-q", "--filter", "reference=spikeserve").stdout.split():
        engine.run("podman", "rmi", "--force", line, check=False)
    engine.run("podman", "image", "prune", "--force")


@pytest.fixture(scope="session")
def cpu_image(engine: Engine, server_binary: Path) -> str:
    engine.build("cpu", SERVER=str(server_binary))
    return "spikeserve:cpu"


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the user of the images may write to."""
    folder = tmp_path_factory.mktemp("volume")
    shutil.chown(folder, 65532, 65532)
    return folder


@pytest.fixture(scope="session")
def archive(engine: Engine, cpu_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as a file."""
    file = tmp_path_factory.mktemp("archive") / "spikeserve-cpu.tar"
    engine.run("buildah", "push", "-q", cpu_image, f"docker-archive:{file}:{cpu_image}")
    return file


def kernels_bytes(binary: Path) -> int:
    """Bytes of CUDA kernels in a server: a build with them is one for another image."""
    sections = subprocess.run(
        ["readelf", "-SW", binary], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return sum(
        int(line.partition("]")[2].split()[4], 16)
        for line in sections
        if "]" in line and line.partition("]")[2].split()[:1] == [".nv_fatbin"]
    )
