"""The server as it is by default beside fixed batch sizes and delays, in one run.

    python tests/bench/batching.py [--build build/release] [--data build/bench-data] [--json FILE]

Requests of one uint8 image from a C++ client, few and many at a time, for a small network and a convolution.
All servers are up at once and are called in turn, so that a busy machine slows down all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from serving import request_bytes

import spikeserve

# Named as the server's flags; the first is what it does by itself.
SETTINGS: dict[str, dict[str, int]] = {
    "default": {},
    "batches of 1": {"max_batch": 1},
    "of 4": {"max_batch": 4},
    "of 16": {"max_batch": 16},
    "of 256": {"max_batch": 256},
    "of 16, after 0.5 ms": {"max_batch": 16, "max_batch_delay_us": 500},
    "of 64, after 2 ms": {"max_batch": 64, "max_batch_delay_us": 2_000},
}


@dataclass(frozen=True)
class Case:
    """What is asked for."""

    network: str
    connections: int
    in_flight: int  # calls on each connection

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.network}, {self.connections * self.in_flight} calls at a time"


CASES = [
    Case(network, connections, in_flight)
    for network in ("fashion_mlp", "fashion_cnn")
    for connections, in_flight in ((1, 1), (4, 4), (4, 32))
]


class Servers:
    """One for each setting."""

    def __init__(self, stack: ExitStack, build: Path, data: Path, threads: int) -> None:
        self.addresses: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        networks = {case.network: spikeserve.load_network(data / f"{case.network}.spk") for case in CASES}
        for name, network in networks.items():
            self.shapes[name] = tuple(network.definition.operations[0].input.shape)
        for setting, flags in SETTINGS.items():
            server = spikeserve.serve(
                backend="cpu", threads=threads, binary=build / "server/app/spikeserve-server", **flags
            )
            stack.enter_context(server)
            with spikeserve.Client(server.address) as client:
                for name, network in networks.items():
                    client.load(name, network)
            self.addresses[setting] = server.address


def calls(load: Path, address: str, request: Path, case: Case, seconds: float) -> float:
    """Calls answered per second."""
    command = [str(load), address, str(request), "--seconds", str(seconds)]
    command += ["--connections", str(case.connections), "--in-flight", str(case.in_flight)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each case: medians over the rounds of the calls a second, and the ratio to the best fixed."""
    load = arguments.build / "tests/bench/spikeserve-bench-load"
    rows = []
    with ExitStack() as stack:
        servers = Servers(stack, arguments.build, arguments.data, arguments.threads)
        for case in CASES:
            request = arguments.json.with_suffix(".request")
            request.write_bytes(request_bytes(arguments.data, servers.shapes[case.network], 1, case.network))
            rates: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
            for seconds in [0.3] + [arguments.seconds] * arguments.rounds:  # the first warms up
                for setting, address in servers.addresses.items():
                    rates[setting].append(calls(load, address, request, case, seconds))
            medians = {setting: statistics.median(taken[1:]) for setting, taken in rates.items()}
            # Round by round: what slows the machine down for a while is in both.
            ratios = [
                rates["default"][i] / max(taken[i] for name, taken in rates.items() if name != "default")
                for i in range(1, arguments.rounds + 1)
            ]
            ratio = float(np.median(ratios))
            rows.append({"case": case.name, "calls_per_second": medians, "default_of_best": ratio})
            print(f"{case.name:<36} {ratio:.2f}", medians, flush=True)
    return rows


def main() -> None:
    """Measures and writes the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--data", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--json", type=Path, default=Path("build/bench-batching.json"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    arguments = parser.parse_args()
    rows = measure(arguments)
    arguments.json.write_text(json.dumps({"load": os.getloadavg()[0], "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
