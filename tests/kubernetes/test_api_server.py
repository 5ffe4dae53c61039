"""The chart and the examples for KServe, given to a real API server, which also runs the rules of all kinds.

It refuses unknown fields of every kind, and pods that Pod Security's level "restricted" does not allow. No
controllers run: nothing is scheduled, scaled or rolled.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import charts
import cluster
import planted
import pytest
from charts import CHART, NAMESPACE, ROOT, VARIANTS
from cluster import Cluster
from conftest import definitions

pytestmark = pytest.mark.timeout(3600)  # the first test may wait until Go has built the API server
LEVEL = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server that has all kinds, and a namespace for restricted pods."""
    program = charts.tool("kube-apiserver")
    with cluster.running(program, tmp_path_factory.mktemp("cluster")) as server:
        server.define(definitions())
        server.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": LEVEL}}
        )
        yield server


def complaints(api: Cluster, manifests: list[charts.Manifest]) -> list[Any]:
    """What the server has against each object: a message and warnings."""
    return [api.check(manifest, NAMESPACE) for manifest in manifests]


@pytest.mark.parametrize("variant", VARIANTS)
def test_takes_the_chart(variant: str, api: Cluster) -> None:
    manifests = charts.render(variant)
    assert complaints(api, manifests) == [(None, [])] * len(manifests)


@pytest.mark.parametrize("variant", VARIANTS)
def test_takes_the_pods(variant: str, api: Cluster) -> None:
    """Pods themselves, as only they are refused for Pod Security; workloads are warned about."""
    templates = [
        workload["spec"]["template"]
        for workload in charts.of_kind(charts.render(variant), "Deployment", "StatefulSet")
    ]
    for template in templates:
        template["metadata"]["generateName"] = "pod-"
        names = {volume["name"] for volume in template["spec"].setdefault("volumes", []) or []}
        if "networks" not in names:  # what a StatefulSet would add for its claim
            template["spec"]["volumes"] = [
                *(template["spec"]["volumes"] or []),
                {"name": "networks", "emptyDir": {}},
            ]
        # Admission looks for the class, which the cluster's owner makes.
        template["spec"].pop("runtimeClassName", None)
        assert api.check({"apiVersion": "v1", "kind": "Pod", **template}, NAMESPACE) == (None, [])


def test_takes_the_examples_for_kserve(api: Cluster) -> None:
    files = sorted((ROOT / "deploy" / "kserve").glob("*.yaml"))
    manifests = [part for file in files for part in charts.documents(file.read_text(encoding="utf-8"))]
    assert len(manifests) == 5
    assert complaints(api, manifests) == [(None, [])] * len(manifests)


def test_takes_alerts(api: Cluster, tmp_path: Path) -> None:
    rules = {"groups": [{"name": "spikeserve", "rules": [{"alert": "Down", "expr": "up == 0", "for": "1m"}]}]}
    manifests = charts.render("default", metrics__rules={"enabled": True, "file": json.dumps(rules)})
    rule = charts.one(manifests, "PrometheusRule")
    assert rule["spec"] == rules
    assert complaints(api, [rule]) == [(None, [])]


@pytest.mark.parametrize("mistake", planted.PLANTED)
def test_a_planted_mistake_is_found(mistake: str, api: Cluster) -> None:
    manifests, which = planted.planted(mistake)
    found = complaints(api, manifests)
    assert [i for i, (message, _) in enumerate(found) if message is not None] == [which]


def test_a_pod_that_may_too_much_is_found(api: Cluster) -> None:
    """That the level of the namespace is enforced at all."""
    pod = charts.one(charts.render("default"), "Pod", "spikes-spikeserve-health")
    pod["spec"]["securityContext"]["runAsNonRoot"] = False
    message, _ = api.check(pod, NAMESPACE)
    assert message is not None
    assert "restricted" in message


def test_a_release_is_installed_changed_and_removed(api: Cluster, tmp_path: Path) -> None:
    """Not by a dry run: fields that may not change, and the claim that stays."""
    environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig(tmp_path / "kubeconfig"))}

    def helm(*arguments: str | Path) -> str:
        done = subprocess.run(
            [charts.tool("helm"), *arguments, "--namespace", NAMESPACE],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = helm("install", "spikes", CHART, *charts.options("one-server"))
    assert "spikeserve load NAME model.spk" in first
    assert "WARNING: tokens travel unencrypted" in first
    changes = {"owner__enabled": True, "replicas": 3, "gpu__kind": "whole", "flags": {"max-batch": 128}}
    second = helm("upgrade", "spikes", CHART, *charts.options("one-server", **changes))
    assert "3 server(s) on 1 of nvidia.com/gpu each" in second
    helm(
        "upgrade",
        "spikes",
        CHART,
        *charts.options(
            "gpu-fleet", networks__claim={"accessModes": ["ReadWriteOnce"]}, networks__size="20Gi"
        ),
    )
    helm("rollback", "spikes", "1")
    helm("uninstall", "spikes")
    status, claims, _ = api.call("GET", f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims")
    assert status == 200
    assert [claim["metadata"]["name"] for claim in claims["items"]] == ["spikes-spikeserve-networks"]
