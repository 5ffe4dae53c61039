"""Calls servers with the Python client until it is interrupted, and prints what it saw as one JSON object.

The first line says "calling", once the first call was answered.

    python -m restarts.caller ADDRESSES KIND CALLERS PAUSE_S HEALTH

KIND: simulate, stream, session, async or async-session. HEALTH: 1 or 0, whether servers are asked if they are
ready. ADDRESSES have commas between them.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

import spikeserve
from restarts.cluster import NETWORK, WIDTH
from spikeserve import _channel

STEPS = 16
PIECES = 20  # advances of a session


class Seen:
    """What the callers of this process saw. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.latencies: list[float] = []
        self.failures: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, seconds: float, error: Exception | None) -> None:
        """A call that is over."""
        with self._lock:
            if error is None:
                if not self.latencies:
                    print("calling", flush=True)
                self.latencies.append(seconds)
                return
            code = error.code.name if isinstance(error, spikeserve.SpikeserveError) else type(error).__name__
            self.failures[code] += 1
            self.examples[code] = str(error)

    def report(self) -> dict[str, object]:
        """As loadgen prints it."""
        times = np.asarray(self.latencies or [0.0]) * 1e3
        return {
            "calls": len(self.latencies),
            "p50_ms": float(np.percentile(times, 50)),
            "p99_ms": float(np.percentile(times, 99)),
            "max_ms": float(times.max()),
            "failures": dict(self.failures),
            "examples": self.examples,
        }


def _check(result: spikeserve.SimulationResult, expected: np.ndarray) -> None:
    """An answer is the right one, whichever server gave it."""
    if result.outputs.tobytes() != expected.tobytes():
        raise AssertionError("another server gave other numbers")


def _call(kind: str, client: spikeserve.Client, pause: float) -> Callable[[], None]:
    """One call of a caller, which fails where the answer is not the right one."""
    inputs = np.linspace(0, 1, WIDTH, dtype=np.float32)[None]
    whole = client.simulate(NETWORK, inputs, steps=STEPS).outputs
    in_pieces = client.simulate(NETWORK, inputs, steps=STEPS * PIECES).outputs

    def simulate() -> None:
        _check(client.simulate(NETWORK, inputs, steps=STEPS), whole)

    def stream() -> None:
        *_, last = client.stream(NETWORK, inputs, steps=STEPS, report_every=4)
        assert isinstance(last, spikeserve.SimulationResult)
        _check(last, whole)

    def session() -> None:
        with client.session(NETWORK, 1, replay=True) as opened:
            for _ in range(PIECES):
                progress = opened.advance(inputs, STEPS)
                time.sleep(pause)
        assert progress.steps_done == STEPS * PIECES
        assert progress.outputs.tobytes() == in_pieces.tobytes(), "the session has other numbers than the run"

    return {"simulate": simulate, "stream": stream, "session": session}[kind]


def _work(addresses: str, kind: str, pause: float, stop: threading.Event, seen: Seen) -> None:
    with spikeserve.Client(addresses) as client:
        call = _call(kind, client, pause)
        while not stop.is_set():
            begin, error = time.monotonic(), None
            try:
                call()
            except Exception as caught:  # whatever a user of the client would meet
                error = caught
            seen.add(time.monotonic() - begin, error)
            stop.wait(pause)


async def _work_async(addresses: str, kind: str, pause: float, asked: list[int], seen: Seen) -> None:
    inputs = np.linspace(0, 1, WIDTH, dtype=np.float32)[None]
    async with spikeserve.AsyncClient(addresses) as client:
        while not asked:
            begin, error = time.monotonic(), None
            try:
                if kind == "async":
                    await client.simulate(NETWORK, inputs, steps=STEPS)
                else:
                    async with await client.session(NETWORK, 1, replay=True) as session:
                        for _ in range(PIECES):
                            progress = await session.advance(inputs, STEPS)
                            await asyncio.sleep(pause)
                    assert progress.steps_done == STEPS * PIECES
            except Exception as caught:
                error = caught
            seen.add(time.monotonic() - begin, error)
            await asyncio.sleep(pause)


async def _gather(
    addresses: str, kind: str, callers: int, pause: float, asked: list[int], seen: Seen
) -> None:
    await asyncio.gather(*(_work_async(addresses, kind, pause, asked, seen) for _ in range(callers)))


def main(addresses: str, kind: str, callers: int, pause: float, health: bool) -> None:
    """Calls until SIGINT."""
    if not health:
        _channel._SERVICE_CONFIG.pop("healthCheckConfig")  # no user needs an option for it
    stop, seen = threading.Event(), Seen()
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    target = "ipv4:" + addresses
    if kind.startswith("async"):
        asyncio.run(_gather(target, kind, callers, pause, asked, seen))
    else:
        threads = [
            threading.Thread(target=_work, args=(target, kind, pause, stop, seen)) for _ in range(callers)
        ]
        for thread in threads:
            thread.start()
        while not asked:  # a thread that waits without end may not hear of a signal
            time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
    print(json.dumps(seen.report()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5] == "1")
