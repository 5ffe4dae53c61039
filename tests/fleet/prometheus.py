"""Debian's Prometheus, run with the configuration of deploy/prometheus on servers of the tests."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import servers
from balancers import free_port, replaced

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
RATE_INTERVAL = "6s"  # as Grafana makes it of the scrapes: a few of them
# A metric with its labels in an expression; names of labels and functions have no such beginnings.
_SELECTOR = re.compile(r"\b(?:spikeserve_\w+|up)\b(?:\{[^}]*\})?")
_TARGETS = '["replica-1:8002", "replica-2:8002", "replica-3:8002"]'


def tool(name: str) -> str:
    """`prometheus` or `promtool`; skips where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def selectors(expression: str) -> list[str]:
    """All metrics that an expression asks for, each with its labels."""
    return list(dict.fromkeys(_SELECTOR.findall(expression)))


class Prometheus:
    """Scrapes every second. `stop` ends it."""

    def __init__(self, folder: Path, targets: list[str]) -> None:
        text = replaced(
            (CONFIGURATION / "prometheus.yml").read_text(),
            (_TARGETS, json.dumps(targets)),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        )
        (folder / "prometheus.yml").write_text(text)
        shutil.copy(CONFIGURATION / "alerts.yml", folder)
        self.address = f"127.0.0.1:{free_port()}"
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                tool("prometheus"), f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data", f"--web.listen-address={self.address}",
            ],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip
        try:
            servers.eventually(self._is_ready, f"Prometheus is ready: {folder}/log", 60)
        except BaseException:
            self.stop()
            raise

    def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series that an expression has now, with their values."""
        found = self.get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def has_data(self, expression: str) -> bool:
        """Whether there is any series, and not all of them are without a number."""
        return any(not math.isnan(value) for _, value in self.ask(expression))

    def get(self, path: str) -> Any:
        """The data of an answer; AssertionError where it is none."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from None

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, "Prometheus has ended"
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5):
                return True
        except OSError:
            return False
