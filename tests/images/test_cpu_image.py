"""The image of the server: what is in it, that it is the same every time, and how it runs locked in."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest
import servers
from conftest import DIGITS, kernels_bytes
from containers import BASE, ROOT, USER, Container, Engine
from tool_env import fetched

import spikeserve

MAX_BYTES = 40_000_000
LOCKED = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--memory", "512m")
FREE_PORTS = (
    "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
    "--lame-duck-seconds", "2",
)  # fmt: skip
VERSION = (ROOT / "VERSION").read_text().strip()

pytestmark = pytest.mark.timeout(900)  # the first test to ask for an image waits until it is built


def mount(volume: Path) -> tuple[str, str]:
    return ("--volume", f"{volume}:/var/lib/spikeserve")


def test_what_is_in_it(engine: Engine, cpu_image: str, server_binary: Path) -> None:
    with engine.mounted(cpu_image) as root:
        programs = sorted(
            str(path.relative_to(root))
            for path in root.rglob("*")
            if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o111
            and ".so" not in path.name
        )  # fmt: skip
        size = sum(path.lstat().st_size for path in root.rglob("*"))
        owned = {str(path.relative_to(root)) for path in root.rglob("*") if path.lstat().st_uid == USER}
        headers = subprocess.run(
            ["readelf", "-d", root / "usr/bin/spikeserve-server"], capture_output=True, text=True, check=True
        ).stdout
    assert programs == ["usr/bin/spikeserve-server"]
    assert owned == {"var/lib/spikeserve"}
    assert "RUNPATH" not in headers
    kernels = kernels_bytes(server_binary)
    print(f"size: {size / 1e6:.1f} MB, of it {kernels / 1e6:.1f} MB kernels of a server that has CUDA too")
    assert size - kernels < MAX_BYTES


def test_the_settings(engine: Engine, cpu_image: str) -> None:
    said = engine.inspect(cpu_image)
    config = said["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["/usr/bin/spikeserve-server"]
    assert set(config["ExposedPorts"]) == {"8000/tcp", "8001/tcp", "8002/tcp"}
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert said["Healthcheck"]["Test"][0] == "CMD"


def test_two_builds_are_the_same(engine: Engine, cpu_image: str, server_binary: Path) -> None:
    before = engine.inspect(cpu_image)["Digest"]
    engine.build("cpu", SERVER=str(server_binary))
    assert engine.inspect(cpu_image)["Digest"] == before


def test_every_package_is_the_newest(engine: Engine, cpu_image: str) -> None:
    with engine.mounted(cpu_image) as root:
        records = [path.read_text() for path in (root / "var/lib/dpkg/status.d").iterdir()]
    found = {}
    for text in records:
        fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        found[fields["Package"]] = fields["Version"]
    assert {"libc6", "libssl3", "libgrpc++1.51", "ca-certificates"} <= set(found)
    container = engine.run("buildah", "from", BASE).stdout.strip()
    try:
        engine.run("buildah", "run", container, "apt-get", "update", "-q")
        said = engine.run("buildah", "run", container, "apt-cache", "policy", *found).stdout
    finally:
        engine.run("buildah", "rm", container)
    newest = dict(re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (\S+)$", said, re.MULTILINE))
    assert newest == found


def test_the_list_of_what_is_in_it(archive: Path, tmp_path: Path) -> None:
    syft = ROOT / "build/tools/syft/syft"
    if not syft.exists():
        pytest.skip("syft is not there; `tools/fetch-tool.sh syft` builds it, in some minutes")
    subprocess.run(
        ["python3", ROOT / "tools/image_sbom.py", archive, tmp_path], check=True, capture_output=True
    )
    spdx = json.loads((tmp_path / "spikeserve-cpu.spdx.json").read_text())
    versions = {package["name"]: package["versionInfo"] for package in spdx["packages"]}
    assert versions["spikeserve-server"] == VERSION
    assert {"libc6", "libssl3", "zlib1g", "libgrpc29", "ca-certificates"} <= set(versions)
    depends = [
        relation
        for relation in spdx["relationships"]
        if relation["relationshipType"] == "DEPENDS_ON" and "spikeserve-server" in relation["spdxElementId"]
    ]
    assert len(depends) == len(versions) - 2  # all but the image and the server
    cyclonedx = json.loads((tmp_path / "spikeserve-cpu.cdx.json").read_text())
    [server] = (part for part in cyclonedx["components"] if part["name"] == "spikeserve-server")
    assert (server["version"], server["type"]) == (VERSION, "application")
    assert len(server["hashes"][0]["content"]) == 64


def test_the_dockerfile_is_clean() -> None:
    hadolint = fetched("hadolint")
    done = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_it_classifies_locked_in_and_drains(
    engine: Engine, cpu_image: str, volume: Path, network: spikeserve.Network
) -> None:
    images, labels = DIGITS.test_samples(200, (8, 8))
    with engine.container(cpu_image, *LOCKED, *mount(volume), flags=FREE_PORTS) as container:
        assert container.process("Uid").split() == [str(USER)] * 4
        assert container.process("CapEff") == container.process("CapBnd") == "0" * 16
        assert (container.process("NoNewPrivs"), container.process("Seccomp")) == ("1", "2")
        with spikeserve.Client(container.address(), timeout=120) as client:
            client.load("digits", network)
            result = client.simulate("digits", images, steps=32)
            assert (result.classes == labels).mean() > 0.9
            assert memory_limit(container) == 384 * 2**20  # three quarters of what the container has
            drains(container, client)
    assert "digits/1/network.spk" in servers.files_in(volume)
    with engine.container(cpu_image, *LOCKED, *mount(volume), flags=FREE_PORTS) as container:
        with spikeserve.Client(container.address(), timeout=120) as client:
            again = client.simulate("digits", images, steps=32)
        assert (again.outputs == result.outputs).all()
        assert container.stop() == 0


def memory_limit(container: Container) -> float:
    """Bytes that the server lets itself have."""
    url = f"http://{container.address('metrics')}/metrics"
    with urllib.request.urlopen(url, timeout=20) as answer:
        [value] = re.findall(r"^spikeserve_memory_limit_bytes (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(value)


def drains(container: Container, client: spikeserve.Client) -> None:
    """SIGTERM while a stream runs: it is answered to its end, and the server ends with status 0."""
    images, _ = DIGITS.test_samples(200, (8, 8))
    events = client.stream("digits", images, steps=10_000, report_every=50)
    next(events)
    statuses: list[int] = []
    stopping = threading.Thread(target=lambda: statuses.append(container.stop()))
    stopping.start()
    [*_, last] = events
    stopping.join(120)
    assert isinstance(last, spikeserve.SimulationResult)
    assert last.samples == len(images)
    assert statuses == [0]
    assert "draining" in container.said
    assert "stopped" in container.said.splitlines()[-1]


def test_without_a_volume_the_root_stays_as_it_is(
    engine: Engine, cpu_image: str, network: spikeserve.Network
) -> None:
    with (
        engine.container(cpu_image, *LOCKED, flags=FREE_PORTS) as container,
        spikeserve.Client(container.address(), timeout=60) as client,
        pytest.raises(spikeserve.FailedPreconditionError, match=r"digits|/var/lib/spikeserve"),
    ):
        client.load("digits", network)


def test_its_health_by_its_own_defaults(engine: Engine, cpu_image: str) -> None:
    """In a network of its own, where the ports are the image's."""
    with engine.container(cpu_image, "--network", "none", flags=("--lame-duck-seconds", "600")) as container:
        assert container.address() == "0.0.0.0:8001"

        def healthy() -> bool:
            return engine.run("podman", "healthcheck", "run", container.name, check=False).returncode == 0

        servers.eventually(healthy, "the container is healthy")
        assert container.state["Health"]["Status"] == "healthy"


def test_there_is_no_shell(engine: Engine, cpu_image: str) -> None:
    shell = ("--entrypoint", "/bin/sh", cpu_image, "-c", "true")
    done = engine.run("podman", "run", "--rm", *shell, check=False)
    assert done.returncode == 127
