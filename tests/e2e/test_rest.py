"""The Open Inference Protocol over HTTP: every path, tensors as JSON and as bytes, and what is refused."""

from __future__ import annotations

import base64
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rest
import servers
from rest import ask, tensor, with_bytes

import spikeserve

STEPS = {"steps": 10}
INFER = "/v2/models/net/infer"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spikeserve.LocalServer]:
    folder = tmp_path_factory.mktemp("rest") / "networks"
    with (
        spikeserve.serve(
            backend="cpu", network_repository=folder, http_listen="127.0.0.1:0", log_format="json"
        ) as server,
        spikeserve.Client(server.address) as client,
    ):
        client.load("net", servers.small_network())
        client.load("net", servers.small_network(scale=2.0))
        yield server


@pytest.fixture(scope="module")
def native(server: spikeserve.LocalServer) -> Iterator[spikeserve.Client]:
    with spikeserve.Client(server.address) as client:
        yield client


X = 500 * servers.samples(5)  # spikes within ten steps


@pytest.mark.client("REST", "health")
def test_the_server_and_its_models_describe_themselves(server: spikeserve.LocalServer) -> None:
    about = ask(server, "GET", "/v2").json
    assert about["name"] == "spikeserve"
    assert "binary_tensor_data" in about["extensions"]
    assert ask(server, "GET", "/v2/health/live").json == {"live": True}
    assert ask(server, "GET", "/v2/health/ready").json == {"ready": True}
    assert ask(server, "GET", "/v2/models").json == {"models": ["net"]}
    assert ask(server, "GET", "/v1/models").json == {"models": ["net"]}
    model = ask(server, "GET", "/v2/models/net").json
    assert model["versions"] == ["1", "2"]
    assert model["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}]
    assert ask(server, "GET", "/v2/models/net/versions/1").json["name"] == "net"
    assert ask(server, "GET", "/v2/models/net/ready").json == {"name": "net", "ready": True}
    assert ask(server, "GET", "/v2/models/net/versions/2/ready").json["ready"] is True
    assert ask(server, "GET", "/v1/models/net").json == {"name": "net", "ready": True}
    config = ask(server, "GET", "/v2/models/net/config").json
    assert config["input"][0]["dims"] == [4]
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    head = ask(server, "HEAD", "/v2/health/live")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.client("REST", "float32", "run options")
def test_json_gives_the_floats_of_the_native_client(
    server: spikeserve.LocalServer, native: spikeserve.Client
) -> None:
    expected = native.simulate("net", X, steps=10).outputs
    assert np.all(np.any(expected, axis=1))
    for entry in (tensor(X), {**tensor(X), "data": X.tolist()}):
        answer = ask(server, "POST", INFER, {"id": "7", "inputs": [entry], "parameters": STEPS})
        assert answer.status == 200, answer.body
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json["id"] == "7"
        assert answer.json["model_version"] == "2"
        assert answer.tensor("output").tobytes() == np.asarray(expected, np.float32).tobytes()
    of_one = ask(server, "POST", "/v2/models/net/versions/1/infer", {"inputs": [tensor(X)]})
    assert of_one.json["model_version"] == "1"


def test_bytes_in_and_out(server: spikeserve.LocalServer, native: spikeserve.Client) -> None:
    expected = np.asarray(native.simulate("net", X, steps=10).outputs, np.float32)
    body, headers = with_bytes(X, parameters=STEPS)
    assert ask(server, "POST", INFER, body, headers).tensor("output").tobytes() == expected.tobytes()
    body, headers = with_bytes(X, parameters={**STEPS, "binary_data_output": True})
    answer = ask(server, "POST", INFER, body, headers)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.body.endswith(expected.tobytes())
    assert answer.tensor("output").tobytes() == expected.tobytes()
    wanted = [
        {"name": "steps_used"},
        {"name": "output", "parameters": {"binary_data": True}},
        {"name": "classes", "parameters": {"binary_data": False}},
    ]
    body, headers = with_bytes(X, parameters=STEPS, outputs=wanted)
    answer = ask(server, "POST", INFER, body, headers)
    assert answer.tensor("output").tobytes() == expected.tobytes()
    by_name = {output["name"]: output for output in answer.json["outputs"]}
    assert by_name["steps_used"]["data"] == [10] * 5
    assert by_name["classes"]["data"] == expected.argmax(axis=1).tolist()


@pytest.mark.client("REST", "classes as text")
def test_classification(server: spikeserve.LocalServer) -> None:
    wanted = [{"name": "output", "parameters": {"classification": 2}}]
    answer = ask(server, "POST", INFER, {"inputs": [tensor(X)], "outputs": wanted, "parameters": STEPS})
    (output,) = answer.json["outputs"]
    assert output["datatype"] == "BYTES"
    assert output["shape"] == [5, 2]
    assert all(re.fullmatch(r"[0-9.e+-]+:\d(:.*)?", text) for text in output["data"])


def test_what_is_no_number_is_a_text(server: spikeserve.LocalServer, native: spikeserve.Client) -> None:
    native.load("one", servers.small_network(width=1))
    answer = ask(
        server,
        "POST",
        "/v2/models/one/infer",
        {"inputs": [tensor(servers.samples(2, 1))], "outputs": [{"name": "margins"}]},
    )
    assert answer.status == 200, answer.body
    assert answer.json["outputs"][0]["data"] == ["Infinity", "Infinity"]
    native.unload("one")


def test_predict(server: spikeserve.LocalServer, native: spikeserve.Client) -> None:
    expected = np.asarray(native.simulate("net", X, steps=10).outputs, np.float32)
    for instances in (X.tolist(), [{"input": sample} for sample in X.tolist()]):
        answer = ask(server, "POST", "/v1/models/net:predict", {"instances": instances, "parameters": STEPS})
        assert answer.status == 200, answer.body
        assert np.asarray(answer.json["predictions"], np.float32).tobytes() == expected.tobytes()
    missing = ask(server, "POST", "/v1/models/none:predict", {"instances": [[1]]})
    assert missing.status == 404
    ragged = ask(server, "POST", "/v1/models/net:predict", {"instances": [[1, 2, 3, 4], [1]]})
    assert (ragged.status, ragged.error) == (
        400,
        "the body: instances: lists of 4 and of 1 elements in one list",
    )


@pytest.mark.client("REST", "load", "unload", "list", "statistics")
def test_load_statistics_and_unload(server: spikeserve.LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "new.spk"
    servers.small_network().save(path)
    file = base64.b64encode(path.read_bytes()).decode()
    parameters = {"config": "{}", "file:3/network.spk": file}
    loaded = ask(server, "POST", "/v2/repository/models/new/load", {"parameters": parameters})
    assert loaded.status == 200, loaded.body
    index = ask(server, "POST", "/v2/repository/index", {"ready": True}).json
    assert {"name": "new", "version": "3", "state": "READY", "reason": ""} in index
    assert ask(server, "POST", "/v2/repository/index").json == index
    ask(server, "POST", "/v2/models/new/infer", {"inputs": [tensor(X)]})
    for path_of in ("/v2/models/new/stats", "/v2/models/new/versions/3/stats"):
        (stats,) = ask(server, "GET", path_of).json["model_stats"]
        assert stats["inference_count"] == 5
        assert stats["inference_stats"]["success"]["count"] == 1
    assert len(ask(server, "GET", "/v2/models/stats").json["model_stats"]) == 3
    assert ask(server, "POST", "/v2/repository/models/new/unload", {}).status == 200
    gone = ask(server, "GET", "/v2/models/new/ready")
    assert (gone.status, gone.json["ready"]) == (503, False)
    bad = {"parameters": {"file:3/network.spk": "no base64"}}
    refused = ask(server, "POST", "/v2/repository/models/new/load", bad)
    assert (refused.status, refused.error) == (400, "the body: parameters.file:3/network.spk: is no base64")


GOOD: dict[str, Any] = {"inputs": [tensor(X)]}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "message"),
    [
        ("/v2/models/none/infer", GOOD, 404, "NOT_FOUND", "none"),
        ("/v2/models/net/versions/9/infer", GOOD, 404, "NOT_FOUND", "9"),
        ("/v2/models/net/versions/x/infer", GOOD, 400, "INVALID_ARGUMENT", "version"),
        (INFER, b"{", 400, "INVALID_ARGUMENT", "no JSON at byte"),
        (INFER, b"", 400, "INVALID_ARGUMENT", "no JSON at byte"),
        (INFER, b"[" * 100_000, 400, "INVALID_ARGUMENT", "nested deeper than 32"),
        (INFER, b'{"id": "a", "id": "b"}', 400, "INVALID_ARGUMENT", 'member "id" comes twice'),
        (INFER, b'{"inputs": [1e999]}', 400, "INVALID_ARGUMENT", "no JSON at byte"),
        (INFER, {}, 400, "INVALID_ARGUMENT", "input"),
        (INFER, {"inputs": [{**tensor(X), "name": "y"}]}, 400, "INVALID_ARGUMENT", '"y"'),
        (INFER, {"inputs": [tensor(X[:, :3])]}, 400, "INVALID_ARGUMENT", "input"),
        (INFER, {**GOOD, "parameters": {"step": 1}}, 400, "INVALID_ARGUMENT", 'got "step"'),
        (INFER, {**GOOD, "parameters": {"steps": 1.5}}, 400, "INVALID_ARGUMENT", "1.5"),
        (INFER, {**GOOD, "parameters": {"steps": 10**9}}, 429, "RESOURCE_EXHAUSTED", "--max-steps"),
        (INFER, {**GOOD, "outputs": [{"name": "z"}]}, 400, "INVALID_ARGUMENT", '"z"'),
        (INFER, {"inputs": [tensor(X, datatype="UINT8")]}, 400, "INVALID_ARGUMENT", "whole number of 0"),
        (INFER, {"inputs": [tensor(X, datatype="INT64")]}, 400, "INVALID_ARGUMENT", "wanted FP32, FP64"),
    ],
)
def test_what_is_wrong_is_said(
    server: spikeserve.LocalServer, path: str, body: Any, status: int, code: str, message: str
) -> None:
    answer = ask(server, "POST", path, body)
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert message in answer.error


