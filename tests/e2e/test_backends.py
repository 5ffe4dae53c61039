"""Which backend a server takes, and what it says where there is no GPU."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import servers

import spikeserve
from spikeserve.local_server import find_binary

HAS_GPU = Path("/dev/nvidiactl").exists() or Path("/dev/nvidia-uvm").exists()
no_gpu = pytest.mark.skipif(HAS_GPU, reason="this machine has a GPU")


def events(server: spikeserve.LocalServer, name: str, least: int = 1) -> list[dict[str, object]]:
    """The lines of a JSON log that are about `name`."""
    lines = [json.loads(line) for line in servers.log_lines(server, name, least)]
    return [line for line in lines if name in line.values()]


NO_HTTP = ("--metrics-listen", "none", "--http-listen", "none")


@no_gpu
def test_cuda_without_a_gpu_is_one_line() -> None:
    ended = subprocess.run(
        [str(find_binary()), "--backend", "cuda", "--listen", "127.0.0.1:0", *NO_HTTP],
        timeout=30, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("spikeserve-server: backend cuda: ")
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert "use cpu or auto" in ended.stderr


@no_gpu
def test_auto_without_a_gpu_serves_on_the_cpu_and_says_why() -> None:
    with spikeserve.serve(log_format="json") as server, spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network())
        assert client.simulate("net", servers.samples(3), steps=10).samples == 3
        assert events(server, "starting")[0]["backend"] == "cpu"
        said = events(server, "no_gpu")
        assert len(said) == 1
        assert str(said[0]["message"]).startswith("backend cuda: ")
        assert servers.http_get(server, "/readyz")


def test_cpu_asks_for_no_gpu() -> None:
    with spikeserve.serve(backend="cpu", log_format="json") as server:
        assert events(server, "listening")
        assert not events(server, "no_gpu", least=0)
