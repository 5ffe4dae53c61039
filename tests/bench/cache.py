"""What the response cache saves: the same request to a server with and without it, in turn, on loopback.

    PYTHONPATH=tests/support python tests/bench/cache.py [--build FOLDER] [--data FOLDER]

A call at a time gives the latency, 16 at a time the rate. On a machine that does other work meanwhile both
say little; the server's own processor time per call still does. The answers have the same bytes but for the
timing, or no time is taken.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from oip import calls_answered, cpu_seconds

import spikeserve
from spikeserve.v1 import network_pb2 as pb
from spikeserve.v1 import simulation_pb2

STEPS = 100
SAMPLES = {"fashion_mlp": 64, "fashion_cnn": 8}  # of a request
TYPES = {"uint8": (pb.DATA_TYPE_UINT8, "u1"), "float32": (pb.DATA_TYPE_FLOAT32, "<f4")}


class Load:
    """The C++ client with one request to two servers."""

    def __init__(self, program: Path, folder: Path, seconds: float) -> None:
        self.program, self.request, self.seconds = program, folder / "cache.request", seconds

    def _run(self, address: str, *more: str | Path) -> str:
        command = [self.program, address, self.request, *more]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def once(self, address: str) -> simulation_pb2.SimulateResponse:
        """The response to one call."""
        response = self.request.with_suffix(".response")
        self._run(address, "--once", response)
        return simulation_pb2.SimulateResponse.FromString(response.read_bytes())

    def calls(self, address: str, connections: int, in_flight: int) -> float:
        """Answered per second."""
        load = ("--connections", str(connections), "--in-flight", str(in_flight))
        return float(self._run(address, "--seconds", str(self.seconds), *load))


def request_bytes(network: spikeserve.Network, data: Path, name: str, kind: str) -> bytes:
    """A SimulateRequest for the first test images, as they are or as numbers of 0 to 1."""
    shape = tuple(network.definition.operations[0].input.shape)
    data_type, dtype = TYPES[kind]
    pixels = np.frombuffer((data / "fashion_test.images").read_bytes(), np.uint8)
    images = pixels[: SAMPLES[name] * int(np.prod(shape))].astype(dtype)
    images = images if kind == "uint8" else images / np.float32(255)
    request = simulation_pb2.SimulateRequest(network=name, steps=STEPS)
    request.inputs.add(data_type=data_type, shape=[SAMPLES[name], *shape], data=images.tobytes())
    return request.SerializeToString()


def check(load: Load, without: str, with_cache: str) -> None:
    """Ends the program where the cache answers anything else; fills it."""
    plain, _, kept = load.once(without), load.once(with_cache), load.once(with_cache)
    if plain.timing.cached or not kept.timing.cached:
        raise SystemExit("the one is to be simulated, the other kept: no time is taken")
    for response in (plain, kept):
        response.ClearField("timing")
    if plain != kept:
        raise SystemExit("the cache answers something else: no time is taken")


def row(load: Load, both: list[spikeserve.LocalServer], rounds: int) -> list[float]:
    """Of both servers the latencies in us, the calls per second, and the processor time that a call takes the
    server, in us: medians of rounds, in turn."""
    latencies, rates, cpu = [], [], []
    for _ in range(rounds):
        latencies.append([1e6 / load.calls(server.address, 1, 1) for server in both])
        used = [(cpu_seconds(server), calls_answered(server)) for server in both]
        rates.append([load.calls(server.address, 4, 4) for server in both])
        cpu.append(
            [
                1e6 * (cpu_seconds(server) - seconds) / (calls_answered(server) - calls)
                for server, (seconds, calls) in zip(both, used, strict=True)
            ]
        )
    return [float(figure) for part in (latencies, rates, cpu) for figure in np.median(part, axis=0)]


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--data", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    arguments = parser.parse_args()
    print(f"{STEPS} steps, load {os.getloadavg()[0]:.1f}\n")
    print("| network, request | us | kept | calls/s | kept | server us/call | kept |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    load = Load(arguments.build / "tests/bench/spikeserve-bench-load", arguments.data, arguments.seconds)
    with ExitStack() as stack:
        binary = arguments.build / "server/app/spikeserve-server"
        both = [
            stack.enter_context(
                spikeserve.serve(
                    backend="cpu", threads=arguments.threads, binary=binary, response_cache_mb=megabytes
                )
            )
            for megabytes in (0, 64)
        ]
        for name, samples in SAMPLES.items():
            network = spikeserve.load_network(arguments.data / f"{name}.spk")
            for server in both:
                with spikeserve.Client(server.address) as client:
                    client.load(name, network)
            for kind in TYPES:
                load.request.write_bytes(request_bytes(network, arguments.data, name, kind))
                check(load, *(server.address for server in both))
                figures = [f"{figure:,.0f}" for figure in row(load, both, arguments.rounds)]
                print(f"| {name}, {samples} x {kind} |", " | ".join(figures), "|")


if __name__ == "__main__":
    main()