def test_paths_methods_and_kinds_of_content(server: spikeserve.LocalServer) -> None:
    missing = ask(server, "GET", "/v2/nothing")
    assert (missing.status, missing.json["code"]) == (404, "NOT_FOUND")
    assert '"/v2/nothing"' in missing.error
    wrong = ask(server, "PUT", INFER, GOOD)
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    assert ask(server, "POST", "/v2").headers["Allow"] == "GET, HEAD"
    form = ask(server, "POST", INFER, GOOD, {"Content-Type": "application/x-www-form-urlencoded"})
    assert (form.status, "wanted application/json" in form.error) == (415, True)
    packed = ask(server, "POST", INFER, GOOD, {"Content-Encoding": "gzip"})
    assert (packed.status, packed.json["code"]) == (415, "INVALID_ARGUMENT")
    assert 'Content-Encoding is "gzip", wanted none: a compressed body is refused' in packed.error
    charset = ask(server, "POST", INFER, GOOD, {"Content-Type": "application/json; charset=utf-8"})
    assert charset.status == 200
    for path in ("/v2/systemsharedmemory/status", "/v2/trace/setting", "/v2/logging"):
        unknown = ask(server, "GET", path)
        assert (unknown.status, unknown.json["code"]) == (501, "UNIMPLEMENTED")
        assert unknown.error
    odd = ask(server, "POST", INFER, GOOD, {rest.JSON_BYTES: "x"})
    assert (odd.status, rest.JSON_BYTES in odd.error) == (400, True)


