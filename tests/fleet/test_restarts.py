"""Replicas that are restarted, killed and cut off under load: no call fails, whichever way it goes."""

from __future__ import annotations

import os
import time

import pytest
import replicas
import servers
from balancers import Balancer
from budget import Budget
from figures import Figures
from replicas import COUNT, Fleet
from trial import Trial, Way

pytestmark = pytest.mark.timeout(3600)
# gRPC repeats no stream of which something was read, so one that is cut off in the middle fails, by any way.
_WHOLE = ("simulate", "session")


def _ways(balancers: list[Balancer]) -> list[Way]:
    return [Way(balancer.program, balancer.address) for balancer in balancers]


def _all_ways(fleet: Fleet, balancers: list[Balancer]) -> list[Way]:
    return [Way("direct", ",".join(fleet.addresses)), *_ways(balancers)]


def _note(figures: Figures, trial: Trial, what: str) -> None:
    for way, cells in trial.rows:
        figures.add("replicas", f"{what}; {way}", **cells)


def test_restarts_that_nobody_was_told_of(
    fleet: Fleet, balancers: list[Balancer], budget: Budget, figures: Figures
) -> None:
    def restart_all() -> None:
        for index in range(budget.restarts):
            fleet.stop(index)
            fleet.start(index)
            time.sleep(budget.settle_s)

    trial = Trial(fleet, budget)
    trial.run(_all_ways(fleet, balancers), restart_all)
    _note(figures, trial, "restarted by SIGTERM alone")


def test_restarts_that_balancers_drain_first(
    fleet: Fleet, balancers: list[Balancer], budget: Budget, figures: Figures
) -> None:
    """A drained replica gets no calls any more, and is stopped once it has none."""

    def restart_all() -> None:
        for index in range(budget.restarts):
            for balancer in balancers:
                balancer.drain(index)
            servers.eventually(lambda: fleet.in_flight(index) == 0, f"replica {index} is drained", 90)  # noqa: B023
            fleet.stop(index)
            fleet.start(index)
            for balancer in balancers:
                balancer.restore(index)
            time.sleep(budget.settle_s)

    trial = Trial(fleet, budget)
    trial.run(_ways(balancers), restart_all)
    _note(figures, trial, "drained by the balancer, then restarted")


def test_a_killed_replica(fleet: Fleet, balancers: list[Balancer], budget: Budget, figures: Figures) -> None:
    def kill_each() -> None:
        for index in range(budget.restarts):
            fleet.stop(index, kill=True)
            time.sleep(budget.away_s)
            fleet.start(index)
            time.sleep(budget.settle_s)

    trial = Trial(fleet, budget, _WHOLE)
    trial.run(_all_ways(fleet, balancers), kill_each)
    _note(figures, trial, "killed")


def test_a_replica_that_is_cut_off(
    fleet: Fleet, balancers: list[Balancer], budget: Budget, figures: Figures
) -> None:
    """What is on its way to it is lost, and nobody is told; who waits has to find out."""
    if not os.environ.get(replicas.OWN_NAMESPACE):
        pytest.skip("no network namespace of its own: run tools/fleet.sh as root, with iproute2")

    def cut_one_off() -> None:
        cut = cuts.pop(0)
        cuts.append(cut)
        fleet.pull(cut)
        time.sleep(budget.cut_s)
        fleet.plug(cut)
        servers.eventually(lambda: fleet.answers(cut), f"replica {cut} answers again", 60)
        time.sleep(budget.settle_s)

    cuts = list(range(COUNT))
    trial = Trial(fleet, budget, _WHOLE)
    ways = _all_ways(fleet, balancers)
    if not budget.all_clients:
        ways = [way for way in ways if way.name == "haproxy"]
        if not ways:
            pytest.skip("haproxy is not installed; the others take longer to notice than this form lasts")
    trial.run(ways, cut_one_off)
    _note(figures, trial, "cut off")
    late = [
        f"{way}: {row['longest_ms']} ms" for way, row in trial.rows if row["longest_ms"] > budget.cut_s * 1e3
    ]
    assert not late, f"calls waited until the cable was back: {late}"
