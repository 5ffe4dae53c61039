"""The server as it is by default beside fixed batch sizes and delays, in one run.

    python tests/bench/batching.py [--build build/release] [--data build/bench-data] [--json FILE]

Requests of one uint8 image from a C++ client, few and many at a time, for a small network and a convolution.
All servers are up at once and are called in turn, in many short rounds, each in another order: what slows the
machine down for a while meets all of them alike. Settings are compared round by round, by the median of the
ratios. A second server of the default setting shows how far two equal ones come out apart.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from serving import request_bytes

import spikeserve

DEFAULT, TWIN = "default", "default again"
# Named as the server's flags; the first two are what it does by itself.
SETTINGS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    TWIN: {},
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


def compared(rates: dict[str, list[float]]) -> dict[str, Any]:
    """The default against each other setting; `rates` are calls a second, one for each round of each setting.

    `best` is the fixed setting against which the default does worst, `default_of_best` the median over the
    rounds of the ratio to it, with its quartiles; `default_of_twin` the same against the equal server.
    """
    ratios = {name: np.divide(rates[DEFAULT], taken) for name, taken in rates.items() if name != DEFAULT}
    quartiles = {name: np.quantile(taken, (0.25, 0.5, 0.75)).tolist() for name, taken in ratios.items()}
    best = min((name for name in quartiles if name != TWIN), key=lambda name: quartiles[name][1])
    return {
        "calls_per_second": {name: statistics.median(taken) for name, taken in rates.items()},
        "best": best,
        "default_of_best": quartiles[best][1],
        "best_quartiles": quartiles[best],
        "default_of_twin": quartiles[TWIN][1],
        "twin_quartiles": quartiles[TWIN],
    }


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each case."""
    load = arguments.build / "tests/bench/spikeserve-bench-load"
    rows = []
    with ExitStack() as stack:
        servers = Servers(stack, arguments.build, arguments.data, arguments.threads)
        for case in CASES:
            request = arguments.json.with_suffix(".request")
            request.write_bytes(request_bytes(arguments.data, servers.shapes[case.network], 1, case.network))
            rates: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
            for number in range(arguments.rounds):
                order = list(servers.addresses.items())
                random.Random(number).shuffle(order)
                for setting, address in order:
                    rates[setting].append(calls(load, address, request, case, arguments.seconds))
            row = {"case": case.name, **compared(rates)}
            print(json.dumps(row), flush=True)
            rows.append(row)
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
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.4)
    arguments = parser.parse_args()
    about = {
        "date": f"{date.today():%Y-%m-%d}", "load": os.getloadavg()[0], "threads": arguments.threads,
        "rounds": arguments.rounds, "seconds": arguments.seconds,
    }  # fmt: skip
    rows = measure(arguments)
    arguments.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