def test_deadlines(server: spikeserve.LocalServer) -> None:
    wrong = ask(server, "POST", INFER, GOOD, {"grpc-timeout": "soon"})
    assert (wrong.status, "grpc-timeout" in wrong.error) == (400, True)
    assert ask(server, "POST", INFER, GOOD, {"grpc-timeout": "60S"}).status == 200
    for longest in ("9999999H", "99999999H", "99999999M", "99999999S"):
        answer = ask(server, "POST", INFER, GOOD, {"grpc-timeout": longest})
        assert answer.status == 200, (longest, answer.body)


def test_a_connection_is_used_again(server: spikeserve.LocalServer) -> None:
    host, _, port = server.http_address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("POST", INFER, json.dumps(GOOD), {"Content-Type": "application/json"})
        assert connection.getresponse().read().startswith(b'{"model_name":"net"')
        connection.request("GET", "/v2/health/live")
        assert connection.getresponse().read() == b'{"live":true}'
        assert connection.sock is first
    connection.close()


def test_calls_stand_in_log_and_metrics(server: spikeserve.LocalServer) -> None:
    labels = {"method": "ModelInfer", "code": "OK"}

    def count() -> float:
        return servers.counter(servers.metrics(server), "spikeserve_requests_total", **labels)

    before = count()
    ask(server, "POST", INFER, GOOD)
    servers.eventually(lambda: count() == before + 1, "the call is counted")
    ask(server, "GET", "/nothing")

    def refused() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in servers.log_lines(server, "http_refused")]
        return [line for line in lines if line["event"] == "http_refused"]

    servers.eventually(lambda: refused()[-1]["path"] == "/nothing", "the refusal is in the log")
    assert refused()[-1]["status"] == 404
