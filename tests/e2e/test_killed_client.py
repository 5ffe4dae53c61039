"""A client that is killed mid-call leaves no state, no file and no memory behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import servers
from conftest import ServerMaker

import spikeserve

UPLOAD = """
import sys, time, grpc
from spikeserve.v1 import network_pb2 as pb, network_pb2_grpc as rpc

def messages():
    header = pb.LoadNetworkHeader(name="half", total_bytes=64 << 20, sha256=bytes(32))
    yield pb.LoadNetworkRequest(header=header)
    for _ in range(16):
        yield pb.LoadNetworkRequest(chunk=bytes(1 << 20))
    print("sent", flush=True)
    time.sleep(600)

stub = rpc.NetworkServiceStub(grpc.insecure_channel(sys.argv[1]))
stub.LoadNetwork(messages())
"""

STREAM = """
import sys, numpy as np, spikeserve

client = spikeserve.Client(sys.argv[1])
events = client.stream("long", np.ones((64, 256), np.float32), steps=10_000_000, report_every=1)
next(events)
print("sent", flush=True)
for event in events:
    pass
"""


def kill_when_ready(program: str, address: str) -> None:
    """Starts a client in a process of its own and kills it in the middle."""
    with subprocess.Popen(
        [sys.executable, "-c", program, address], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        child.kill()
    assert line == "sent\n"
    assert child.returncode == -9


@pytest.fixture
def server(start_server: ServerMaker) -> spikeserve.LocalServer:
    return start_server(max_batch=64, max_steps=10_000_000)


def test_killed_while_uploading(server: spikeserve.LocalServer, repository: Path) -> None:
    with spikeserve.Client(server.address) as client:
        client.load("other", servers.small_network())
        files, memory = servers.files_in(repository), servers.memory_used(server)
        for _ in range(3):
            kill_when_ready(UPLOAD, server.address)
        servers.eventually(lambda: servers.memory_used(server) <= memory, "the memory is free again")
        assert [info.name for info in client.list()] == ["other"]
        assert servers.files_in(repository) == files
        assert client.load("half", servers.small_network()) == 1


def test_killed_while_streaming(server: spikeserve.LocalServer, repository: Path) -> None:
    with spikeserve.Client(server.address) as client:
        client.load("long", servers.small_network(256))
        client.simulate("long", servers.samples(64, 256), steps=1)
        files, memory = servers.files_in(repository), servers.memory_used(server)
        kill_when_ready(STREAM, server.address)
        servers.eventually(lambda: servers.memory_used(server) <= memory, "the memory is free again")
        servers.eventually(
            lambda: servers.metrics(server)["spikeserve_queue_samples"] == 0, "nothing waits any more"
        )
        cancelled = servers.counter(servers.metrics(server), "spikeserve_requests_total", code="CANCELLED")
        assert cancelled == 1
        assert servers.files_in(repository) == files
        assert client.simulate("long", np.ones((1, 256), np.float32), steps=3, timeout=20).samples == 1
        assert client.unload("long") == [1]
    servers.eventually(lambda: servers.memory_used(server) < memory, "the network's memory is free")
