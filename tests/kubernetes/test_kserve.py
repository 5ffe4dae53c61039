"""The examples for KServe: their schema, and a server with the runtimes' arguments on a folder as its storage
initializer leaves it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import charts
import numpy as np
import pytest
import servers
from charts import ROOT
from conftest import Check
from started import known_flags, started

import spikeserve

pytestmark = pytest.mark.timeout(900)
KSERVE = ROOT / "deploy" / "kserve"
MODELS = "/mnt/models"


def examples() -> list[charts.Manifest]:
    """All objects of the folder."""
    return [
        part
        for file in sorted(KSERVE.glob("*.yaml"))
        for part in charts.documents(file.read_text(encoding="utf-8"))
    ]


def runtimes() -> dict[str, charts.Manifest]:
    """The containers of the runtimes by name."""
    found = {}
    for runtime in charts.of_kind(examples(), "ServingRuntime"):
        (found[runtime["metadata"]["name"]],) = runtime["spec"]["containers"]
    return found


def test_fit_the_schema(mistakes: Check) -> None:
    given = examples()
    assert len(given) == 5
    assert mistakes(given) == [None] * len(given)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("ServingRuntime", ("spec", "protocolVersion"), ["v2"]),
        ("ServingRuntime", ("spec", "protocolVersions"), ["grpc"]),
        ("InferenceService", ("spec", "predictor", "model", "storageURI"), "s3://models"),
        ("InferenceService", ("spec", "predictor", "model", "storageUri"), "models"),
        ("InferenceService", ("spec", "predictor", "minReplicas"), -1),
    ],
)
def test_a_planted_mistake_is_found(kind: str, path: tuple[str, ...], value: Any, mistakes: Check) -> None:
    thing = charts.of_kind(examples(), kind)[0]
    part = thing
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    assert mistakes([thing]) != [None]


def test_every_service_finds_one_runtime() -> None:
    given = examples()
    known = known_flags()
    for service in charts.of_kind(given, "InferenceService"):
        model = service["spec"]["predictor"]["model"]
        (runtime,) = (
            runtime["spec"]
            for runtime in charts.of_kind(given, "ServingRuntime")
            if model["protocolVersion"] in runtime["spec"]["protocolVersions"]
        )
        assert model["modelFormat"].items() <= runtime["supportedModelFormats"][0].items()
        (container,) = runtime["containers"]
        told = [*container["args"], *model.get("args", [])]
        names = [argument.removeprefix("--").partition("=")[0] for argument in told]
        assert set(names) <= known
        assert len(set(names)) == len(names), "a flag that is given twice is refused"
        assert f"--network-repository={MODELS}" in told


@pytest.mark.parametrize("name", ["spikeserve", "spikeserve-grpc"])
def test_a_start_that_loads_for_minutes_is_left_alone(name: str) -> None:
    container = runtimes()[name]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 600
    ways = [
        {k: container[f"{kind}Probe"].get(k) for k in ("httpGet", "grpc")} for kind in ("startup", "liveness")
    ]
    assert ways[0] == ways[1]


def stored(folder: Path) -> Path:
    """The folder that the storage initializer fills, with the network `digits`."""
    place = folder / "digits" / "1"
    place.mkdir(parents=True)
    servers.small_network().save(place / "network.spk")
    return folder


def test_over_http(tmp_path: Path) -> None:
    container = runtimes()["spikeserve"]
    assert container["ports"][0]["containerPort"] == 8000
    with started(container["args"], {MODELS: stored(tmp_path)}) as server:
        address = f"http://{server.http}"
        for path in (container["readinessProbe"]["httpGet"]["path"], "/v2/models/digits/ready"):
            with urllib.request.urlopen(f"{address}{path}", timeout=30) as answer:
                assert answer.status == 200
        with urllib.request.urlopen(f"{address}/v2/models/digits", timeout=30) as answer:
            (tensor,) = json.load(answer)["inputs"]
        body = {"inputs": [{**tensor, "shape": [1, 4], "data": [0.0, 500.0, 0.0, 0.0]}]}
        request = urllib.request.Request(
            f"{address}/v2/models/digits/infer",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            outputs = {output["name"]: output["data"] for output in json.load(answer)["outputs"]}
        assert np.argmax(outputs["output"]) == 1


def test_over_grpc(tmp_path: Path) -> None:
    container = runtimes()["spikeserve-grpc"]
    assert container["ports"] == [{"name": "h2c", "containerPort": 8001, "protocol": "TCP"}]
    with started(container["args"], {MODELS: stored(tmp_path)}) as server:
        assert not server.http
        with spikeserve.Client(server.grpc, timeout=60) as client:
            result = client.simulate("digits", 500 * np.eye(4, dtype=np.float32)[1:2], steps=20)
            assert result.classes.tolist() == [1]
            with pytest.raises(spikeserve.SpikeserveError) as refused:
                client.load("other", servers.small_network())
            assert refused.value.code.name == "FAILED_PRECONDITION"
        assert servers.files_in(tmp_path) == ["digits/1/network.spk"]
