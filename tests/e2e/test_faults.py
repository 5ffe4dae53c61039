"""What a server survives of its clients and of their clocks: times without end, streams that nobody reads."""

from __future__ import annotations

import os
import shlex
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import servers
from conftest import ServerMaker

import spikeserve
from spikeserve.local_server import find_binary
from spikeserve.v1 import network_pb2, simulation_pb2, simulation_pb2_grpc

WIDTH = 64


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def header(name: str, value: str) -> bytes:
    """A header field that no table knows, in HPACK."""
    return b"\0" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))


def statuses(address: str, path: str, message: bytes, timeouts: list[str]) -> list[bytes]:
    """What a server sends for the same call with each of these times, which no client library can send."""
    answers = []
    for timeout in timeouts:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), 30) as connection:
            fields = {
                ":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers",
                "content-type": "application/grpc", "grpc-timeout": timeout,
            }  # fmt: skip
            body = struct.pack(">BI", 0, len(message)) + message
            connection.sendall(
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                + frame(4, 0, 0, b"")
                + frame(1, 4, 1, b"".join(header(name, value) for name, value in fields.items()))
                + frame(0, 1, 1, body)
            )
            answers.append(_last_headers(connection))
    return answers


def _last_headers(connection: socket.socket) -> bytes:
    received = connection.makefile("rb")
    while True:
        head = received.read(9)
        assert len(head) == 9, "the server closed the connection"
        payload = received.read(int.from_bytes(head[:3], "big"))
        if head[3] == 1 and head[4] & 1:  # HEADERS that end the stream: the trailers
            return payload
        if head[3] == 4 and not head[4] & 1:
            connection.sendall(frame(4, 1, 0, b""))


def test_the_longest_times_are_far_away(start_server: ServerMaker) -> None:
    server = start_server()
    with spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network())
    request = stream_request(1).request.SerializeToString()
    call = "/spikeserve.v1.SimulationService/Simulate"
    longest = ["9999999H", "99999999H", "99999999M", "99999999S", "99999999m"]
    for timeout, trailers in zip(longest, statuses(server.address, call, request, longest), strict=True):
        assert b"grpc-status\x010" in trailers, (timeout, trailers)


def stream_request(samples: int, steps: int = 10, width: int = 4) -> Any:
    """A request of samples that are all ones, with a report for every step."""
    request = simulation_pb2.SimulateStreamRequest(report_every=1)
    request.request.network = "net"
    request.request.steps = steps
    array = request.request.inputs.add()
    array.data_type = network_pb2.DATA_TYPE_FLOAT32
    array.shape.extend((samples, width))
    array.data = np.ones((samples, width), "<f4").tobytes()
    return request


def cpu_seconds(server: spikeserve.LocalServer) -> float:
    """What the server has computed so far, in all its threads."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_streams_that_nobody_reads_cost_what_their_steps_do(start_server: ServerMaker) -> None:
    """Readings and reports of them, with a chunk for every step, were up to 100 times the run."""
    streams, steps = 8, 20_000
    server = start_server(threads=1, max_steps=1_000_000)
    requests = "spikeserve_requests_total"
    channel = grpc.insecure_channel(server.address, [("grpc.http2.lookahead_bytes", 1 << 16)])
    with spikeserve.Client(server.address, timeout=120) as client, channel:
        client.load("net", servers.small_network(WIDTH))
        samples = np.ones((64, WIDTH), np.float32)
        client.simulate("net", samples, steps=10)
        before = cpu_seconds(server)
        for _ in range(streams):
            client.simulate("net", samples, steps=steps)
        alone = cpu_seconds(server) - before
        before, memory = cpu_seconds(server), servers.memory_used(server)
        stub: Any = simulation_pb2_grpc.SimulationServiceStub(channel)
        unread = [stub.SimulateStream(stream_request(64, steps, WIDTH)) for _ in range(streams)]
        steps_done = "spikeserve_sample_steps_total"
        whole = (2 * streams * steps + 10) * 64
        waits: list[float] = []

        def all_run() -> bool:  # with a healthy client beside
            start = time.monotonic()
            client.simulate("net", samples[:1], steps=10)
            waits.append(time.monotonic() - start)
            return servers.counter(servers.metrics(server), steps_done) >= whole

        servers.eventually(all_run, "the streams have run, unread", timeout=120)
        # With room for a small machine: reports go out while the transport takes them.
        assert cpu_seconds(server) - before < 5 * alone + 2
        assert servers.memory_used(server) < memory + streams * (2 << 20)
        for call in unread:
            call.cancel()
        servers.eventually(
            lambda: servers.counter(servers.metrics(server), requests, method="SimulateStream") == streams,
            "the streams are over",
        )
        servers.eventually(lambda: servers.memory_used(server) <= memory, "nothing of them is left")
    print(f"{alone:.2f} s alone; {len(waits)} healthy calls, the longest {max(waits):.3f} s")


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_a_server_without_standard_files_logs_into_nothing_else(
    tmp_path: Path, closed: tuple[int, ...]
) -> None:
    """What it opens first would have their numbers: a stored network, a client's connection."""
    address = f"unix:{tmp_path / 'socket'}"
    flags = ["--listen", address, "--metrics-listen", "none", "--http-listen", "none", "--backend", "cpu"]
    command = shlex.join([str(find_binary()), *flags, "--network-repository", str(tmp_path / "networks")])
    redirections = " ".join(f"{number}>&-" for number in closed)
    process = subprocess.Popen(["sh", "-c", f"exec {command} {redirections}"], stdout=subprocess.DEVNULL)
    try:
        servers.eventually((tmp_path / "socket").exists, "it listens")
        with spikeserve.Client(address, timeout=30) as client:
            client.load("net", servers.small_network())
            assert client.simulate("net", servers.samples(2)).samples == 2
        for number in {1, 2}.intersection(closed):  # nothing is written to stdin
            assert os.readlink(f"/proc/{process.pid}/fd/{number}") == "/dev/null"
    finally:
        process.terminate()
        assert process.wait(30) == 0
