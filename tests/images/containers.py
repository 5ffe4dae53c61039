"""Images and containers that the tests make: an engine with a storage of its own, in the build folder.

The engine is set up so that it runs where there is no systemd and no right to raise limits, in a container
of CI for example: buildah builds in a chroot, podman runs with runc and the networks of the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import servers

ROOT = Path(__file__).resolve().parents[2]
BASE = "localhost/debian:12"
PROGRAMS = ("buildah", "podman", "runc", "debootstrap")
USER = 65532

_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{0}/storage"
runroot = "{0}/storage-run"
"""
_CONTAINERS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]
log_driver = "k8s-file"
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""


@dataclass(frozen=True)
class Engine:
    """buildah and podman, with `variables` in their environment."""

    variables: dict[str, str]

    def run(
        self,
        *command: str | Path,
        check: bool = True,
        seconds: float = 600,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.CompletedProcess[str]:
        """A command in the root of the repository, with the environment of the engine and `variables`."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def build(self, target: str, **variables: str) -> None:
        """The image spikeserve:`target`, by tools/image.sh with `variables` in its environment."""
        self.run("tools/image.sh", target, variables={"BASE": BASE, **variables})

    def inspect(self, image: str) -> Any:
        """What the engine knows of an image."""
        [said] = json.loads(self.run("podman", "image", "inspect", image).stdout)
        return said

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The root file system of an image."""
        container = self.run("buildah", "from", image).stdout.strip()
        try:
            yield Path(self.run("buildah", "mount", container).stdout.strip())
        finally:
            self.run("buildah", "rm", container)

    @contextmanager
    def container(self, image: str, *options: str, flags: tuple[str, ...] = ()) -> Iterator[Container]:
        """A container that runs until the block ends, with options of podman and flags of the server."""
        started = self.run("podman", "run", "--detach", *options, image, *flags)
        container = Container(self, started.stdout.strip().splitlines()[-1])
        try:
            yield container
        finally:
            self.run("podman", "rm", "--force", "--time", "0", container.name)


@dataclass(frozen=True)
class Container:
    """A container with a server in it, known to the engine as `name`."""

    engine: Engine
    name: str

    @property
    def state(self) -> Any:
        """What the engine knows of it now."""
        return json.loads(self.engine.run("podman", "inspect", "-f", "{{json .State}}", self.name).stdout)

    @property
    def said(self) -> str:
        """Its stdout and stderr so far."""
        done = self.engine.run("podman", "logs", self.name)
        return done.stdout + done.stderr

    def address(self, of: str = "listening") -> str:
        """HOST:PORT as the server says it once it listens; `of`: listening, metrics or http."""
        start = f"{of} on "

        def found() -> list[str]:
            assert self.state["Running"], f"the server has ended:\n{self.said}"
            return [line for line in self.said.splitlines() if line.startswith(start)]

        servers.eventually(lambda: bool(found()), f"the server says `{start}...`", timeout=60)
        return found()[0].removeprefix(start)

    def process(self, field: str) -> str:
        """A field of /proc/PID/status of the server, as seen from outside."""
        text = Path(f"/proc/{self.state['Pid']}/status").read_text()
        [value] = (line.partition(":")[2] for line in text.splitlines() if line.startswith(f"{field}:"))
        return value.strip()

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.engine.run("podman", "kill", "--signal", "TERM", self.name)
        return int(self.engine.run("podman", "wait", self.name).stdout)


def make_engine(folder: Path) -> Engine:
    """An engine that keeps its images in `folder`; the test is skipped where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("only root can build and run the images here")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    namespaces = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False
    )
    if namespaces.returncode != 0:
        pytest.skip("this machine gives no namespaces: unshare is refused")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "storage.conf").write_text(_STORAGE.format(folder))
    files = os.sysconf("SC_OPEN_MAX")
    (folder / "containers.conf").write_text(_CONTAINERS.format(files=files))
    return Engine(
        {
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }
    )
