"""A call has one name everywhere: in its error, in its trailers and headers, in the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import rest
import servers
from rest import ask

import spikeserve
from spikeserve.v1 import simulation_pb2, simulation_pb2_grpc

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spikeserve.LocalServer]:
    folder = tmp_path_factory.mktemp("ids") / "networks"
    with spikeserve.serve(
        backend="cpu", network_repository=folder, http_listen="127.0.0.1:0", log_format="json"
    ) as server:
        with spikeserve.Client(server.address) as client:
            client.load("net", servers.small_network())
        yield server


def logged(server: spikeserve.LocalServer, request_id: str) -> dict[str, Any]:
    """The line of the log about a request."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        lines = [json.loads(line) for line in server.log.splitlines() if line.endswith("}")]
        found[:] = [line for line in lines if line.get("request_id") == request_id]
        return bool(found)

    servers.eventually(look, f"{request_id} is in the log")
    assert len(found) == 1
    return found[0]


def error_of(server: spikeserve.LocalServer, *metadata: tuple[str, str]) -> Any:
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = simulation_pb2_grpc.SimulationServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Simulate(simulation_pb2.SimulateRequest(network="missing"), metadata=metadata, timeout=30)
    return caught.value


def test_over_grpc(server: spikeserve.LocalServer) -> None:
    error = error_of(server, ("x-request-id", "order-7"))
    trailers = dict(error.trailing_metadata())
    assert trailers["x-request-id"] == "order-7"
    assert b"google.rpc.RequestInfo" in trailers["grpc-status-details-bin"]
    assert b"order-7" in trailers["grpc-status-details-bin"]
    line = logged(server, "order-7")
    assert (line["method"], line["code"]) == ("Simulate", "NOT_FOUND")


def test_in_the_exception_of_the_python_client(server: spikeserve.LocalServer) -> None:
    with spikeserve.Client(server.address) as client, pytest.raises(spikeserve.NotFoundError) as caught:
        client.simulate("missing", servers.samples(1))
    assert len(caught.value.request_id) == 32
    assert logged(server, caught.value.request_id)["code"] == "NOT_FOUND"


def test_a_trace_names_it(server: spikeserve.LocalServer) -> None:
    error = error_of(server, ("traceparent", f"00-{TRACE}-b7ad6b7169203331-00"))
    assert dict(error.trailing_metadata())["x-request-id"] == TRACE
    assert logged(server, TRACE)["code"] == "NOT_FOUND"


def test_over_http(server: spikeserve.LocalServer) -> None:
    body = json.dumps({"inputs": [rest.tensor(servers.samples(2))]}).encode()
    good = ask(server, "POST", "/v2/models/net/infer", body, {"X-Request-Id": "order-8"})
    assert (good.status, good.headers["X-Request-Id"]) == (200, "order-8")
    assert logged(server, "order-8")["method"] == "ModelInfer"
    bad = ask(server, "POST", "/v2/models/net/infer", b"{}", {"X-Request-Id": "order-9"})
    assert (bad.status, bad.headers["X-Request-Id"], bad.json["request_id"]) == (400, "order-9", "order-9")
    none = ask(server, "GET", "/nothing", headers={"X-Request-Id": "order-10"})
    assert (none.status, none.json["request_id"]) == (404, "order-10")
    assert logged(server, "order-10")["event"] == "http_refused"


@pytest.mark.parametrize("given", ["", "not an id", "x" * 129])
def test_one_is_made_where_none_is_given(server: spikeserve.LocalServer, given: str) -> None:
    answer = ask(server, "GET", "/v2/models/missing", headers={"X-Request-Id": given} if given else {})
    made = answer.headers["X-Request-Id"]
    assert answer.json["request_id"] == made
    assert len(made) == 32
    assert int(made, 16) > 0
    assert logged(server, made)["method"] == "ModelMetadata"
