"""ModelInfer of the Open Inference Protocol beside Simulate of our own service, in one run on loopback.

    PYTHONPATH=tests/support python tests/bench/oip.py [--build FOLDER] [--data FOLDER] [--json FILE]

The same images, steps, connections and calls in flight on the same server, from the same C++ client; the two
in turn, in many short rounds. Both answers have the same outputs, or no time is taken. On a machine that does
other work meanwhile the rates say little; the server's own processor time per call still does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import servers
from reflected import Reflected
from serving import CONNECTIONS, IN_FLIGHT, STEPS, request_bytes

import spikeserve
from spikeserve.v1 import simulation_pb2

NATIVE = "/spikeserve.v1.SimulationService/Simulate"
INFER = "/inference.GRPCInferenceService/ModelInfer"
SAMPLES = (64, 1)  # images in a call
GOAL = 0.9  # of the rate of Simulate


def infer_bytes(reflected: Reflected, native: bytes, name: str) -> bytes:
    """A ModelInferRequest that asks for what a SimulateRequest asks for."""
    asked = simulation_pb2.SimulateRequest.FromString(native)
    [array] = asked.inputs
    request: Any = reflected.message("inference.ModelInferRequest", model_name=asked.network)
    request.inputs.add(name=name, datatype="UINT8", shape=array.shape)
    request.raw_input_contents.append(array.data)
    request.parameters["steps"].int64_param = asked.steps
    return bytes(request.SerializeToString())


class Load:
    """The C++ client with one request of each service."""

    def __init__(self, program: Path, address: str, folder: Path, seconds: float) -> None:
        self.program, self.address, self.folder, self.seconds = program, address, folder, seconds

    def _run(self, method: str, *more: str | Path) -> str:
        request = self.folder / f"{method.rpartition('/')[2]}.request"
        command = [self.program, self.address, request, "--method", method, *more]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def prepare(self, method: str, request: bytes) -> bytes:
        """Keeps the request of a method; the answer to it."""
        (self.folder / f"{method.rpartition('/')[2]}.request").write_bytes(request)
        response = self.folder / "response"
        self._run(method, "--once", response)
        return response.read_bytes()

    def calls(self, method: str) -> float:
        """Answered per second."""
        load = ("--connections", str(CONNECTIONS), "--in-flight", str(IN_FLIGHT))
        return float(self._run(method, "--seconds", str(self.seconds), *load))


def cpu_seconds(server: spikeserve.LocalServer) -> float:
    """Processor time that a server has used."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def calls_answered(server: spikeserve.LocalServer) -> float:
    """By a server since its start."""
    return servers.counter(servers.metrics(server), "spikeserve_requests_total")


def compare(load: Load, server: spikeserve.LocalServer, rounds: int) -> dict[str, Any]:
    """Calls per second and processor time per call of both methods, measured in turn."""
    rates: dict[str, list[float]] = {NATIVE: [], INFER: []}
    cpu: dict[str, list[float]] = {NATIVE: [], INFER: []}
    for number in range(rounds):
        for method in sorted(rates, reverse=number % 2 == 1):
            used, answered = cpu_seconds(server), calls_answered(server)
            rates[method].append(load.calls(method))
            answered = calls_answered(server) - answered
            cpu[method].append((cpu_seconds(server) - used) / answered * 1e6)
    return {
        "all": {"native": rates[NATIVE], "infer": rates[INFER]},
        "native": statistics.median(rates[NATIVE]), "infer": statistics.median(rates[INFER]),
        "ratio": float(np.median(np.divide(rates[INFER], rates[NATIVE]))),
        "native_cpu_us": statistics.median(cpu[NATIVE]), "infer_cpu_us": statistics.median(cpu[INFER]),
    }  # fmt: skip


def prepare(load: Load, reflected: Reflected, data: Path, network: spikeserve.Network, samples: int) -> None:
    """Requests of so many images; ends the program where the two answers differ."""
    source = network.definition.operations[0]
    native = request_bytes(data, tuple(source.input.shape), samples)
    wanted = simulation_pb2.SimulateResponse.FromString(load.prepare(NATIVE, native))
    got: Any = reflected.message("inference.ModelInferResponse")
    got.ParseFromString(load.prepare(INFER, infer_bytes(reflected, native, source.name)))
    if [probe.outputs.data for probe in wanted.probes] != [*got.raw_output_contents]:
        raise SystemExit("the two services answer different outputs: no time is taken")


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each number of images in a call."""
    network = spikeserve.load_network(arguments.data / "fashion_mlp.spk")
    folder = arguments.json.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    server = spikeserve.serve(
        backend="cpu", threads=arguments.threads, binary=arguments.build / "server/app/spikeserve-server"
    )
    rows = []
    with (
        server,
        spikeserve.Client(server.address) as client,
        grpc.insecure_channel(server.address) as channel,
    ):
        client.load("mlp", network)
        program = arguments.build / "tests/bench/spikeserve-bench-load"
        load = Load(program, server.address, folder, arguments.seconds)
        for samples in SAMPLES:
            prepare(load, Reflected(channel), arguments.data, network, samples)
            rows.append({
                "samples_per_request": samples, "steps": STEPS, "connections": CONNECTIONS,
                "in_flight": IN_FLIGHT, "threads": arguments.threads, "load": os.getloadavg()[0],
                "seconds": arguments.seconds, "date": f"{date.today():%Y-%m-%d}",
                **compare(load, server, arguments.rounds),
            })  # fmt: skip
    return rows


def main() -> None:
    """Measures, writes the JSON and prints the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--data", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--json", type=Path, default=Path("build/bench-oip.json"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--seconds", type=float, default=0.4)
    arguments = parser.parse_args()
    rows = measure(arguments)
    arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    for row in rows:
        said = "" if row["ratio"] >= GOAL else f", wanted {GOAL:.0%}"
        print(
            f"{row['samples_per_request']:>3} images per call: Simulate {row['native']:,.0f} calls/s, "
            f"ModelInfer {row['infer']:,.0f} calls/s, median of the ratios {row['ratio']:.1%}{said}; server "
            f"{row['native_cpu_us']:.1f} and {row['infer_cpu_us']:.1f} us of processor time per call; "
            f"load {row['load']:.1f}"
        )


if __name__ == "__main__":
    main()
