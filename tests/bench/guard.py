"""What the guard costs: calls through the relay, and without it, taken in turns.

    python tests/bench/guard.py [--build build/release] [--rounds 3] [--before OLDER_SERVER]

Requests of 784 bytes and of 50 KB from a C++ client, over 4 connections with 16 calls each; the network is so
small that the transport is what is measured. The CPU time of the server a call bears a busy machine better
than calls a second do. `--before` is the binary of another build, measured beside.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

import spikeserve
from spikeserve.v1 import network_pb2 as pb
from spikeserve.v1 import simulation_pb2

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import servers

SIDE = 14  # [14, 14] float32 are 784 bytes
SAMPLES = {"784 B": 1, "50 KB": 64}
SECONDS = 3.0
WARM_UP = 0.5  # of the client, before it counts
TICK = os.sysconf("SC_CLK_TCK")


def request_bytes(samples: int) -> bytes:
    """A SimulateRequest of one step."""
    request = simulation_pb2.SimulateRequest(network="average", steps=1)
    values = np.full((samples, SIDE, SIDE, 1), 0.5, "<f4")
    request.inputs.add(data_type=pb.DATA_TYPE_FLOAT32, shape=values.shape, data=values.tobytes())
    return request.SerializeToString()


def cpu_seconds(server: spikeserve.LocalServer) -> float:
    """User and system time of the process so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def measure(load: Path, server: spikeserve.LocalServer, request: Path) -> tuple[float, float]:
    """Calls a second, and microseconds of the server's CPU time a call."""
    command = [str(load), server.address, str(request), "--connections", "4", "--in-flight", "16"]
    before = cpu_seconds(server)
    done = subprocess.run(
        [*command, "--seconds", str(SECONDS)], check=True, capture_output=True, text=True
    )
    rate = float(done.stdout)
    return rate, (cpu_seconds(server) - before) / (rate * (SECONDS + WARM_UP)) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, help="server of another build")
    arguments = parser.parse_args()
    built = arguments.build / "server/app/spikeserve-server"
    load = arguments.build / "tests/bench/spikeserve-bench-load"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        started = {
            f"--guard {guard}": stack.enter_context(
                spikeserve.serve(backend="cpu", binary=built, guard=guard, log_level="error")
            )
            for guard in ("off", "on")
        }
        if arguments.before:
            started["before"] = stack.enter_context(
                spikeserve.serve(backend="cpu", binary=arguments.before, log_level="error")
            )
        for server in started.values():
            with spikeserve.Client(server.address) as client:
                client.load("average", servers.pooling_network(SIDE))
        print(f"{'':<12}{'request':>10}{'calls/s':>12}{'us CPU/call':>14}")
        for size, samples in SAMPLES.items():
            request = folder / "request"
            request.write_bytes(request_bytes(samples))
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in started}
            for _ in range(arguments.rounds):
                for name, server in started.items():
                    found[name].append(measure(load, server, request))
            for name, values in found.items():
                rates, costs = zip(*values, strict=True)
                rate, cost = statistics.median(rates), statistics.median(costs)
                print(f"{name:<12}{size:>10}{rate:>12.0f}{cost:>14.0f}")


if __name__ == "__main__":
    main()
