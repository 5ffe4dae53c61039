"""The chart in all its variants: lint, schemas, and what has to fit together."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import charts
import planted
import pytest
from charts import CHART, ROOT, VARIANTS
from conftest import Check
from started import BINARY, known_flags

pytestmark = pytest.mark.timeout(900)  # the first test may wait until Go has built helm


@pytest.mark.parametrize("variant", VARIANTS)
def test_lints_without_a_warning(variant: str) -> None:
    done = charts.helm("lint", "--strict", CHART, *charts.options(variant))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_fits_the_schemas(variant: str, mistakes: Check) -> None:
    manifests = charts.render(variant)
    found = mistakes(manifests)
    assert found == [None] * len(manifests)


@pytest.mark.parametrize("mistake", planted.PLANTED)
def test_a_planted_mistake_is_found(mistake: str, mistakes: Check) -> None:
    manifests, which = planted.planted(mistake)
    found = mistakes(manifests)
    assert [i for i, message in enumerate(found) if message is not None] == [which]


@pytest.mark.parametrize("variant", VARIANTS)
def test_has_only_flags_of_the_server(variant: str) -> None:
    known = known_flags()
    for server in charts.servers(charts.render(variant)):
        assert set(charts.flags(server)) <= known


def test_unit_tests_of_the_chart_pass() -> None:
    done = subprocess.run(
        [charts.tool("helm-unittest"), CHART], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Tests: +[1-9]\d* passed, [1-9]\d* total", done.stdout)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_pod_is_hardened(variant: str) -> None:
    for pod in charts.pods(charts.render(variant)):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in charts.containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stop_has_time_for_all_its_stages(variant: str) -> None:
    for pod in charts.pods(charts.of_kind(charts.render(variant), "Deployment", "StatefulSet")):
        (server,) = pod["containers"]
        flags = charts.flags(server)
        stages = server["lifecycle"]["preStop"]["sleep"]["seconds"]
        stages += int(flags["lame-duck-seconds"]) + int(flags["drain-seconds"])
        assert pod["terminationGracePeriodSeconds"] >= stages + 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_selectors_and_ports_meet_the_pods(variant: str) -> None:
    manifests = charts.render(variant)
    templates = [each["spec"]["template"] for each in charts.of_kind(manifests, "Deployment", "StatefulSet")]

    def selected(labels: dict[str, str]) -> list[dict[str, Any]]:
        return [t for t in templates if labels.items() <= t["metadata"]["labels"].items()]

    for service in charts.of_kind(manifests, "Service"):
        (template,) = selected(service["spec"]["selector"])
        (server,) = template["spec"]["containers"]
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= {p["name"] for p in server["ports"]}
    for budget in charts.of_kind(manifests, "PodDisruptionBudget"):
        assert len(selected(budget["spec"]["selector"]["matchLabels"])) == 1
    for template in templates:
        for spread in template["spec"].get("topologySpreadConstraints", []):
            assert selected(spread["labelSelector"]["matchLabels"]) == [template]
    for policy in charts.of_kind(manifests, "NetworkPolicy"):
        assert selected(policy["spec"]["podSelector"]["matchLabels"]) == templates
    for monitor in charts.of_kind(manifests, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        watched = [
            service
            for service in charts.of_kind(manifests, "Service")
            if wanted.items() <= service["metadata"]["labels"].items()
        ]
        assert len(watched) == len(templates), "every pod is looked at once"


@pytest.mark.parametrize("variant", VARIANTS)
def test_volumes_and_mounts_meet(variant: str) -> None:
    for workload in charts.of_kind(charts.render(variant), "Deployment", "StatefulSet"):
        pod = workload["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"] or []}
        volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        mounts = {mount["name"] for each in charts.containers(pod) for mount in each["volumeMounts"]}
        assert mounts == volumes
        (server,) = pod["containers"]
        folders = [mount["mountPath"] for mount in server["volumeMounts"]]
        for name, value in charts.flags(server).items():
            if value.startswith("/"):
                assert any(Path(value).is_relative_to(folder) for folder in folders), name


def test_a_package_has_its_version_and_the_alerts(tmp_path: Path, mistakes: Check) -> None:
    alerts = ROOT / "deploy" / "prometheus" / "alerts.yml"
    version = (ROOT / "VERSION").read_text().strip()
    subprocess.run([ROOT / "tools" / "chart.sh", tmp_path], check=True, capture_output=True, timeout=600)
    (package,) = tmp_path.glob("*.tgz")
    assert package.name == f"spikeserve-{version}.tgz"
    done = charts.helm("template", "spikes", package, "--set", "metrics.rules.enabled=true")
    assert done.returncode == 0, done.stderr
    manifests = charts.documents(done.stdout)
    (server,) = charts.servers(manifests)
    assert server["image"] == f"spikeserve:{version}-cpu"
    rule = charts.one(manifests, "PrometheusRule")
    (wanted,) = charts.documents(alerts.read_text(encoding="utf-8"))
    assert rule["spec"]["groups"] == wanted["groups"]
    assert mistakes([rule]) == [None]


def test_tables_are_true() -> None:
    """The README has every value with its default, the schema every flag with its range."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "chart_tables.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SPIKESERVE_SERVER_BINARY": BINARY},
    )
    assert done.returncode == 0, done.stdout + done.stderr
