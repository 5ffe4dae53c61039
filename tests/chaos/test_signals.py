"""SIGTERM at each stage of a server's life: it ends in order and in time, and what it has stored is whole."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
import servers
from callers import Callers, simulate_request
from figures import Figures
from stage import Stage, known_flags, usual_flags

import spikeserve

_WIDTH = 64
_NETWORKS = 12
_IN_TIME_S = 20.0
_DRAIN_S = 1


def fill(stage: Stage) -> list[tuple[str, int]]:
    """A repository that takes a while to load; what is in it."""
    server = stage.start()
    with spikeserve.Client(server.address) as client:
        for number in range(_NETWORKS):
            client.load(f"n{number}", servers.small_network(400))
        client.load("net", servers.small_network(_WIDTH))
        stored = [(info.name, info.version) for info in client.list()]
    assert server.stop() == 0
    return stored


def require_stored(stage: Stage, stored: list[tuple[str, int]]) -> None:
    server = stage.start()
    with spikeserve.Client(server.address) as client:
        assert [(info.name, info.version) for info in client.list()] == stored
    assert server.stop() == 0


def test_before_it_listens(stage: Stage, seed: int, tmp_path: Path) -> None:
    """At any moment of the start; before it has looked at signals at all, SIGTERM may simply end it."""
    stored = fill(stage)
    draw = random.Random(seed)
    for number in range(8):
        log = tmp_path / f"log{number}"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [stage.script(), "--listen=127.0.0.1:0", "--metrics-listen=none", "--http-listen=none",
                 "--backend=cpu", f"--network-repository={stage.repository}",
                 *(f"--{name.replace('_', '-')}={value}" for name, value in usual_flags().items())],
                stdout=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
        delay_s = draw.uniform(0.0, 0.15)
        time.sleep(delay_s)
        began = b" starting " in log.read_bytes()
        process.terminate()
        status = process.wait(_IN_TIME_S)
        allowed = (0,) if began else (0, -signal.SIGTERM)
        assert status in allowed, f"after {delay_s:.3f} s: {log.read_text()}"
    require_stored(stage, stored)


def test_while_a_network_is_uploaded(stage: Stage) -> None:
    """Half of it has come: the call ends with an error, nothing of it is stored."""
    stored = fill(stage)
    server = stage.start(drain_seconds=_DRAIN_S)
    with spikeserve.Client(server.address) as client:

        def stop(done: int, total: int) -> None:
            if total // 2 <= done < total:
                server.process.terminate()
                time.sleep(_DRAIN_S)

        with pytest.raises((spikeserve.UnavailableError, spikeserve.CallCancelledError)):
            client.load("half", servers.small_network(1024), on_progress=stop)
    assert server.process.wait(_IN_TIME_S) == 0
    require_stored(stage, stored)


def test_twice(stage: Stage) -> None:
    """The second one does not break off what the first one lets end, nor does it hang."""
    stored = fill(stage)
    server = stage.start(drain_seconds=30)
    with spikeserve.Client(server.address) as client:
        events = client.stream("net", servers.samples(64, _WIDTH), steps=5_000, report_every=50)
        next(events)
        server.process.terminate()
        next(events)
        server.process.terminate()
        *_, result = events
        assert isinstance(result, spikeserve.SimulationResult)
    assert server.process.wait(_IN_TIME_S) == 0
    require_stored(stage, stored)


def test_under_load(stage: Stage, figures: Figures) -> None:
    """What was accepted is answered, what comes later is told by the code that clients may repeat."""
    stored = fill(stage)
    request = simulate_request("net", 1, _WIDTH, 20).SerializeToString()
    lame_duck = {"lame_duck_seconds": 1} if "lame_duck_seconds" in known_flags() else {}
    codes: Counter[str] = Counter()
    for _ in range(4):
        server = stage.start(**lame_duck)
        load = Callers(server.address, request, seconds=1.5, callers=24, pause_s=0.0).start()
        time.sleep(0.5)
        begun = time.monotonic()
        server.process.terminate()
        assert server.process.wait(_IN_TIME_S) == 0
        assert time.monotonic() - begun < 10.0
        measured = load.finish()
        codes += measured.codes
    figures.add("endurance", "SIGTERM under load", rounds=4, **{code.lower(): n for code, n in codes.items()})
    assert set(codes) <= {"OK", "UNAVAILABLE"}, codes
    require_stored(stage, stored)
