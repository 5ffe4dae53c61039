"""One run: loads are started, servers are restarted in turn until there were enough calls, loads report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restarts.cluster import NETWORK, Cluster

ROOT = Path(__file__).resolve().parents[2]
LOADGEN = ROOT / "build/go/loadgen"
_SERVERS = 3
_CALLERS = 4
_PAUSE_S = 0.01  # of a caller after each call: the machine is shared with the servers
_END_S = 120.0  # for a load to finish its calls and report
_NOTHING_LEFT_S = 600.0  # for a run to get anywhere at all
# Name of a load, and its kind: of loadgen's -kind, or of restarts.caller.
_GO = {"Go, unary": "simulate", "Go, stream": "stream", "Go, session": "session"}
_PYTHON = {
    "Python, unary": "simulate",
    "Python, stream": "stream",
    "Python, session": "session",
    "Python asyncio, unary": "async",
    "Python asyncio, session": "async-session",
}


@dataclass(frozen=True)
class Settings:
    """What a run does."""

    calls: int  # at least so many, as the servers count them
    lame_duck_seconds: int
    settle_seconds: float  # between two restarts
    kill: bool  # SIGKILL instead of SIGTERM


def run(settings: Settings, *, health: bool) -> dict[str, Any]:
    """The figures of a run; `health`: whether clients ask servers whether they are ready."""
    begin = time.monotonic()
    with Cluster(_SERVERS, settings.lame_duck_seconds) as cluster:
        loads = _start(",".join(cluster.addresses), health)
        try:
            _until(lambda: cluster.calls() > 100 * len(loads), loads)  # all are connected and busy
            while cluster.restarts == 0 or cluster.calls() < settings.calls:
                for index in range(_SERVERS):
                    cluster.restart(index, kill=settings.kill)
                    time.sleep(settings.settle_seconds)
                _until(cluster.all_busy, loads)
            reports = {name: _report(load) for name, load in loads.items()}
        finally:
            for load in loads.values():
                load.kill()
                load.wait()
        result = {
            "health": health,
            "kill": settings.kill,
            "seconds": time.monotonic() - begin,
            "restarts": cluster.restarts,
            "longest_stop_s": cluster.longest_stop_s,
            "cancelled": cluster.cancelled,
            "loads": reports,
        }
    _show(result)
    return result


def problems(result: dict[str, Any]) -> list[str]:
    """What should not have happened in a run."""
    found = [f"a server ended a call with CANCELLED: {line}" for line in result["cancelled"][:5]]
    for name, load in result["loads"].items():
        if load["calls"] == 0:
            found.append(f"{name}: no call succeeded")
        for code, count in load["failures"].items():
            found.append(f"{name}: {count} calls failed with {code}, such as: {load['examples'][code]}")
    return found


def _start(addresses: str, health: bool) -> dict[str, subprocess.Popen[str]]:
    loads = {}
    if LOADGEN.is_file():
        for name, kind in _GO.items():
            loads[name] = _spawn([
                str(LOADGEN), "-address", addresses, "-network", NETWORK, "-kind", kind, "-json", "-replay",
                "-batch", "1", "-steps", "16", "-callers", str(_CALLERS), "-pause", f"{_PAUSE_S}s",
                "-warm-up", "0s", "-duration", "24h", f"-health={str(health).lower()}",
            ])  # fmt: skip
    else:
        print(f"rolling-restart: no Go clients: {LOADGEN} is missing (make go)", file=sys.stderr)
    for name, kind in _PYTHON.items():
        arguments = [addresses, kind, str(_CALLERS), str(_PAUSE_S), str(int(health))]
        loads[name] = _spawn([sys.executable, "-m", "restarts.caller", *arguments])
    return loads


def _spawn(command: list[str]) -> subprocess.Popen[str]:
    paths = [str(ROOT / "tools"), str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment["PYTHONFAULTHANDLER"] = "1"
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _until(condition: Any, loads: dict[str, subprocess.Popen[str]]) -> None:
    """Waits while all loads run; RuntimeError where one has ended, or nothing happens for minutes."""
    end = time.monotonic() + _NOTHING_LEFT_S
    while not condition():
        for name, load in loads.items():
            if load.poll() is not None:
                raise RuntimeError(f"{name}: ended with status {load.returncode}")
        if time.monotonic() > end:
            raise RuntimeError(f"no calls within {_NOTHING_LEFT_S:g} s")
        time.sleep(0.1)


def _report(load: subprocess.Popen[str]) -> dict[str, Any]:
    load.send_signal(signal.SIGINT)
    try:
        output, _ = load.communicate(timeout=_END_S)
    except subprocess.TimeoutExpired:
        load.send_signal(signal.SIGABRT)  # shows where it hangs
        load.wait()
        raise
    report: dict[str, Any] = json.loads(output)
    return report


def _show(result: dict[str, Any]) -> None:
    how = "SIGKILL" if result["kill"] else "SIGTERM"
    health = "with health checks" if result["health"] else "without health checks"
    print(
        f"{result['restarts']} restarts by {how}, clients {health}, {result['seconds']:.0f} s, "
        f"longest stop {result['longest_stop_s']:.1f} s"
    )
    print("| client | calls | failed | p50 ms | p99 ms | longest ms |")
    print("|---|---|---|---|---|---|")
    for name, load in result["loads"].items():
        failed = sum(load["failures"].values())
        print(
            f"| {name} | {load['calls']:,} | {failed} | {load['p50_ms']:.1f} | {load['p99_ms']:.1f} "
            f"| {load['max_ms']:.0f} |"
        )
    total = sum(load["calls"] for load in result["loads"].values())
    failed = sum(sum(load["failures"].values()) for load in result["loads"].values())
    print(f"| all | {total:,} | {failed} | | | |")
