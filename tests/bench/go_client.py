"""The Go client against the C++ load client: the same requests to the same server, in turn.

    python tests/bench/go_client.py [--build build/release] [--data build/bench-data] [--rounds N]

Requests of 64 uint8 images, 16 at the same time. The C++ client sends the bytes of one request over and over
and reads no answer; client/go/examples/loadgen makes every request and reads every answer. Both share the
cores with the server, so that what a client takes is missing there. Where something else runs on the machine,
rates tell little; the least CPU time that a call took tells what they would be: the ratio of both sums of
client and server. Go is measured as it starts and with GOMAXPROCS=1: what its scheduler spends on a second
core, looking for work, is missing to a server on the same cores.
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


def go_rate(program: Path, address: str, images: Path, seconds: float, **environment: str) -> float:
    """Calls answered per second to the Go client, with what is added to the environment."""
    command = [str(program), "-address", address, "-network", "mlp", "-images", str(images), "-json"]
    command += ["-steps", str(serving.STEPS), "-batch", str(serving.SAMPLES), "-callers", str(CALLERS)]
    command += ["-duration", f"{seconds}s"]
    ran = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **environment}
    )
    out = json.loads(ran.stdout)
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


def cpu_seconds_of(pid: int) -> float:
    """User and system time of a process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def turns(
    clients: dict[str, Callable[[], float]], server: int, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Rates of each client in turn, and CPU time per call of it and of the server."""
    keys = ("rate", "cpu_us", "server_cpu_us")
    seen: dict[str, dict[str, list[float]]] = {name: {key: [] for key in keys} for name in clients}
    for _ in range(rounds):
        for name, rate in clients.items():
            cpu, served, begin = cpu_seconds(), cpu_seconds_of(server), time.monotonic()
            calls_per_second = rate()
            calls = calls_per_second * (time.monotonic() - begin)
            found = (calls_per_second, cpu_seconds() - cpu, cpu_seconds_of(server) - served)
            for key, value in zip(keys, found, strict=True):
                seen[name][key].append(value if key == "rate" else 1e6 * value / calls)
    return seen


def ratio_by_cpu(seen: dict[str, dict[str, list[float]]], name: str) -> float:
    """The ratio of the client's rate to that of C++ on cores that have nothing else to do."""
    server = min(min(client["server_cpu_us"]) for client in seen.values())
    return (server + min(seen["c++"]["cpu_us"])) / (server + min(seen[name]["cpu_us"]))


def ratios(seen: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, Any]]:
    """Of the rate of each client in Go to that of C++: in each round, the median of these, by CPU time."""
    found = {}
    for name in seen.keys() - {"c++"}:
        rounds = [go / cpp for go, cpp in zip(seen[name]["rate"], seen["c++"]["rate"], strict=True)]
        found[name] = {
            "rounds": rounds, "ratio": statistics.median(rounds), "by_cpu": ratio_by_cpu(seen, name),
        }  # fmt: skip
    return found


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
        go = (arguments.go, server.address, images, arguments.seconds)
        seen = turns(
            {
                "c++": lambda: load.calls(server.address),
                "go": lambda: go_rate(*go),
                "go, GOMAXPROCS=1": lambda: go_rate(*go, GOMAXPROCS="1"),
            },
            server.process.pid,
            arguments.rounds,
        )
    return {
        "network": arguments.network, "steps": serving.STEPS, "samples_per_request": serving.SAMPLES,
        "callers": CALLERS, "threads": arguments.threads, "load": os.getloadavg()[0], "all": seen,
        "ratios": ratios(seen),
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
        rate, cpu, served = statistics.median(seen["rate"]), min(seen["cpu_us"]), min(seen["server_cpu_us"])
        print(
            f"{name:<16} {rate * serving.SAMPLES:>10,.0f} inf/s; {cpu:.0f} us of CPU time per call, "
            f"the server {served:.0f} us"
        )
    for name, found in sorted(result["ratios"].items()):
        spread = f"{min(found['rounds']):.0%} to {max(found['rounds']):.0%}"
        print(
            f"{name}: {found['ratio']:.0%} of the C++ client's rate ({spread}; wanted {GOAL:.0%}), "
            f"{found['by_cpu']:.0%} by CPU time"
        )


if __name__ == "__main__":
    main()
