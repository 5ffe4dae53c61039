"""The MLP through the server on loopback against a bare gRPC server, and the engine alone, in one run.

    python tests/bench/serving.py [--build build/release] [--data build/bench-data] [--json FILE] [--quick]

Requests of 64 uint8 images over several connections from a C++ client, then of one image, one at a time.
The bare server gets the same bytes and answers as many bytes as the real one. Both share the cores with the
client. What comes of it goes into a file of its own and, as `server.share` and `server.latency`, into the
rows of bench.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
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
    labels = np.frombuffer((data / "fashion_test.labels").read_bytes(), np.uint8)[: len(classes)]
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

    def _call(self, address: str, connections: int, in_flight: int, *more: str) -> float:
        command: list[str] = [str(self.load), address, str(self.request), "--seconds", str(self.seconds)]
        command += ["--connections", str(connections), "--in-flight", str(in_flight), *more]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def calls(self, address: str) -> float:
        """Calls answered per second."""
        return self._call(address, CONNECTIONS, IN_FLIGHT)

    def latency(self, address: str) -> float:
        """Microseconds of a call in the middle, one call at a time."""
        return self._call(address, 1, 1, "--latency")

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


def shares(rates: dict[str, list[float]]) -> list[float]:
    """Of each round: what the server reaches of the rate at which each request needs both of the others."""
    return [
        server * (1 / engine + 1 / echo)
        for server, engine, echo in zip(rates["server"], rates["engine"], rates["echo"], strict=True)
    ]


def measure_rates(item: Measurement, server: str, echo: str, rounds: int) -> dict[str, Any]:
    """Inferences per second, each in turn."""
    rates: dict[str, list[float]] = {"server": [], "echo": [], "engine": []}
    for _ in range(rounds):
        rates["server"].append(item.calls(server) * SAMPLES)
        rates["echo"].append(item.calls(echo) * SAMPLES)
        rates["engine"].append(item.engine())
    return {
        "all": rates, "inferences_per_second": {n: statistics.median(v) for n, v in rates.items()},
        "share": statistics.median(shares(rates)), "shares": shares(rates),
    }  # fmt: skip


def measure_latency(item: Measurement, server: str, echo: str, rounds: int) -> dict[str, Any]:
    """Microseconds of a call with one image, each in turn."""
    times: dict[str, list[float]] = {"server": [], "echo": []}
    for _ in range(rounds):
        times["server"].append(item.latency(server))
        times["echo"].append(item.latency(echo))
    over = [a - b for a, b in zip(times["server"], times["echo"], strict=True)]
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {"latency_us": {**medians, "above_echo": statistics.median(over)}, "all_latency_us": times}


def gate(response: bytes, data: Path) -> float:
    """The accuracy of an answer; ends the program where it is wrong."""
    reached = accuracy(response, data)
    if reached < 0.8:
        raise SystemExit(f"the server classifies {reached:.0%} of the images right: no time is taken")
    return reached


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Starts both servers, checks an answer, and times everything in turn."""
    request = arguments.json.with_suffix(".request")
    item = Measurement(arguments.build, arguments.data, request, arguments.threads, arguments.seconds)
    network = spikeserve.load_network(arguments.data / "fashion_mlp.spk")
    shape = tuple(network.definition.operations[0].input.shape)
    server = spikeserve.serve(
        backend="cpu", threads=arguments.threads, binary=arguments.build / "server/app/spikeserve-server"
    )
    result: dict[str, Any] = {
        "case": "mlp_784_128_10 uint8", "steps": STEPS, "samples_per_request": SAMPLES,
        "connections": CONNECTIONS, "in_flight": IN_FLIGHT, "threads": arguments.threads,
        "rounds": arguments.rounds, "seconds": arguments.seconds, "date": f"{date.today():%Y-%m-%d}",
        "load": os.getloadavg()[0],
    }  # fmt: skip
    with server, spikeserve.Client(server.address) as client:
        client.load("mlp", network)
        for samples, compare in ((SAMPLES, measure_rates), (1, measure_latency)):
            request.write_bytes(request_bytes(arguments.data, shape, samples))
            response = item.once(server.address)
            reached = gate(response, arguments.data)
            with bare_server(item.load, len(response)) as echo:
                result |= compare(item, server.address, echo, arguments.rounds)
            if samples == SAMPLES:
                result |= {
                    "request_bytes": request.stat().st_size, "response_bytes": len(response),
                    "accuracy": reached,
                }  # fmt: skip
    return result


def rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What was measured as rows of bench.json."""
    common = {
        "mode": "exact", "path": "server", "backend": "cpu", "steps": result["steps"],
        "threads": result["threads"], "correct": True,
    }  # fmt: skip
    rates, latency = result["inferences_per_second"], result["latency_us"]
    return [
        {
            "case": "server.share", "batch": result["samples_per_request"], **common,
            "inferences_per_second": rates["server"], "echo_inferences_per_second": rates["echo"],
            "engine_inferences_per_second": rates["engine"], "share": result["share"],
        },
        {
            "case": "server.latency", "batch": 1, **common, "p50_us": latency["server"],
            "echo_p50_us": latency["echo"], "above_echo_us": latency["above_echo"],
        },
    ]  # fmt: skip


def add_rows(file: Path, added: list[dict[str, Any]]) -> None:
    """Puts rows in place of those of the same cases, behind what the benchmark of the engine has written."""
    content = json.loads(file.read_text()) if file.is_file() else {"rows": []}
    cases = {row["case"] for row in added}
    content["rows"] = [row for row in content["rows"] if row["case"] not in cases] + added
    file.write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    """Measures and writes the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--data", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--json", type=Path, default=Path("build/bench-serving.json"))
    parser.add_argument("--rows", type=Path, default=Path("build/bench.json"), help="gets rows of it, too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--quick", action="store_true", help="one short round")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 0.3
    result = measure(arguments)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    add_rows(arguments.rows, rows(result))
    for name, rate in result["inferences_per_second"].items():
        print(f"{name:<7} {rate:>12,.0f} inf/s")
    print(f"share of the rate at which each request needs echo and engine: {result['share']:.1%}")
    latency = result["latency_us"]
    print(
        f"one image: {latency['server']:.0f} us, a bare echo {latency['echo']:.0f} us, "
        f"{latency['above_echo']:.0f} us more"
    )


if __name__ == "__main__":
    main()
