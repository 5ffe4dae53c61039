"""The MLP through the server on loopback against a bare gRPC server, and the engine alone, in one run.

    python tests/bench/serving.py [--build build/release] [--data build/bench-data] [--json FILE]

Requests of 64 uint8 images over several connections from a C++ client. The bare server gets the same bytes
and answers as many bytes as the real one. Both share the cores with the client.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import spikeserve
from spikeserve.v1 import network_pb2 as pb
from spikeserve.v1 import simulation_pb2

STEPS = 100
SAMPLES = 64
CONNECTIONS = 4
IN_FLIGHT = 4  # calls on each connection
CASE = "mlp_784_128_10.u8"


def request_bytes(
    data: Path, shape: tuple[int, ...], samples: int = SAMPLES, network: str = "mlp"
) -> bytes:
    """A SimulateRequest for the first `samples` test images."""
    images = (data / "fashion_test.images").read_bytes()[: samples * int(np.prod(shape))]
    request = simulation_pb2.SimulateRequest(network=network, steps=STEPS)
    request.inputs.add(data_type=pb.DATA_TYPE_UINT8, shape=[samples, *shape], data=images)
    return request.SerializeToString()


def accuracy(response: bytes, data: Path) -> float:
    """Share of the images that a response classifies as labelled."""
    classes = simulation_pb2.SimulateResponse.FromString(response).classification.classes
    labels = np.frombuffer((data / "fashion_test.labels").read_bytes(), np.uint8)[:SAMPLES]
    return float((np.array(classes) == labels).mean())


@contextmanager
def bare_server(program: Path, response_bytes: int) -> Iterator[str]:
    """The address of an echo server that runs meanwhile."""
    command = [str(program), "--echo", str(response_bytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().removeprefix("listening on ").strip()
        process.stdin.close()


class Measurement:
    """Rates of the three, measured in turn."""

    def __init__(self, build: Path, data: Path, request: Path, threads: int, seconds: float) -> None:
        self.bench = build / "tests/bench/spikeserve-bench"
        self.load = build / "tests/bench/spikeserve-bench-load"
        self.data, self.request, self.threads, self.seconds = data, request, threads, seconds

    def calls(self, address: str) -> float:
        """Calls answered per second."""
        command: list[str] = [str(self.load), address, str(self.request), "--seconds", str(self.seconds)]
        command += ["--connections", str(CONNECTIONS), "--in-flight", str(IN_FLIGHT)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def once(self, address: str) -> bytes:
        """The response to one call."""
        response = self.request.with_suffix(".response")
        command = [str(self.load), address, str(self.request), "--once", str(response)]
        subprocess.run(command, check=True)
        return response.read_bytes()

    def engine(self) -> float:
        """Inferences per second without a server."""
        command = [str(self.bench), "--alone", CASE, "--data", str(self.data), "--batch", str(SAMPLES)]
        command += ["--window", str(self.seconds / 2), "--threads", str(self.threads)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return SAMPLES / float(json.loads(out)["seconds"])


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Starts both servers, checks an answer, and times everything in turn."""
    request = arguments.json.with_suffix(".request")
    item = Measurement(arguments.build, arguments.data, request, arguments.threads, arguments.seconds)
    network = spikeserve.load_network(arguments.data / "fashion_mlp.spk")
    shape = tuple(network.definition.operations[0].input.shape)
    request.write_bytes(request_bytes(arguments.data, shape))
    server = spikeserve.serve(
        backend="cpu", threads=arguments.threads, binary=arguments.build / "server/app/spikeserve-server"
    )
    with server, spikeserve.Client(server.address) as client:
        client.load("mlp", network)
        response = item.once(server.address)
        reached = accuracy(response, arguments.data)
        if reached < 0.8:
            raise SystemExit(f"the server classifies {reached:.0%} of the images right: no time is taken")
        rates: dict[str, list[float]] = {"server": [], "echo": [], "engine": []}
        with bare_server(item.load, len(response)) as echo:
            for _ in range(arguments.rounds):
                rates["server"].append(item.calls(server.address) * SAMPLES)
                rates["echo"].append(item.calls(echo) * SAMPLES)
                rates["engine"].append(item.engine())
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "case": "mlp_784_128_10 uint8", "steps": STEPS, "samples_per_request": SAMPLES,
        "connections": CONNECTIONS, "in_flight": IN_FLIGHT, "threads": arguments.threads,
        "request_bytes": request.stat().st_size, "response_bytes": len(response), "accuracy": reached,
        "load": os.getloadavg()[0], "all": rates, "inferences_per_second": medians,
        "share": medians["server"] / min(medians["echo"], medians["engine"]),
    }  # fmt: skip


def main() -> None:
    """Measures and writes the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--data", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--json", type=Path, default=Path("build/bench-serving.json"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_args()
    result = measure(arguments)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, rate in result["inferences_per_second"].items():
        print(f"{name:<7} {rate:>12,.0f} inf/s")
    print(f"share of the smaller of echo and engine: {result['share']:.0%}")


if __name__ == "__main__":
    main()
