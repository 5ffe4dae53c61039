"""The chart in deploy/helm/spikeserve, rendered by a real helm."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "spikeserve"
# Values that show what the chart is for; the first is the chart's own.
VARIANTS = ["default", *sorted(path.stem for path in (CHART / "examples").glob("*.yaml"))]
NAMESPACE = "spikes"

Manifest = dict[str, Any]


def tool(name: str) -> Path:
    """What tools/kubernetes-tools.sh makes; skips where this machine cannot have it."""
    done = subprocess.run(
        [ROOT / "tools" / "kubernetes-tools.sh", name], capture_output=True, text=True, check=False
    )
    if done.returncode == 3:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, f"{name}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return Path(done.stdout.strip().splitlines()[-1])


def options(variant: str, **values: Any) -> list[str]:
    """What helm is to be told for a variant, with single values by `a__b=` for `a.b`."""
    told = [] if variant == "default" else ["--values", str(CHART / "examples" / f"{variant}.yaml")]
    for name, value in values.items():
        told += ["--set-json", f"{name.replace('__', '.')}={json.dumps(value)}"]
    return told


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs helm; its status is for the caller to judge."""
    return subprocess.run(
        [tool("helm"), *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def render(variant: str, release: str = "spikes", **values: Any) -> list[Manifest]:
    """All objects of the chart for a variant."""
    done = helm("template", release, CHART, "--namespace", NAMESPACE, *options(variant, **values))
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def documents(text: str) -> list[Manifest]:
    """The objects of a YAML file."""
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """The objects of these kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def one(manifests: list[Manifest], kind: str, name: str = "spikes-spikeserve") -> Manifest:
    """The object of that kind and name."""
    (found,) = (manifest for manifest in of_kind(manifests, kind) if manifest["metadata"]["name"] == name)
    return found


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    """Specs of all pods, those of workloads and those that stand alone."""
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "StatefulSet"):
            yield manifest["spec"]["template"]["spec"]
        elif manifest["kind"] == "Pod":
            yield manifest["spec"]


def containers(pod: Manifest) -> list[Manifest]:
    """All containers of a pod, those that run before it included."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def servers(manifests: list[Manifest]) -> list[Manifest]:
    """The containers that run spikeserve-server for good."""
    return [
        container
        for manifest in of_kind(manifests, "Deployment", "StatefulSet")
        for container in manifest["spec"]["template"]["spec"]["containers"]
    ]


def flags(server: Manifest) -> dict[str, str]:
    """Flags of a container by name without dashes."""
    return dict(argument.removeprefix("--").split("=", 1) for argument in server["args"])
