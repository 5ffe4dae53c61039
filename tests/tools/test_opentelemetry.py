"""Traces, as a collector of OpenTelemetry's own messages gets them."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import servers
from conftest import SCRIPTS
from tool_env import fetched

import spikeserve
from spikeserve.v1 import network_pb2, simulation_pb2, simulation_pb2_grpc

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SERVER_KIND, INTERNAL_KIND = 2, 1
ERROR = 2


class Collector:
    """The collector's process, and the spans that it has got."""

    def __init__(self, python: Path) -> None:
        self.process = subprocess.Popen(
            [python, SCRIPTS / "otlp_collector.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.spans: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.spans.extend(json.loads(line) for line in self.process.stdout)

    def of(self, trace: str) -> list[dict[str, Any]]:
        return [span for span in list(self.spans) if span["trace_id"] == trace]

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self._reader.join()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector(fetched("opentelemetry"))
    yield collector
    collector.stop()


@pytest.fixture(scope="module")
def server(collector: Collector) -> Iterator[spikeserve.LocalServer]:
    with spikeserve.serve(backend="cpu", trace_endpoint=f"http://{collector.address}") as server:
        with spikeserve.Client(server.address) as client:
            client.load("net", servers.small_network())
        yield server


def simulate(server: spikeserve.LocalServer, *metadata: tuple[str, str], network: str = "net") -> Any:
    """A call with this metadata; its code."""
    inputs = servers.samples(3)
    request = simulation_pb2.SimulateRequest(network=network, steps=1000)
    request.inputs.add(data_type=network_pb2.DATA_TYPE_FLOAT32, shape=inputs.shape, data=inputs.tobytes())
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = simulation_pb2_grpc.SimulationServiceStub(channel)
        return stub.Simulate.future(request, metadata=metadata, timeout=60).code()


def parent(trace: str, flags: str = "01") -> tuple[str, str]:
    return ("traceparent", f"00-{trace}-{PARENT}-{flags}")


def test_a_call_and_its_parts(server: spikeserve.LocalServer, collector: Collector) -> None:
    code = simulate(server, parent(TRACE), ("x-request-id", "order-7"))
    assert code == grpc.StatusCode.OK
    servers.eventually(lambda: len(collector.of(TRACE)) == 5, "all spans have come")
    spans = {span["name"]: span for span in collector.of(TRACE)}
    assert set(spans) == {"Simulate", "decode", "queue", "run", "encode"}
    whole = spans.pop("Simulate")
    assert (whole["parent_span_id"], whole["kind"], whole["status"]) == (PARENT, SERVER_KIND, 0)
    assert whole["resource"]["service.name"] == "spikeserve"
    assert whole["attributes"]["spikeserve.request_id"] == "order-7"
    assert whole["attributes"]["spikeserve.network"] == "net"
    assert whole["attributes"]["spikeserve.samples"] == 3
    assert whole["attributes"]["rpc.grpc.status_code"] == 0
    order = [spans[name] for name in ("decode", "queue", "run", "encode")]
    for span, following in zip(order, [*order[1:], None], strict=True):
        assert (span["parent_span_id"], span["kind"]) == (whole["span_id"], INTERNAL_KIND)
        assert whole["start"] <= span["start"] <= span["end"] <= whole["end"]
        assert following is None or span["end"] == following["start"]
    chunks = spans["run"]["events"]
    assert sum(chunk["attributes"]["spikeserve.steps"] for chunk in chunks) == 1000
    assert all(spans["run"]["start"] <= chunk["time"] <= spans["run"]["end"] for chunk in chunks)
    assert len({span["span_id"] for span in [whole, *order]}) == 5


def test_an_error_says_what_was_wrong(server: spikeserve.LocalServer, collector: Collector) -> None:
    trace = TRACE[::-1]
    code = simulate(server, parent(trace), network="missing")
    assert code == grpc.StatusCode.NOT_FOUND
    servers.eventually(lambda: bool(collector.of(trace)), "the span has come")
    [span] = collector.of(trace)
    assert span["status"] == ERROR
    assert "missing" in span["message"]


def test_only_what_the_caller_samples(server: spikeserve.LocalServer, collector: Collector) -> None:
    unsampled, last = "1" * 32, "2" * 32
    simulate(server, parent(unsampled, "00"))
    simulate(server)
    simulate(server, parent(last))
    servers.eventually(lambda: len(collector.of(last)) == 5, "the last has come")
    assert not collector.of(unsampled)
    assert {span["trace_id"] for span in collector.spans if span["name"] == "LoadNetwork"} == set()


def test_a_sample_rate_traces_calls_of_others(collector: Collector) -> None:
    before = len(collector.spans)
    with (
        spikeserve.serve(backend="cpu", trace_endpoint=collector.address, trace_sample_rate=1) as server,
        spikeserve.Client(server.address) as client,
    ):
        client.list()
    # The end of the server sends what it has.
    servers.eventually(
        lambda: any(span["name"] == "ListNetworks" for span in collector.spans[before:]), "it is sent"
    )
    [span] = [span for span in collector.spans[before:] if span["name"] == "ListNetworks"]
    assert span["parent_span_id"] == ""
