"""Every query of the board and every metric of the alerts, asked of a real Prometheus of real servers."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
import yaml
from budget import Budget
from busy import Busy
from prometheus import CONFIGURATION, RATE_INTERVAL, Prometheus, selectors, tool
from replicas import OWN_NAMESPACE

GRAFANA = CONFIGURATION.parent / "grafana"
BOARD: dict[str, Any] = json.loads((GRAFANA / "spikeserve.json").read_text())
ALERTS = [
    rule
    for group in yaml.safe_load((CONFIGURATION / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
_PATIENCE_S = 60.0
# What cannot be had here, by words of the query.
EXEMPT = {
    "spikeserve_gpu_": "there is no GPU",
    'backend="cuda"': "there is no GPU",
    "spikeserve_guard_closes_total": "nobody floods the server; tests/chaos does",
    "spikeserve_guard_pauses_total": "nobody floods the server; tests/chaos does",
    "spikeserve_cold_start_seconds_bucket": "all networks fit; tests/e2e/test_residency.py has others",
    'code="INTERNAL"': "no disk is broken here; tests/e2e/test_store_faults.py has some that are",
    "spikeserve_connections_refused_total": "no connection is refused; tests/chaos has many that are",
}


def _exempt(query: str) -> str:
    """Why a query has no data here; "" where it has to have some."""
    if 'reason="network-repository"' in query and not os.environ.get(OWN_NAMESPACE):
        return "no disk of its own can be mounted: run tools/fleet.sh as root"
    return next((reason for words, reason in EXEMPT.items() if words in query), "")


def _panels() -> list[dict[str, Any]]:
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def _queries() -> Iterator[tuple[str, str]]:
    """Title and expression of all targets, with what Grafana puts in place of its variables."""
    for panel in _panels():
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
            yield panel["title"], re.sub(r"\$(job|instance|network|tenant)\b", ".*", expression)


@pytest.fixture(scope="module")
def prometheus(budget: Budget, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It has scraped for a while, and everything has happened that it is asked for."""
    folder = tmp_path_factory.mktemp("board")
    tool("prometheus")
    busy = Busy(folder)
    running = Prometheus(folder, busy.targets)
    try:
        busy.start()
        yield running
        assert busy.errors == []
    finally:
        running.stop()
        busy.stop()


def _missing(prometheus: Prometheus, queries: list[tuple[str, str]]) -> list[str]:
    """Those without data, after they had some time to come."""
    end = time.monotonic() + _PATIENCE_S
    left = [(title, query) for title, query in queries if not _exempt(query)]
    while left and time.monotonic() < end:
        left = [(title, query) for title, query in left if not prometheus.has_data(query)]
        time.sleep(0.2)
    return [f"{title}: {query}" for title, query in left]


def test_every_query_of_the_board_has_data(prometheus: Prometheus) -> None:
    queries = list(_queries())
    assert len(queries) > 60
    assert _missing(prometheus, queries) == []


def test_every_variable_of_the_board_has_values(prometheus: Prometheus) -> None:
    variables = {entry["name"]: entry for entry in BOARD["templating"]["list"]}
    assert variables.pop("datasource")["type"] == "datasource"
    for name, variable in variables.items():
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
        found = prometheus.ask(f"count by ({label}) ({metric.replace('$job', '.*')})")
        assert all(series.get(label) for series, _ in found), name
        assert found, name


def test_every_metric_of_the_alerts_has_data(prometheus: Prometheus) -> None:
    queries = [(rule["alert"], selector) for rule in ALERTS for selector in selectors(rule["expr"])]
    assert len(queries) > len(ALERTS)
    assert _missing(prometheus, queries) == []


def test_prometheus_evaluates_every_alert(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        groups = prometheus.get("/api/v1/rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    servers.eventually(lambda: all(rule["health"] != "unknown" for rule in rules()), "all are evaluated", 60)
    assert {rule["name"] for rule in rules()} == {rule["alert"] for rule in ALERTS}
    assert [rule["lastError"] for rule in rules() if rule["health"] != "ok"] == []


def test_an_alert_fires_for_what_has_happened_and_no_other(prometheus: Prometheus) -> None:
    """The servers here are up, and one had a quota file that was wrong."""

    def firing() -> set[str]:
        alerts = prometheus.get("/api/v1/alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    servers.eventually(lambda: "SpikeserveReloadFailed" in firing(), "the alert fires", 60)
    assert not firing() & {"SpikeserveDown", "SpikeserveNoneLeft", "SpikeserveLogLinesLost"}


def test_exempt_queries_stand_in_the_board_or_the_alerts() -> None:
    everything = json.dumps(BOARD).replace('\\"', '"') + "".join(rule["expr"] for rule in ALERTS)
    assert [words for words in EXEMPT if words not in everything] == []


def test_the_board_names_the_data_source_by_its_variable() -> None:
    """So that it can be imported into any Grafana; panels have titles, descriptions and ids of their own."""
    for panel in _panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert panel["title"]
        assert panel["description"]
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    places = [
        (y, x)
        for panel in BOARD["panels"]
        for place in [panel["gridPos"]]
        for y in range(place["y"], place["y"] + place["h"])
        for x in range(place["x"], place["x"] + place["w"])
    ]
    assert len(set(places)) == len(places), "panels lie over each other"
    assert max(x for _, x in places) < 24


def test_grafana_finds_what_it_is_provisioned_with() -> None:
    folder = GRAFANA / "provisioning"
    sources = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())
    assert [source["type"] for source in sources["datasources"]] == ["prometheus"]
    (provider,) = yaml.safe_load((folder / "dashboards/spikeserve.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert Path(provider["options"]["path"]).is_absolute()
