"""The metrics page, read by the parser of Prometheus' own Python client."""

from __future__ import annotations

import math
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import servers
from conftest import run_script
from tool_env import fetched

import spikeserve
from spikeserve.v1 import network_pb2, network_pb2_grpc

OPEN_METRICS = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def python() -> Path:
    return fetched("prometheus_client")


@pytest.fixture(scope="module")
def server() -> Iterator[spikeserve.LocalServer]:
    with spikeserve.serve(backend="cpu", metrics_networks=1) as server:
        with spikeserve.Client(server.address) as client:
            for name in ("first", "second", "third"):
                client.load(name, servers.small_network())
                client.simulate(name, servers.samples(3), steps=10)
        with grpc.insecure_channel(server.address) as channel:
            stub: Any = network_pb2_grpc.NetworkServiceStub(channel)
            traced = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")
            stub.ListNetworks(network_pb2.ListNetworksRequest(), metadata=(traced,), timeout=30)
        yield server


def page(server: spikeserve.LocalServer, accept: str) -> tuple[str, str]:
    request = urllib.request.Request(f"http://{server.metrics_address}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def read(python: Path, kind: str, text: str) -> Any:
    return run_script(python, "openmetrics.py", kind, text=text)


def test_open_metrics(server: spikeserve.LocalServer, python: Path) -> None:
    kind, text = page(server, OPEN_METRICS)
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    found = read(python, "openmetrics", text)
    assert found["types"]["spikeserve_requests"] == "counter"
    assert found["types"]["spikeserve_request_seconds"] == "histogram"
    assert found["types"]["spikeserve_queue_samples"] == "gauge"


def test_the_format_of_prometheus(server: spikeserve.LocalServer, python: Path) -> None:
    kind, text = page(server, "text/plain")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    found = read(python, "prometheus", text)
    other = read(python, "openmetrics", page(server, OPEN_METRICS)[1])
    names = [{sample["name"] for sample in each["samples"]} for each in (found, other)]
    assert names[0] == names[1]


def test_a_traced_call_is_an_exemplar(server: spikeserve.LocalServer, python: Path) -> None:
    def buckets() -> list[Any]:
        found = read(python, "openmetrics", page(server, OPEN_METRICS)[1])
        return [
            sample
            for sample in found["samples"]
            if sample["exemplar"] and sample["exemplar"]["labels"] == {"trace_id": TRACE}
        ]

    servers.eventually(lambda: bool(buckets()), "the call is counted")
    [bucket] = buckets()
    assert bucket["name"] == "spikeserve_request_seconds_bucket"
    assert bucket["labels"]["method"] == "ListNetworks"
    bound = float(bucket["labels"]["le"]) if bucket["labels"]["le"] != "+Inf" else math.inf
    assert bucket["exemplar"]["value"] <= bound


def test_networks_beyond_the_bound_are_counted_together(server: spikeserve.LocalServer, python: Path) -> None:
    found = read(python, "openmetrics", page(server, OPEN_METRICS)[1])
    samples = {
        sample["labels"]["network"]: sample["value"]
        for sample in found["samples"]
        if sample["name"] == "spikeserve_network_samples_total"
    }
    assert samples == {"first": 3, "(other)": 6}
