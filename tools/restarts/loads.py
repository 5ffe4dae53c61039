"""Clients in processes of their own that call servers until they are asked what they saw."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from restarts.cluster import NETWORK

ROOT = Path(__file__).resolve().parents[2]
LOADGEN = ROOT / "build/go/loadgen"
PAUSE_S = 0.01  # of a caller after each call: the machine is shared with the servers
_END_S = 120.0  # for a load to finish its calls and report
_NOTHING_LEFT_S = 600.0  # for a run to get anywhere at all
Load = subprocess.Popen[str]


def go(addresses: str, kind: str, *, callers: int, health: bool) -> Load:
    """Go's client (client/go/examples/loadgen, which `make go` builds): simulate, stream or session."""
    return _spawn([
        str(LOADGEN), "-address", addresses, "-network", NETWORK, "-kind", kind, "-json", "-replay",
        "-batch", "1", "-steps", "16", "-callers", str(callers), "-pause", f"{PAUSE_S}s",
        "-warm-up", "0s", "-duration", "24h", f"-health={str(health).lower()}",
    ])  # fmt: skip


def python(addresses: str, kind: str, *, callers: int, health: bool) -> Load:
    """The Python client: a kind of restarts.caller."""
    arguments = [addresses, kind, str(callers), str(PAUSE_S), str(int(health))]
    return _spawn([sys.executable, "-m", "restarts.caller", *arguments])


def wait_until(condition: Callable[[], bool], loads: Mapping[str, Load]) -> None:
    """Waits while all loads run; RuntimeError where one has ended, or nothing happens for minutes."""
    end = time.monotonic() + _NOTHING_LEFT_S
    while not condition():
        for name, load in loads.items():
            if load.poll() is not None:
                raise RuntimeError(f"{name}: ended with status {load.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"no calls within {_NOTHING_LEFT_S:g} s")
        time.sleep(0.1)


def wait_calling(load: Load) -> None:
    """Waits until a load of `python` has had its first answer; RuntimeError where it ended before."""
    assert load.stdout is not None
    if load.stdout.readline() != "calling\n":
        raise RuntimeError(f"a load ended with status {load.wait()}")


def report(load: Load) -> dict[str, Any]:
    """Ends a load; its calls, latencies and failures."""
    load.send_signal(signal.SIGINT)
    try:
        output, _ = load.communicate(timeout=_END_S)
    except subprocess.TimeoutExpired:
        load.send_signal(signal.SIGABRT)  # shows where it hangs
        load.wait()
        raise
    if load.returncode != 0:
        raise RuntimeError(f"a load ended with status {load.returncode}")
    seen: dict[str, Any] = json.loads(output.splitlines()[-1])
    return seen


def kill(loads: Iterable[Load]) -> None:
    """Ends what still runs, without a report."""
    for load in loads:
        load.kill()
        load.wait()


def _spawn(command: list[str]) -> Load:
    paths = [str(ROOT / "tools"), str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment["PYTHONFAULTHANDLER"] = "1"
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
