"""Measures what a server takes, and writes it into docs/deployment.md: `make sizing`.

    tools/sizing_table.py [--seconds 5] [--connections 400]

A server on the CPU, with default flags, gets the trained networks of tests/data/models one after the other.
Work is counted in seconds of the server's CPU time, which is steadier than its speed where other programs
run.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path

import accuracy_table
import grpc
import trained_models

import spikeserve
from spikeserve.v1 import network_pb2, network_pb2_grpc

PAGE = trained_models.ROOT / "docs" / "deployment.md"
BEGIN, END = "<!-- begin sizing -->\n", "<!-- end sizing -->\n"
MODELS = trained_models.ALL[:4]
STEPS = 16
CALLS = (1, 64)  # images per call
BUSY = 0.1  # cores that other programs take, above which the figures are those of a busy machine
HEADER = (
    "| network | weights | neurons | memory of the budget, MB | resident, MB | "
    "images per CPU s, 1 a call | images per CPU s, 64 a call |\n|---|---:|---:|---:|---:|---:|---:|\n"
)


def resident_bytes(server: spikeserve.LocalServer) -> int:
    """Memory that the server's process has from the machine."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    [kilobytes] = re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1024


def cpu_seconds(server: spikeserve.LocalServer) -> float:
    """CPU time that the server's process has had so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine_seconds() -> float:
    """CPU time that all programs of the machine have had so far."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()
    user, nice, system, _, _, irq, softirq, *_ = map(int, fields[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def own_seconds(server: spikeserve.LocalServer) -> float:
    """What this program and the server have had of it."""
    return time.process_time() + cpu_seconds(server)


@contextmanager
def connections(server: spikeserve.LocalServer, count: int) -> Iterator[None]:
    """So many connections that have made a call and stay open."""
    with ExitStack() as stack:
        for _ in range(count):
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = stack.enter_context(grpc.insecure_channel(server.address, options=options))
            network_pb2_grpc.NetworkServiceStub(channel).ListNetworks(network_pb2.ListNetworksRequest())
        yield


def images_per_cpu_second(
    server: spikeserve.LocalServer, client: spikeserve.Client, prepared: accuracy_table.Prepared, images: int,
    seconds: float,
) -> float:  # fmt: skip
    """Images that a second of the server's CPU time classifies, with `images` in a call."""
    batch = prepared.samples[:images]
    client.simulate(prepared.name, batch, steps=STEPS)
    before, end, done = cpu_seconds(server), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        client.simulate(prepared.name, batch, steps=STEPS)
        done += len(batch)
    return done / (cpu_seconds(server) - before)


def row(
    server: spikeserve.LocalServer,
    client: spikeserve.Client,
    model: trained_models.TrainedModel,
    seconds: float,
) -> str:
    """A line of the table."""
    before = resident_bytes(server)
    prepared = accuracy_table.prepare(client, model, "spikeserve", count=max(CALLS))
    info = client.get(prepared.name)
    rates = [images_per_cpu_second(server, client, prepared, images, seconds) for images in CALLS]
    grown = resident_bytes(server) - before
    return (
        f"| {model.name} | {info.parameters:,} | {info.neurons:,} | {info.resident_bytes / 1e6:.1f} "
        f"| {grown / 1e6:.0f} | {rates[0]:,.0f} | {rates[1]:,.0f} |\n"
    )


def measure(seconds: float, count: int) -> str:
    """The figures as Markdown."""
    with spikeserve.serve(backend="cpu", grpc_connections_per_address=count + 16) as server:
        idle = resident_bytes(server)
        begun, others = time.monotonic(), machine_seconds() - own_seconds(server)
        with connections(server, count):
            per_connection = (resident_bytes(server) - idle) / count
        with spikeserve.Client(server.address, timeout=600) as client:
            rows = "".join(row(server, client, model, seconds) for model in MODELS)
        others = (machine_seconds() - own_seconds(server) - others) / (time.monotonic() - begun)
    date = datetime.now(timezone.utc).date().isoformat()
    return (
        f"\nA server without networks has {idle / 1e6:.0f} MB, an open gRPC connection takes "
        f"{per_connection / 1e3:.0f} kB more ({count} of them, each after a call).\n\n{HEADER}{rows}\n"
        f"{STEPS} steps an image; *resident* is what the process grew by, with the buffers of its runs. "
        f"{platform.machine()}, {os.cpu_count()} cores, {date}; other programs took "
        f"{max(others, 0):.1f} cores meanwhile"
        + (": an idle machine does more.\n\n" if others > BUSY else ".\n\n")
    )


def main() -> None:
    """Writes the figures between the two marks of the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=400)
    arguments = parser.parse_args()
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        parser.error(f"{PAGE}: wanted the lines {BEGIN} and {END}")
    figures = measure(arguments.seconds, arguments.connections)
    PAGE.write_text(f"{before}{begin}{figures}{end}{after}", encoding="utf-8")
    print(figures)


if __name__ == "__main__":
    main()
