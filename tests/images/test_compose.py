"""deploy/compose as it is shipped, run by podman-compose with images made here: server, load and Prometheus.

In a network namespace of its own, as the ports are those that users have. Grafana cannot be had as a package;
its files are checked by tests/fleet.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
import yaml
from tool_env import fetched

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "Dockerfile").is_file():
    pytest.skip("there is no Dockerfile", allow_module_level=True)
containers = pytest.importorskip("containers")

COMPOSE = ROOT / "deploy" / "compose"
SERVICES = ("server", "load", "prometheus")
PROMETHEUS_IMAGE = "localhost/prometheus:debian"
# Debian's Prometheus where the image of the compose file has its own.
PROMETHEUS = f"""
FROM {containers.BASE}
RUN apt-get update -q && apt-get install -q -y --no-install-recommends prometheus \\
    && mkdir -p /prometheus && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["/usr/bin/prometheus"]
"""
# The host's network, here a namespace of the tests, and names are its loopback; no limit above the machine's.
OVERRIDE = {
    "services": {
        name: {
            "network_mode": "host",
            "extra_hosts": ["server:127.0.0.1"],
            "ulimits": {"nofile": min(65536, os.sysconf("SC_OPEN_MAX")), "nproc": 4096},
        }
        for name in SERVICES
    }
}


class Stack:
    """The compose file, up in a namespace."""

    def __init__(self, engine: Any, folder: Path) -> None:
        self._engine = engine
        self._namespace = f"compose{os.getpid()}"
        self._override = folder / "override.yaml"
        self._override.write_text(yaml.safe_dump(OVERRIDE))
        self._program = fetched("podman-compose")
        subprocess.run(["ip", "netns", "add", self._namespace], check=True)
        self.inside("ip", "link", "set", "lo", "up")

    def inside(self, *command: str | Path) -> str:
        """What a command prints in the namespace."""
        enter = ("nsenter", f"--net=/run/netns/{self._namespace}")
        images = {
            "PROMETHEUS_IMAGE": PROMETHEUS_IMAGE,
            "SPIKESERVE_IMAGE": "localhost/spikeserve:cpu",
            "SPIKESERVE_CLIENT_IMAGE": "localhost/spikeserve:client",
        }
        environment = os.environ | self._engine.variables | images
        done = subprocess.run(
            [*enter, *command], env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def compose(self, *words: str) -> str:
        """podman-compose with the shipped file and what has to be otherwise here."""
        files = ("-f", COMPOSE / "compose.yaml", "-f", self._override)
        return self.inside(self._program, "--in-pod", "false", "--profile", "cpu", *files, *words)

    def get(self, url: str) -> str:
        """A page, as seen from the namespace; "" where there is none yet."""
        script = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"
        try:
            return self.inside("python3", "-c", script, url)
        except AssertionError:
            return ""

    def ask(self, expression: str) -> float:
        """The value of an expression in Prometheus, 0 where it has none."""
        answer = self.get(f"http://127.0.0.1:9090/api/v1/query?query={expression}")
        found = json.loads(answer)["data"]["result"] if answer else []
        return float(found[0]["value"][1]) if found else 0.0

    def close(self) -> None:
        """Takes all down, with the volumes."""
        try:
            self.compose("down", "--volumes", "--timeout", "60")
        finally:
            subprocess.run(["ip", "netns", "delete", self._namespace], check=True)


@pytest.fixture(scope="module")
def client_image(engine: Any) -> None:
    """The client, of wheels that are fetched here: a build may not reach what this machine does."""
    wheels = ROOT / "build" / "image" / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "pip", "wheel", "-q", "-w", wheels, ROOT / "client" / "python"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"the client's wheels cannot be fetched: {done.stderr.strip().splitlines()[-1]}")
    engine.build("client", WHEELS=str(wheels))


@pytest.fixture(scope="module")
def prometheus_image(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "Dockerfile").write_text(PROMETHEUS)
    engine.run("buildah", "build", "--network", "host", "--format", "docker", "-t", PROMETHEUS_IMAGE, folder)


@pytest.fixture(scope="module")
def stack(
    engine: Any,
    cpu_image: str,
    client_image: None,
    prometheus_image: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    stack = Stack(engine, tmp_path_factory.mktemp("compose"))
    try:
        print(stack.compose("up", "--detach", "--no-build", *SERVICES))
        yield stack
    finally:
        stack.close()


@pytest.mark.timeout(1200)
def test_the_load_is_answered_and_prometheus_sees_it(stack: Stack) -> None:
    def answered() -> bool:
        return (
            stack.ask('sum(spikeserve_requests_total{code="OK",method="Simulate"})'.replace('"', "%22")) > 50
        )

    servers.eventually(answered, "Prometheus counts the calls of the load", 180)
    assert stack.ask("up") == 1
    assert stack.ask("spikeserve_networks") == 1
    rules = json.loads(stack.get("http://127.0.0.1:9090/api/v1/rules"))["data"]["groups"]
    assert sum(len(group["rules"]) for group in rules) > 20


@pytest.mark.timeout(1200)
def test_a_server_that_was_stopped_comes_back_with_its_networks(stack: Stack) -> None:
    """The volume keeps them; the load goes on by itself."""
    stack.compose("stop", "--timeout", "60", "server")
    assert stack.get("http://127.0.0.1:8002/healthz") == ""
    stack.compose("start", "server")

    def calls() -> float:
        page = stack.get("http://127.0.0.1:8002/metrics")
        lines = [line for line in page.splitlines() if line.startswith("spikeserve_requests_total")]
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if '"OK"' in line and '"Simulate"' in line
        )

    servers.eventually(lambda: calls() > 20, "the load calls the new server", 180)
    loads = stack.get("http://127.0.0.1:8002/metrics")
    assert 'method="LoadNetwork"' not in loads, "the network was uploaded again"
