"""One trial: clients call by several ways, something happens to the replicas, and no call may fail."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from budget import Budget
from replicas import Fleet
from restarts import loads

CALLERS = 2  # of each load, each with a channel of its own but in Go
_KINDS = ("simulate", "stream", "session")


@dataclass(frozen=True)
class Way:
    """How clients reach the replicas: their addresses, with commas between, or a balancer's."""

    name: str
    addresses: str


class Trial:
    """Clients with the documented policy, kinds of calls by ways; use `under_load` for what happens."""

    def __init__(self, fleet: Fleet, budget: Budget, kinds: tuple[str, ...] = _KINDS) -> None:
        self.fleet = fleet
        self.budget = budget
        self._kinds = kinds
        self.reports: dict[str, dict[str, Any]] = {}  # by "WAY, CLIENT, KIND"
        self.seconds = 0.0

    def run(self, ways: list[Way], disturb: Callable[[], None]) -> None:
        """Disturbs again and again until there were calls enough; AssertionError where one failed."""
        begin = time.monotonic()
        self.fleet.cancelled.clear()
        with self._calling(ways) as running:
            wanted = sum(self.fleet.calls()) + self.budget.calls
            disturb()
            while sum(self.fleet.calls()) < wanted:
                loads.wait_until(lambda: True, running)
                disturb()
            self.reports = {name: loads.report(load) for name, load in running.items()}
        self.seconds = time.monotonic() - begin
        print(f"{self.seconds:.0f} s", *(f"{name}: {row}" for name, row in self.reports.items()), sep="\n")
        self._require()

    @property
    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Figures of each way: its calls of all clients and kinds."""
        for way in dict.fromkeys(name.partition(",")[0] for name in self.reports):
            reports = [report for name, report in self.reports.items() if name.startswith(f"{way},")]
            yield (
                way,
                {
                    "calls": sum(report["calls"] for report in reports),
                    "failed": sum(sum(report["failures"].values()) for report in reports),
                    "p99_ms": round(max(report["p99_ms"] for report in reports)),
                    "longest_ms": round(max(report["max_ms"] for report in reports)),
                },
            )

    def _require(self) -> None:
        failed = [
            f"{name}: {report['failures']}, such as {report['examples']}"
            for name, report in self.reports.items()
            if report["failures"]
        ]
        assert not failed, "\n".join(failed)
        silent = [name for name, report in self.reports.items() if report["calls"] == 0]
        assert not silent, f"no call succeeded: {silent}"
        assert not self.fleet.cancelled, f"servers ended calls with CANCELLED: {self.fleet.cancelled[:5]}"

    @contextmanager
    def _calling(self, ways: list[Way]) -> Iterator[Mapping[str, loads.Load]]:
        """Loads that have had their first answers."""
        running: dict[str, loads.Load] = {}
        try:
            for way, kind in itertools.product(ways, self.budget.of_python(self._kinds)):
                running[f"{way.name}, Python, {kind}"] = loads.python(
                    way.addresses, kind, callers=CALLERS, health=True
                )
            for load in running.values():
                loads.wait_calling(load)
            before = sum(self.fleet.calls())
            for way, kind in itertools.product(ways, self.budget.of_go(self._kinds)):
                running[f"{way.name}, Go, {kind}"] = loads.go(
                    way.addresses, kind, callers=CALLERS, health=True
                )
            loads.wait_until(lambda: sum(self.fleet.calls()) > before + 50 * len(running), running)
            yield running
        finally:
            loads.kill(running.values())
