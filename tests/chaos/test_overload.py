"""More work than there is time: who is answered, how soon, and what it costs the others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from budget import Budget
from callers import Measured
from contest import CONVOLUTION, DENSE, OTHER, Work, apart, bearer, beside, goodput, open_server, together
from figures import Figures, ms
from stage import Stage

LARGE = Work(CONVOLUTION, samples=4_096, steps=2)
HUGE_STEPS = 10_000


@dataclass(frozen=True)
class Case:
    """Single samples, how long their clients wait, and what is to be kept of a server of one core."""

    work: Work
    patience_s: float  # deadline, or three times what a sample takes alone where that is more
    goodput: float  # of the best, at least
    expired: float  # share of those that are let in, at most


# Ten times the rate of samples of 4 ms are 1,400 calls a second. To read and answer one that does nothing
# costs the core 0.13 ms (a health check: gRPC and the relay before it), a fifth of its time. The longer a
# sample takes, the nearer to all of it is what can be kept: of samples of 37 ms nine tenths are the goal,
# and what was measured, 0.84 and 0.9, is too near to it to be held to it.
CASES = {
    "single": Case(Work(CONVOLUTION, samples=1, steps=10_000), patience_s=0.0, goodput=0.8, expired=0.05),
    "short": Case(Work(CONVOLUTION, samples=1, steps=1_000), patience_s=0.0, goodput=0.75, expired=0.05),
    "patient": Case(Work(CONVOLUTION, samples=1, steps=1_000), patience_s=0.5, goodput=0.8, expired=0.25),
}


@dataclass(frozen=True)
class Goals:
    """What is asked of a server that is asked too much."""

    slower: float  # p99 of what is accepted, against the unloaded one
    refused_ms: float  # until a refusal, half of them
    expired: float  # times what the case allows
    goodput: float  # times what the case asks for
    share: float  # of half the machine, for a tenant beside another's flood
    answered: float  # share of calls with a deadline of 100 ms


# A long run has a machine of its own. That of a short one has other things to do: all that its bounds must do
# is to tell a server that shares from one that starves.
GOALS = {
    "long": Goals(slower=3.0, refused_ms=5.0, expired=1.0, goodput=1.0, share=0.8, answered=0.95),
    "short": Goals(slower=10.0, refused_ms=25.0, expired=18.0, goodput=0.3, share=0.4, answered=0.8),
}


@pytest.mark.parametrize("name", CASES)
def test_ten_times_what_it_can_do(
    stage: Stage, budget: Budget, figures: Figures, seed: int, name: str
) -> None:
    """Single samples beside requests of 4,096: accepted ones are quick, refusals come at once."""
    case, goals = CASES[name], GOALS[budget.name]
    work = case.work
    scene, prefix = apart()  # else the flood alone, which takes a core to send, would cost half the goodput
    server = open_server(stage, seed, *scene)
    seconds, patient_s = budget.overload_seconds, 2 * budget.overload_seconds
    alone = work.callers(server, seconds, callers=1, pause_s=0.0, prefix=prefix).run()
    best = together({
        work: work.callers(server, seconds, callers=4, pause_s=0.0, prefix=prefix),
        LARGE: LARGE.callers(server, seconds, callers=2, pause_s=0.0, deadline_s=patient_s, prefix=prefix),
    })  # fmt: skip
    deadline_s = max(GOALS["long"].slower * alone.p99, case.patience_s)
    rate = 10 * max(best[work].rate, 5.0)
    flooded = together({
        work: work.callers(server, seconds, rate=rate, deadline_s=deadline_s, prefix=prefix),
        LARGE: LARGE.callers(server, seconds, callers=20, pause_s=0.0, deadline_s=patient_s, prefix=prefix),
    })  # fmt: skip
    single = flooded[work]
    refused = refusals(single, deadline_s)
    expired = len(single.calls) - single.codes["OK"] - len(refused)
    refused_ms = ms(float(np.median(refused))) if refused else float("inf")
    kept = goodput(flooded) / goodput(best)
    row = f"samples of {work.steps:,} steps at ten times the rate, beside 4,096 samples"
    figures.add(
        "overload", f"{row}, in {case.patience_s} s" if case.patience_s else row,
        alone_p99_ms=ms(alone.p99),
        calls=len(single.calls), accepted=single.codes["OK"], accepted_p99_ms=ms(single.p99),
        refused=len(refused), refused_p50_ms=refused_ms, expired=expired,
        large_accepted=flooded[LARGE].codes["OK"], goodput_of_best=round(kept, 2),
    )  # fmt: skip
    assert single.p99 <= max(goals.slower * alone.p99, 1.2 * case.patience_s)
    assert refused_ms <= goals.refused_ms
    assert expired <= goals.expired * case.expired * (single.codes["OK"] + expired), single.codes
    assert kept >= goals.goodput * case.goodput
    assert server.stop() == 0


def refusals(measured: Measured, deadline_s: float) -> list[float]:
    """Seconds of the calls that were refused, and not only given up at their deadline."""
    return [
        took
        for _, took, code in measured.calls
        if code == "RESOURCE_EXHAUSTED" or (code == "DEADLINE_EXCEEDED" and took < 0.8 * deadline_s)
    ]


def test_the_share_of_a_tenant(
    stage: Stage, budget: Budget, figures: Figures, seed: int, tmp_path: Path
) -> None:
    """Two tenants, by their tokens: the flood of one costs the other at most a fifth of its half."""
    admin, tokens = tmp_path / "admin", tmp_path / "tokens"
    admin.write_text("admin\n")
    tokens.write_text("flooding\nmodest\n")
    server = open_server(stage, seed, token="admin", admin_token_file=admin, auth_token_file=tokens)
    work = Work(DENSE, samples=1, steps=10_000)
    modest = work.callers(server, budget.overload_seconds, callers=8, pause_s=0.0, metadata=bearer("modest"))
    alone = modest.run()
    flood = Work(DENSE, samples=256, steps=5_000)
    metadata = bearer("flooding")
    with beside(flood.callers(server, 600.0, callers=24, pause_s=0.0, deadline_s=600.0, metadata=metadata)):
        time.sleep(0.5)
        shared = modest.run()
    share = shared.rate / (alone.rate / 2)
    figures.add(
        "overload", "a tenant beside the flood of another", alone_p99_ms=ms(alone.p99),
        calls=len(shared.calls), accepted=shared.codes["OK"], accepted_p99_ms=ms(shared.p99),
        share_of_its_half=round(share, 2),
    )  # fmt: skip
    assert share >= GOALS[budget.name].share, shared.codes
    assert server.stop() == 0


FLOODS = {
    "4,096 samples x 10,000 steps on the same network": (DENSE, Work(DENSE, 4_096, HUGE_STEPS), 4),
    "4,096 samples x 10,000 steps on another network": (OTHER, Work(DENSE, 4_096, HUGE_STEPS), 4),
    "a flood of convolutions": (DENSE, Work(CONVOLUTION, 64, 200), 16),
}


@pytest.mark.parametrize("name", FLOODS, ids=["same", "another", "convolutions"])
def test_a_deadline_of_100_ms(stage: Stage, budget: Budget, figures: Figures, seed: int, name: str) -> None:
    """Single samples are answered in time beside work that others would have to wait minutes for."""
    network, flood, callers = FLOODS[name]
    server = open_server(stage, seed)
    one = Work(network, samples=1, steps=10)
    alone = one.callers(server, 1.0, deadline_s=0.1, pause_s=0.02).run()
    with beside(flood.callers(server, 600.0, callers=callers, pause_s=0.0, deadline_s=600.0)):
        time.sleep(1.0)
        measured = one.callers(server, budget.overload_seconds, deadline_s=0.1, pause_s=0.02).run()
    figures.add(
        "overload", f"a deadline of 100 ms beside {name}", alone_p99_ms=ms(alone.p99),
        calls=len(measured.calls), accepted=measured.codes["OK"], accepted_p99_ms=ms(measured.p99),
    )  # fmt: skip
    assert measured.answered >= GOALS[budget.name].answered, measured.codes
    assert server.stop() == 0
