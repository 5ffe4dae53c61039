"""One run: loads are started, servers are restarted in turn until there were enough calls, loads report."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

from restarts import loads
from restarts.cluster import Cluster

_SERVERS = 3
_CALLERS = 4
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
        running = _start(",".join(cluster.addresses), health)
        try:
            loads.wait_until(lambda: cluster.calls() > 100 * len(running), running)  # all are busy
            while cluster.restarts == 0 or cluster.calls() < settings.calls:
                for index in range(_SERVERS):
                    cluster.restart(index, kill=settings.kill)
                    time.sleep(settings.settle_seconds)
                loads.wait_until(cluster.all_busy, running)
            reports = {name: loads.report(load) for name, load in running.items()}
        finally:
            loads.kill(running.values())
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


def _start(addresses: str, health: bool) -> dict[str, loads.Load]:
    if loads.LOADGEN.is_file():
        started = {
            name: loads.go(addresses, kind, callers=_CALLERS, health=health) for name, kind in _GO.items()
        }
    else:
        print(f"rolling-restart: no Go clients: {loads.LOADGEN} is missing (make go)", file=sys.stderr)
        started = {}
    for name, kind in _PYTHON.items():
        started[name] = loads.python(addresses, kind, callers=_CALLERS, health=health)
    return started


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
