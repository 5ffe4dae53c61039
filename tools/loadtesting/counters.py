"""/metrics of the server: what changed between two looks at it."""

from __future__ import annotations

import re
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass

REQUESTS = "spikeserve_requests_total"
_BUILD = "spikeserve_build_info"
BATCH, QUEUE, COMPUTE = "spikeserve_batch_samples", "spikeserve_queue_seconds", "spikeserve_compute_seconds"
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Call = tuple[str, str]  # method, status code


@dataclass(frozen=True)
class Histogram:
    """What was observed between two looks: `buckets` are upper bounds with the count at or below them."""

    count: float
    total: float
    buckets: tuple[tuple[float, float], ...]

    @property
    def mean(self) -> float | None:
        """None where nothing was observed."""
        return self.total / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """The upper bound of the bucket that holds it; None where nothing was observed."""
        if not self.count:
            return None
        return next((bound for bound, count in self.buckets if count >= share * self.count), float("inf"))


@dataclass(frozen=True)
class Look:
    """All samples of one look, by name and labels."""

    values: dict[str, dict[tuple[tuple[str, str], ...], float]]

    def requests(self) -> Counter[Call]:
        """Finished calls."""
        found: Counter[Call] = Counter()
        for labels, value in self.values.get(REQUESTS, {}).items():
            named = dict(labels)
            found[named["method"], named["code"]] += int(value)
        return found

    def histogram_since(self, before: Look, name: str) -> Histogram:
        """What a histogram has seen since an earlier look."""

        def change(suffix: str, labels: tuple[tuple[str, str], ...] = ()) -> float:
            now = self.values.get(name + suffix, {}).get(labels, 0.0)
            return now - before.values.get(name + suffix, {}).get(labels, 0.0)

        buckets = sorted(
            (float(dict(labels)["le"]), change("_bucket", labels))
            for labels in self.values.get(name + "_bucket", {})
        )
        return Histogram(change("_count"), change("_sum"), tuple(buckets))


def parse(text: str) -> Look:
    """Prometheus' text format."""
    values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for line in text.splitlines():
        found = None if line.startswith("#") else _SAMPLE.match(line)
        if found:
            labels = tuple(sorted(_LABEL.findall(found[2] or "")))
            values.setdefault(found[1], {})[labels] = float(found[3])
    return Look(values)


class Server:
    """The server as it is seen from outside: its metrics port, and its process where that is ours."""

    def __init__(self, metrics_address: str | None, pid: int | None) -> None:
        self._url = f"http://{metrics_address}/metrics" if metrics_address else None
        self.pid = pid  # where the process is on this machine and ours
        self.version = self._version()  # and backend; empty without metrics

    @property
    def has_metrics(self) -> bool:
        """Whether there is a metrics port to look at."""
        return self._url is not None

    def look(self) -> Look:
        """The metrics now; none without a port. OSError where the port does not answer."""
        if self._url is None:
            return Look({})
        with urllib.request.urlopen(self._url, timeout=30) as answer:
            return parse(answer.read().decode())

    def _version(self) -> str:
        named = [dict(labels) for labels in self.look().values.get(_BUILD, {})]
        return f"{named[0]['version']}, {named[0]['backend']}" if named else ""


class Ledger:
    """Every call that was sent, held against the server's own count of the calls that it finished."""

    def __init__(self, server: Server, alone: bool) -> None:
        self._server = server
        self._alone = alone  # nobody else calls it
        self._base = server.look().requests()
        self._sent: Counter[Call] = Counter()

    def add(self, method: str, codes: Counter[str]) -> None:
        """Books calls that the client saw end."""
        name = method.rpartition("/")[2]
        self._sent.update({(name, code): count for code, count in codes.items()})

    def settle(self, timeout: float = 15.0) -> list[str]:
        """What is lost or invented once the server has counted the last call; begins anew after that."""
        if not self._server.has_metrics:
            return []
        methods = {method for method, _ in self._sent}
        end = time.monotonic() + timeout
        while True:
            now = self._server.look().requests()
            counted = {call: now[call] - self._base[call] for call in now | self._sent if call[0] in methods}
            wrong = {call: count for call, count in counted.items() if self._is_wrong(call, count)}
            if not wrong or time.monotonic() > end:
                break
            time.sleep(0.05)
        sent, self._sent, self._base = self._sent, Counter(), now
        return [
            f"{method} {code}: {sent[method, code]} were answered, the server counts {count}"
            for (method, code), count in sorted(wrong.items())
        ]

    def _is_wrong(self, call: Call, counted: int) -> bool:
        """More than were sent are wrong only where nobody else calls."""
        return counted < self._sent[call] or (self._alone and counted > self._sent[call])
