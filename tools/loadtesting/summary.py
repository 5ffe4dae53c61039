"""What a load test came to, for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadtesting import ghz, sweep
from loadtesting.measure import Outcome


@dataclass(frozen=True)
class Setting:
    """What a reader has to know to make sense of the figures."""

    command: str
    version: str  # of the server, and its backend
    server: str  # who started it, and its flags
    workload: str
    steps: int
    ghz: str
    load_before: float  # of the machine, over a minute
    load_after: float
    cores: int
    shared_cores: bool  # server and ghz run on the same


@dataclass(frozen=True)
class Result:
    """Everything that was measured."""

    setting: Setting
    outcomes: list[Outcome]
    sweep: sweep.Sweep | None

    @property
    def all(self) -> list[Outcome]:
        """The profiles, then the steps of the sweep."""
        return [*self.outcomes, *(self.sweep.steps if self.sweep else ())]

    @property
    def problems(self) -> list[str]:
        """What is wrong, each with the profile in front."""
        found = [f"{item.title}: {problem}" for item in self.all for problem in item.problems]
        if not found and not any(item.run for item in self.all):
            found = [f"{item.title}: {item.skipped}, and nothing else was asked for" for item in self.all]
        return found


def summary(result: Result) -> dict[str, Any]:
    """What the report says, for machines; times in seconds."""
    knee = result.sweep.knee if result.sweep else None
    return {
        "passed": not result.problems,
        "problems": result.problems,
        "setting": vars(result.setting),
        "profiles": [_facts(item) for item in result.outcomes],
        "sweep": None
        if result.sweep is None
        else {
            "knee": _facts(knee) if knee else None,
            "peak_calls_per_second": result.sweep.peak,
            "unloaded_p99_s": result.sweep.unloaded_p99,
            "generator_bound": result.sweep.generator_bound,
            "steps": [_facts(step) for step in result.sweep.steps],
        },
    }


def _facts(outcome: Outcome) -> dict[str, Any]:
    run = outcome.run
    means = {"batch_mean": outcome.batch, "queue_mean_s": outcome.queue, "compute_mean_s": outcome.compute}
    return {
        "name": outcome.profile.name,
        "rate": outcome.rate,
        "skipped": outcome.skipped or None,
        "problems": outcome.problems,
        "classes_compared": outcome.compared,
        "classes_wrong": outcome.wrong,
        "samples_per_call": outcome.profile.samples,
        "codes": run.codes if run else {},
        "sent_per_second": run.sent if run else None,
        "answered_per_second": run.served if run else None,
        "latency_s": {f"p{value:g}": run.percentile(value) for value in ghz.PERCENTILES} if run else {},
        "ghz_cores": run.cpu if run else None,
        "server_cores": outcome.server_cpu,
        "other_cores": outcome.others_cpu,
        "samples_per_cpu_second": outcome.samples_per_cpu_second,
        **{name: histogram.mean if histogram else None for name, histogram in means.items()},
    }
