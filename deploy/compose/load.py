"""Calls a server again and again, so that there is something to see: a stand-in for your clients.

    python load.py server:8001 --calls-per-second 20
    python load.py server:8001 --seconds 60      # then says what it saw, and exits with 1 if a call failed

Uploads a small network of random weights as `load-example`, unless the server has it, and sends it random
samples: single ones and batches, streams, and now and then a session.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

import spikeserve
from spikeserve.v1 import network_pb2 as pb

NETWORK = "load-example"
INPUTS, NEURONS, OUTPUTS = 64, 256, 10
STEPS = 32
_PATIENCE_S = 300.0  # for a server that is still starting
_REPORT_S = 30.0
Draw = np.random.Generator


def example() -> spikeserve.Network:
    """Inputs, a layer of integrate-and-fire neurons, a readout; weights of a fixed seed."""
    draw = np.random.default_rng(17)
    definition = pb.NetworkDefinition(format_version=1)
    definition.operations.add(name="input").input.shape.append(INPUTS)
    for name, shape in (("in", (NEURONS, INPUTS)), ("out", (OUTPUTS, NEURONS))):
        weights = draw.normal(size=shape).astype("<f4")
        definition.tensors.add(id=name, shape=shape, data_type=pb.DATA_TYPE_FLOAT32, data=weights.tobytes())
    definition.operations.add(name="dense").affine.weight = "in"
    neuron = definition.operations.add(name="neurons").neuron
    neuron.integrate_and_fire.amplitude = 0.01
    neuron.gain.scalar = 20.0
    definition.operations.add(name="output").affine.weight = "out"
    for source, target in (("input", "dense"), ("dense", "neurons"), ("neurons", "output")):
        definition.connections.add(source=source, target=target)
    definition.probes.add(name="output", target="output", quantity=pb.PROBE_QUANTITY_OUTPUT)
    return spikeserve.Network(definition)


def prepare(client: spikeserve.Client) -> None:
    """Waits for the server, and gives it the network if it has none of that name."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            if NETWORK not in {info.name for info in client.list()}:
                client.load(NETWORK, example())
            return
        except (spikeserve.UnavailableError, spikeserve.AlreadyExistsError):
            if time.monotonic() > end:
                raise
            time.sleep(1)


def calls(client: spikeserve.Client, draw: Draw) -> list[Callable[[], None]]:
    """One of each kind; single samples are the most frequent."""

    def samples(count: int) -> npt.NDArray[np.float32]:
        return draw.random((count, INPUTS), np.float32)

    def single() -> None:
        client.simulate(NETWORK, samples(1), steps=STEPS)

    def batch() -> None:
        client.simulate(NETWORK, samples(64), steps=STEPS)

    def stream() -> None:
        for _ in client.stream(NETWORK, samples(4), steps=STEPS, report_every=8):
            pass

    def session() -> None:
        with client.session(NETWORK, batch=1, replay=True) as opened:
            for _ in range(5):
                opened.advance(samples(1), STEPS)

    return [single] * 12 + [batch] * 4 + [stream] * 3 + [session]


def run(client: spikeserve.Client, per_second: float, seconds: float | None) -> Counter[str]:
    """Calls until the time is over, at most so many a second; how they ended."""
    draw = np.random.default_rng()
    kinds = calls(client, draw)
    ended: Counter[str] = Counter()
    begin = reported = time.monotonic()
    while seconds is None or time.monotonic() - begin < seconds:
        due = time.monotonic() + 1 / per_second
        try:
            kinds[int(draw.integers(len(kinds)))]()
            ended["ok"] += 1
        except spikeserve.SpikeserveError as error:
            ended[type(error).__name__] += 1
            print(error, file=sys.stderr, flush=True)
        if time.monotonic() - reported > _REPORT_S:
            print(dict(ended), flush=True)
            reported = time.monotonic()
        time.sleep(max(0.0, due - time.monotonic()))
    return ended


def main(argv: list[str] | None = None) -> int:
    """The exit status: 1 where a call failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("--calls-per-second", type=float, default=20.0, help="at most; default 20")
    parser.add_argument("--seconds", type=float, help="until it ends; default: never")
    arguments = parser.parse_args(argv)
    with spikeserve.Client(arguments.server) as client:
        prepare(client)
        ended = run(client, arguments.calls_per_second, arguments.seconds)
    print(dict(ended), flush=True)
    return 1 if set(ended) - {"ok"} else 0


if __name__ == "__main__":
    sys.exit(main())
