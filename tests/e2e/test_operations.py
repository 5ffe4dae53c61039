"""What operators rely on: health, reflection, metrics, TLS, tokens, unix sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import grpc
import pytest
import servers
from conftest import ServerMaker
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

import spikeserve
from spikeserve.local_server import find_binary


def health_of(channel: grpc.Channel, service: str) -> str:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def test_health(server: spikeserve.LocalServer, client: spikeserve.Client) -> None:
    client.load("healthy", servers.small_network())
    with grpc.insecure_channel(server.address) as channel:
        assert health_of(channel, "") == "SERVING"
        assert health_of(channel, "healthy") == "SERVING"
        client.unload("healthy")
        servers.eventually(
            lambda: health_of(channel, "healthy") == "NOT_SERVING",
            "not serving any more",
        )
        with pytest.raises(grpc.RpcError) as caught:
            health_of(channel, "never-loaded")
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.NOT_FOUND


def test_the_binary_is_a_health_probe(server: spikeserve.LocalServer) -> None:
    command = [str(find_binary()), "--healthcheck"]
    assert subprocess.run([*command, server.address], timeout=30, check=False).returncode == 0
    assert (
        subprocess.run([*command, "127.0.0.1:1"], timeout=30, check=False, capture_output=True).returncode
        != 0
    )


def test_a_server_with_tls_is_told_from_one_that_is_away(tmp_path: Path) -> None:
    files = servers.make_certificates(tmp_path)
    with spikeserve.serve(backend="cpu", tls_cert=files["server"], tls_key=files["server-key"]) as server:
        with (
            spikeserve.Client(server.address) as client,
            pytest.raises(spikeserve.UnavailableError, match="so does a server with TLS"),
        ):
            client.list()
        listing = ["list", "--server", server.address, "--connect-timeout", "1"]
        listed = subprocess.run(
            [sys.executable, "-m", "spikeserve.cli", *listing], timeout=60, check=False, capture_output=True
        )
        assert listed.returncode == 3
        assert b"speaks TLS" in listed.stderr
        assert b"--root-cert" in listed.stderr
        probe = [str(find_binary()), "--healthcheck", server.address]
        probed = subprocess.run(probe, timeout=30, check=False, capture_output=True)
        assert probed.returncode == 1
        assert b"one with TLS is asked with its --tls-cert" in probed.stderr


def test_a_misspelt_variable_is_warned_of(start_server: ServerMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKESERVE_MAX_BATHC", "3")
    monkeypatch.setenv("SPIKESERVE_PORT_8001_TCP_ADDR", "10.0.0.1")  # as Kubernetes does
    [line] = servers.log_lines(start_server(), "variable_unknown")
    assert "SPIKESERVE_MAX_BATHC" in line
    assert "SPIKESERVE_MAX_BATCH" in line.replace("SPIKESERVE_MAX_BATHC", "")


def test_reflection(server: spikeserve.LocalServer) -> None:
    with grpc.insecure_channel(server.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        services = set(database.get_services())
        assert {
            "spikeserve.v1.NetworkService",
            "spikeserve.v1.SimulationService",
            "grpc.health.v1.Health",
        } <= services
        file = database.FindFileContainingSymbol("spikeserve.v1.SimulationService")
        assert file.name == "spikeserve/v1/simulation.proto"


def test_pages(server: spikeserve.LocalServer) -> None:
    assert servers.http_get(server, "/healthz")
    assert servers.http_get(server, "/readyz")
    with pytest.raises(HTTPError, match="404"):
        servers.http_get(server, "/nothing")


def test_metrics_count_what_happened(start_server: ServerMaker) -> None:
    server = start_server()
    with spikeserve.Client(server.address) as client:
        requests = "spikeserve_requests_total"
        empty = servers.metrics(server)
        client.load("counted", servers.small_network(scale=100.0))
        result = client.simulate("counted", servers.samples(7), steps=20)
        with pytest.raises(spikeserve.NotFoundError):
            client.simulate("missing", servers.samples(1))
        servers.eventually(  # a call is counted when it is over, and its client knows that first
            lambda: (
                servers.counter(servers.metrics(server), requests, code="NOT_FOUND") == 1
                and servers.counter(servers.metrics(server), requests, method="Simulate") == 1
            ),
            "both calls are counted",
        )
        values = servers.metrics(server)
    assert servers.counter(values, requests, code="OK", method="Simulate") == 1
    assert servers.counter(values, requests, code="NOT_FOUND", method="GetNetwork") == 1  # asked for first
    assert servers.counter(values, "spikeserve_samples_total") == 7
    assert servers.counter(values, "spikeserve_sample_steps_total") == 7 * 20
    assert servers.counter(values, "spikeserve_spikes_total") == result.stats[0].spikes > 0
    assert servers.counter(values, "spikeserve_networks") == 1
    assert servers.counter(values, "spikeserve_queue_samples") == 0
    assert values["spikeserve_memory_used_bytes"] > empty["spikeserve_memory_used_bytes"]
    assert values["spikeserve_memory_limit_bytes"] > values["spikeserve_memory_used_bytes"]
    assert servers.counter(values, "spikeserve_batch_samples_count") == 1
    for histogram in (
        "spikeserve_queue_seconds",
        "spikeserve_compute_seconds",
        "spikeserve_request_seconds",
    ):
        assert servers.counter(values, f"{histogram}_count") >= 1, histogram


def test_json_logs(start_server: ServerMaker) -> None:
    server = start_server(log_format="json")
    with spikeserve.Client(server.address) as client:
        client.load("logged", servers.small_network())
        servers.eventually(lambda: '"logged"' in server.log, "the call is in the log")
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert any("logged" in line.values() for line in lines)


@pytest.mark.client("Python", "unix socket")
def test_unix_socket(start_server: ServerMaker, tmp_path: Path) -> None:
    server = start_server(listen=f"unix:{tmp_path / 'socket'}")
    assert server.address == f"unix:{tmp_path / 'socket'}"
    with spikeserve.Client(server.address) as client:
        assert client.list() == ()


@pytest.mark.client("Python", "TLS")
def test_tls(start_server: ServerMaker, tmp_path: Path) -> None:
    files = servers.make_certificates(tmp_path)
    server = start_server(tls_cert=files["server"], tls_key=files["server-key"])
    with spikeserve.Client(server.address, root_cert=files["ca"]) as client:
        assert client.list() == ()
    with spikeserve.Client(server.address, root_cert=files["ca"].read_bytes()) as client:
        assert client.list() == ()
    for options in ({}, {"tls": True}):
        stranger = spikeserve.Client(server.address, timeout=5, **options)  # type: ignore[arg-type]
        with stranger, pytest.raises(spikeserve.UnavailableError):
            stranger.list()


@pytest.mark.client("Python", "mutual TLS")
def test_mutual_tls(start_server: ServerMaker, tmp_path: Path) -> None:
    files = servers.make_certificates(tmp_path)
    server = start_server(tls_cert=files["server"], tls_key=files["server-key"], tls_client_ca=files["ca"])
    with spikeserve.Client(
        server.address,
        root_cert=files["ca"],
        client_cert=files["client"],
        client_key=files["client-key"],
    ) as client:
        assert client.list() == ()
    stranger = spikeserve.Client(server.address, timeout=5, root_cert=files["ca"])
    with stranger, pytest.raises(spikeserve.UnavailableError):
        stranger.list()


@pytest.mark.client("Python", "token")
def test_tokens(start_server: ServerMaker, tmp_path: Path) -> None:
    (tmp_path / "use").write_text("5ecret-of-a-user\n")
    (tmp_path / "admin").write_text("5ecret-of-an-admin\n")
    server = start_server(auth_token_file=tmp_path / "use", admin_token_file=tmp_path / "admin")
    network = servers.small_network()
    with spikeserve.Client(server.address, token="5ecret-of-an-admin") as admin:
        admin.load("guarded", network)
    with spikeserve.Client(server.address, token="5ecret-of-a-user") as user:
        assert user.simulate("guarded", servers.samples(1)).samples == 1
        with pytest.raises(spikeserve.PermissionDeniedError):
            user.load("other", network)
        with pytest.raises(spikeserve.PermissionDeniedError):
            user.unload("guarded")
    for token in (None, "wrong"):
        with spikeserve.Client(server.address, token=token) as stranger:
            with pytest.raises(spikeserve.UnauthenticatedError):
                stranger.simulate("guarded", servers.samples(1))
            with pytest.raises(spikeserve.UnauthenticatedError):
                stranger.load("other", network)
    assert "5ecret-of-a-user" not in server.log
    assert "5ecret-of-an-admin" not in server.log


def test_two_servers_cannot_share_a_port(start_server: ServerMaker) -> None:
    server = start_server()
    with pytest.raises(spikeserve.ServerStartError, match=server.address):
        start_server(listen=server.address, repository_role="follower")


def test_a_wrong_flag_is_named(start_server: ServerMaker) -> None:
    with pytest.raises(spikeserve.ServerStartError, match="max-batch"):
        start_server(max_batch=-1)
    with pytest.raises(TypeError, match=r"serve\(\) has no option 'max_bach'; did you mean 'max_batch'"):
        start_server(max_bach=1)
