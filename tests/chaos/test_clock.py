"""The wall clock is set by an hour, ahead and back, while requests run."""

from __future__ import annotations

import time
from pathlib import Path

import preloaded
import pytest
import servers
from trial import NAME, WIDTH, Trial

import spikeserve

_HOUR_S = 3600


def open_with_clock(trial: Trial, folder: Path) -> Path:
    """A server whose wall clock is off by the seconds that are in the file."""
    clock = folder / "clock"
    clock.write_text("0")
    trial.open(preloaded.scene(preloaded.compiled(folder), clock=clock))
    return clock


def test_uptime_never_goes_back(trial: Trial, tmp_path: Path) -> None:
    clock = open_with_clock(trial, tmp_path)
    before = servers.metrics(trial.server)["spikeserve_uptime_seconds"]
    for seconds in (-_HOUR_S, _HOUR_S, 0):
        clock.write_text(str(seconds))
        after = servers.metrics(trial.server)["spikeserve_uptime_seconds"]
        assert before <= after <= before + 30, f"clock off by {seconds} s"
        before = after
    trial.require_clean()


def test_calls_do_not_notice(trial: Trial, tmp_path: Path) -> None:
    """Neither those with a deadline that is far, nor those whose deadline is to end them."""
    clock = open_with_clock(trial, tmp_path)
    running = trial.healthy(trial.budget.seconds).start()
    for seconds in (_HOUR_S, 0, -_HOUR_S, 0):
        time.sleep(trial.budget.seconds / 5)
        clock.write_text(str(seconds))
    healthy = running.finish()
    trial.note("clock set by an hour", healthy)
    assert healthy.answered == 1.0, healthy.codes
    trial.require_healthy(healthy)
    clock.write_text(str(-_HOUR_S))
    with spikeserve.Client(trial.server.address) as client:
        begun = time.monotonic()
        with pytest.raises(spikeserve.DeadlineExceededError):
            client.simulate(NAME, servers.samples(4096, WIDTH), steps=10_000, timeout=0.05)
        assert time.monotonic() - begun < 5.0
    trial.require_clean()
