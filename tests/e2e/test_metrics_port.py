"""The metrics port: probes are answered whoever else is connected, and what is shown there is well formed."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from typing import Any

import pytest
import servers
from conftest import ServerMaker

import spikeserve


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT"], ids=["silent", "half a request"])
def test_silent_connections_keep_no_probe_waiting(start_server: ServerMaker, sent: bytes) -> None:
    server = start_server()
    assert server.metrics_address
    silent = []
    for _ in range(300):
        silent.append(connect(server.metrics_address))
        if sent:
            silent[-1].sendall(sent)
    fastest = min(_seconds_of_a_probe(server) for _ in range(5))
    slowest = max(_seconds_of_a_probe(server) for _ in range(20))
    for connection in silent:
        connection.close()
    assert fastest < 0.1  # what it takes without the silent ones, on a machine that has time
    assert slowest < 1


def _seconds_of_a_probe(server: spikeserve.LocalServer) -> float:
    start = time.monotonic()
    assert servers.http_get(server, "/healthz") == "ok\n"
    return time.monotonic() - start


def test_a_silent_connection_is_closed(start_server: ServerMaker) -> None:
    server = start_server()
    assert server.metrics_address
    with connect(server.metrics_address) as connection:
        assert connection.recv(1) == b""  # after five seconds


def test_connections_are_used_again(start_server: ServerMaker) -> None:
    server = start_server()
    assert server.metrics_address
    with connect(server.metrics_address) as connection:
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):
                part = connection.recv(4096)
                assert part
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")


def test_status_for_programs(start_server: ServerMaker) -> None:
    server = start_server(http_listen="127.0.0.1:0", response_cache_mb=4)
    with spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network())
        for alias in ("stable", "canary"):
            client.set_alias("net", alias)
        for _ in range(2):
            client.simulate("net", servers.samples(3), steps=10)
        with pytest.raises(spikeserve.NotFoundError):
            client.simulate("missing", servers.samples(1))

    def status() -> Any:
        return json.loads(servers.http_get(server, "/statusz?format=json"))

    servers.eventually(lambda: len(status()["last_errors"]) == 1, "the error is listed")
    page = status()
    assert page["server"]["version"] == spikeserve.__version__
    assert page["server"]["ready"] is True
    [network] = page["networks"]
    assert (network["name"], network["version"], network["state"]) == ("net", 1, "READY")
    assert network["aliases"] == "canary, stable"
    [cache] = page["response_cache"]
    assert (cache["answers"], cache["hits"], cache["misses"]) == (1, 1, 1)
    assert 0 < cache["bytes"] < cache["limit_bytes"] == 4 << 20
    assert (network["requests"], network["samples"]) == (2, 6)
    assert network["bytes"] > 0
    assert page["queue"]["samples"] == 0
    assert 0 < page["memory"]["used_bytes"] < page["memory"]["limit_bytes"]
    [error] = page["last_errors"]
    assert (error["method"], error["code"]) == ("GetNetwork", "NOT_FOUND")
    assert servers.log_lines(server, error["request_id"])
    assert {"flag": "metrics-listen", "value": "127.0.0.1:0"} in page["flags"]
    assert page["telemetry"] == {"log_lines_lost": 0, "trace_spans_sent": 0, "trace_spans_lost": 0}


def test_status_for_people(start_server: ServerMaker) -> None:
    server = start_server()
    with spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network())
    request = urllib.request.Request(
        f"http://{server.metrics_address}/statusz", headers={"Accept": "text/html,*/*;q=0.8"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<td>net</td>" in answer.read().decode()
    assert "net" in servers.http_get(server, "/statusz")


def test_calls_in_flight_are_counted(start_server: ServerMaker) -> None:
    server = start_server()
    with spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network())
        name = 'spikeserve_requests_in_flight{method="Session"}'
        with client.session("net", 1):
            servers.eventually(lambda: servers.metrics(server).get(name) == 1, "the session is counted")
        servers.eventually(lambda: servers.metrics(server)[name] == 0, "and that it is over")


def test_a_collector_that_is_not_there_costs_nothing(start_server: ServerMaker) -> None:
    server = start_server(trace_endpoint="127.0.0.1:9", trace_sample_rate=1)
    with spikeserve.Client(server.address, timeout=60) as client:
        client.load("net", servers.small_network())
        for _ in range(2500):  # five spans each: more than may wait
            client.simulate("net", servers.samples(1), steps=10)
    lost = "spikeserve_trace_spans_lost_total"
    servers.eventually(lambda: servers.metrics(server)[lost] > 0, "spans are lost and counted")
    start = time.monotonic()
    server.stop()
    assert time.monotonic() - start < 20


def test_a_wrong_collector_is_refused(start_server: ServerMaker) -> None:
    with pytest.raises(spikeserve.ServerStartError, match=r"--trace-endpoint: got .*collector"):
        start_server(trace_endpoint="collector")
    with pytest.raises(spikeserve.ServerStartError, match="log-sample-rate"):
        start_server(log_sample_rate=1.5)
