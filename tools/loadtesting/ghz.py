"""Runs ghz and reads what it measured."""

from __future__ import annotations

import json
import re
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loadtesting import profiles

_GRACE = 120.0  # seconds beyond the load, in which calls under way end
_WARM_UP = 0.1  # share of a run, in which connections are made, that no latency is taken from
_MAX_WARM_UP = 1.0  # seconds
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class GhzError(RuntimeError):
    """ghz could not be run, or ended before it measured anything; the message has what it printed."""


@dataclass(frozen=True)
class GhzRun:
    """What one run of ghz did. Latencies in seconds, of answered calls, without the warm-up."""

    codes: dict[str, int]  # all calls, by status code as the server spells it
    errors: dict[str, int]  # messages of refusals
    served: float  # answered calls per second
    sent: float  # calls sent per second
    latencies: npt.NDArray[np.float64]  # sorted
    cpu: float  # cores that ghz kept busy

    def percentile(self, percentage: float) -> float | None:
        """The latency that this share of the calls did not exceed; None where too few calls say so."""
        count = len(self.latencies)
        if count * (100 - percentage) < 100:  # not one call lies above it
            return None
        return float(self.latencies[int(np.ceil(count * percentage / 100)) - 1])


def run(binary: Path, config: dict[str, Any], scratch: Path) -> GhzRun:
    """Runs ghz; `scratch` keeps NAME.json, the configuration, and NAME.out.json, what ghz wrote."""
    name = str(config["name"])
    settings, output = scratch / f"{name}.json", scratch / f"{name}.out.json"
    settings.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    settings.chmod(0o600)  # it may hold the name of a token file
    command = [str(binary), "--config", str(settings), "--format", "json", "--output", str(output)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    limit = profiles.seconds(config["duration"]) + profiles.seconds(config["timeout"]) + _GRACE
    output.unlink(missing_ok=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GhzError(f"ghz: {error}") from error
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0 or not output.is_file():
        raise GhzError(f"ghz ended with status {done.returncode}: {(done.stderr or done.stdout).strip()}")
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return parse(json.loads(output.read_text(encoding="utf-8")), busy)


def parse(report: dict[str, Any], busy_s: float = 0.0) -> GhzRun:
    """ghz's own JSON; GhzError where no call was made."""
    details = report.get("details") or []
    if not details:
        raise GhzError("ghz made no call")
    if len(details) != report["count"]:
        raise GhzError(f"ghz kept {len(details)} of {report['count']} calls: a shorter run, please")
    latency = np.array([item["latency"] for item in details], np.int64)
    end = np.array([_local_time(item["timestamp"]) for item in details], "datetime64[ns]").astype(np.int64)
    answered = np.array([item["status"] == "OK" for item in details])
    begin = end - latency
    first, last = int(begin.min()), int(begin.max())
    warm = first + int(min((last - first) * _WARM_UP, _MAX_WARM_UP * 1e9))
    if last - first < report["total"] * _WARM_UP:  # calls that take as long as the run: all were sent at once
        warm, last = first, int(end.max())
    window = max(last - warm, 1) / 1e9
    counted = begin >= warm
    return GhzRun(
        codes={_code(name): count for name, count in report["statusCodeDistribution"].items()},
        errors=dict(report.get("errorDistribution") or {}),
        served=float((answered & (end >= warm) & (end <= last)).sum()) / window,
        sent=float(counted.sum() - 1) / window,
        latencies=np.sort(latency[counted & answered]) / 1e9,
        cpu=busy_s / (report["total"] / 1e9),
    )


def _local_time(text: str) -> str:
    """A timestamp without its zone, which is the same for all of a run."""
    return re.sub(r"(Z|[+-]\d\d:\d\d)$", "", text)


def _code(name: str) -> str:
    """ResourceExhausted as the server spells it: RESOURCE_EXHAUSTED."""
    spelled = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()
    return "CANCELLED" if spelled == "CANCELED" else spelled
