"""The Go client against the C++ load client: the same requests to the same server, in turn.

    python tests/bench/go_client.py [--build build/release] [--data build/bench-data] [--rounds N]

Requests of 64 uint8 images, 16 at the same time. The C++ client sends the bytes of one request over and over
and reads no answer; client/go/examples/loadgen makes every request and reads every answer. Both share the
cores with the server, so that what a client takes is missing there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import serving

import spikeserve

CALLERS = serving.CONNECTIONS * serving.IN_FLIGHT
GOAL = 0.9


def go_rate(program: Path, address: str, images: Path, seconds: float) -> float:
    """Calls answered per second to the Go client."""
    command = [str(program), "-address", address, "-network", "mlp", "-images", str(images), "-json"]
    command += ["-steps", str(serving.STEPS), "-batch", str(serving.SAMPLES), "-callers", str(CALLERS)]
    command += ["-duration", f"{seconds}s"]
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if out["failures"]:
        raise SystemExit(f"calls of the Go client failed: {out['examples']}")
    return float(out["calls_per_second"])


def write_idx(data: Path, shape: tuple[int, ...], target: Path) -> None:
    """The images of the request as the file that the Go client reads."""
    head = struct.pack(f">BBBB{1 + len(shape)}I", 0, 0, 8, 1 + len(shape), serving.SAMPLES, *shape)
    size = serving.SAMPLES
    for n in shape:
        size *= n
    target.write_bytes(head + (data / "fashion_test.images").read_bytes()[:size])


def cpu_seconds() -> float:
    """User and system time of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def turns(clients: dict[str, Callable[[], float]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Rates and CPU time per call of each client, in turn."""
    seen: dict[str, dict[str, list[float]]] = {name: {"rate": [], "cpu_us": []} for name in clients}
    for _ in range(rounds):
        for name, rate in clients.items():
            cpu, begin = cpu_seconds(), time.monotonic()
            calls_per_second = rate()
            calls = calls_per_second * (time.monotonic() - begin)
            seen[name]["rate"].append(calls_per_second)
            seen[name]["cpu_us"].append(1e6 * (cpu_seconds() - cpu) / calls)
    return seen


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Starts a server and times both clients in turn."""
    request, images = arguments.json.with_suffix(".request"), arguments.json.with_suffix(".idx")
    load = serving.Measurement(arguments.build, arguments.data, request, arguments.threads, arguments.seconds)
    network = spikeserve.load_network(arguments.data / arguments.network)
    shape = tuple(network.definition.operations[0].input.shape)
    request.write_bytes(serving.request_bytes(arguments.data, shape))
    write_idx(arguments.data, shape, images)
    server = spikeserve.serve(
        backend="cpu", threads=arguments.threads, binary=arguments.build / "server/app/spikeserve-server"
    )
    with server, spikeserve.Client(server.address) as client:
        client.load("mlp", network)
        seen = turns(
            {
                "c++": lambda: load.calls(server.address),
                "go": lambda: go_rate(arguments.go, server.address, images, arguments.seconds),
            },
            arguments.rounds,
        )
    ratios = [go / cpp for go, cpp in zip(seen["go"]["rate"], seen["c++"]["rate"], strict=True)]
    return {
        "network": arguments.network, "steps": serving.STEPS, "samples_per_request": serving.SAMPLES,
        "callers": CALLERS, "threads": arguments.threads, "load": os.getloadavg()[0], "all": seen,
        "ratios": ratios, "ratio": statistics.median(ratios),
    }  # fmt: skip


def main() -> None:
    """Measures, writes the JSON and prints the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--data", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--go", type=Path, default=Path("build/go/loadgen"))
    parser.add_argument("--network", default="fashion_mlp.spk", help="a file of the data folder")
    parser.add_argument("--json", type=Path, default=Path("build/bench-go.json"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_args()
    result = measure(arguments)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    for name, seen in result["all"].items():
        rate, cpu = (statistics.median(seen[key]) for key in ("rate", "cpu_us"))
        print(f"{name:<4} {rate * serving.SAMPLES:>10,.0f} inf/s, {cpu:.0f} us of CPU time per call")
    spread = f"{min(result['ratios']):.0%} to {max(result['ratios']):.0%}"
    print(f"the Go client's rate is {result['ratio']:.0%} of the C++ client's ({spread}; wanted {GOAL:.0%})")


if __name__ == "__main__":
    main()
