"""What passes the balancers: even shares, names to servers, large messages, long sessions, headers."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import servers
from balancers import CONFIGURATIONS, Balancer, Nginx
from figures import Figures
from grpc_health.v1 import health_pb2, health_pb2_grpc
from replicas import COUNT, NETWORKS, Fleet
from restarts.cluster import NETWORK, WIDTH

import spikeserve
from spikeserve.v1 import network_pb2, network_pb2_grpc

CHANNELS, CALLS = 12, 60  # long-lived channels, and calls of each
SAMPLE = servers.samples(1, WIDTH)


@pytest.fixture
def client(balancer: Balancer) -> Iterator[spikeserve.Client]:
    with spikeserve.Client(balancer.address, timeout=60) as client:
        yield client


def _spread(addresses: str, fleet: Fleet) -> list[int]:
    """Calls that each replica gets of channels that stay open."""

    def call() -> None:
        with spikeserve.Client(addresses, timeout=60) as client:
            for _ in range(CALLS):
                client.simulate(NETWORK, SAMPLE, steps=16)

    before = fleet.calls()
    callers = [threading.Thread(target=call) for _ in range(CHANNELS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return _counted(fleet, NETWORK, before, CHANNELS * CALLS)


def _counted(fleet: Fleet, network: str, before: list[int], calls: int) -> list[int]:
    """Calls since `before` by replica, once all are counted: a busy server counts after it answers."""

    def counts() -> list[int]:
        return [now - then for now, then in zip(fleet.calls(network), before, strict=True)]

    servers.eventually(lambda: sum(counts()) >= calls, f"{calls} calls of {network} are counted", 60)
    return counts()


def _require_even(figures: Figures, way: str, counts: list[int]) -> None:
    shares = [count / sum(counts) for count in counts]
    figures.add("spread", way, calls=sum(counts), shares=" / ".join(f"{share:.1%}" for share in shares))
    assert min(shares) > 0.15, counts  # a third, but for replicas that a busy machine holds up


def test_long_lived_channels_are_spread_evenly_directly(fleet: Fleet, figures: Figures) -> None:
    _require_even(figures, "direct", _spread("ipv4:" + ",".join(fleet.addresses), fleet))


def test_long_lived_channels_are_spread_evenly(balancer: Balancer, fleet: Fleet, figures: Figures) -> None:
    _require_even(figures, balancer.program, _spread(balancer.address, fleet))


def test_each_network_has_its_server(balancer: Balancer, fleet: Fleet, figures: Figures) -> None:
    calls = 10
    found = []
    with spikeserve.Client(balancer.by_network, timeout=60) as client:
        for name in NETWORKS:
            before = fleet.calls(name)
            for _ in range(calls):
                client.simulate(name, servers.samples(1), steps=4)
            counts = _counted(fleet, name, before, calls)
            assert sorted(counts)[: COUNT - 1] == [0] * (COUNT - 1), f"{name} went to several: {counts}"
            found.append(counts.index(max(counts)))
    by_server = [found.count(index) for index in range(COUNT)]
    figures.add("by name", balancer.program, networks=len(found), servers=" / ".join(map(str, by_server)))
    assert len(set(found)) > 1, by_server


def test_what_names_no_network_is_spread_as_well(balancer: Balancer, fleet: Fleet) -> None:
    with grpc.insecure_channel(balancer.by_network) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_megabytes_pass_both_ways(client: spikeserve.Client) -> None:
    """More than the defaults of both balancers, and of gRPC, let through."""
    samples = servers.samples(4096, WIDTH)  # 1 MB, and steps of them 20 MB
    answer = client.simulate(NETWORK, samples, steps=4)
    assert answer.outputs.shape == (4096, WIDTH)
    stepped = np.broadcast_to(samples[:1000, None, :], (1000, 80, WIDTH))
    assert client.simulate(NETWORK, stepped, steps=80).outputs.shape == (1000, WIDTH)


def test_a_network_of_megabytes_is_loaded_and_unloaded(client: spikeserve.Client) -> None:
    network = servers.small_network(1500)  # 18 MB
    assert client.load("large", network) == 1
    for _ in range(3):  # on whichever server it is
        try:
            client.unload("large")
            return
        except spikeserve.NotFoundError:
            continue
    pytest.fail("no server has what was loaded")


def test_a_session_may_send_more_than_any_message(client: spikeserve.Client) -> None:
    inputs = np.broadcast_to(SAMPLE[:, None, :], (1, 4096, WIDTH))  # 1 MB a message
    with client.session(NETWORK, batch=1) as session:
        for _ in range(12):
            progress = session.advance(inputs, 4096)
    assert progress.steps_done == 12 * 4096


@pytest.mark.parametrize("size", [7_000, 20_000])
def test_large_headers_are_the_servers_to_judge(balancer: Balancer, size: int) -> None:
    """One that is too large fails alone, with a reason; a call beside it on the connection goes on."""
    with grpc.insecure_channel(balancer.address) as channel:
        list_networks = network_pb2_grpc.NetworkServiceStub(channel).ListNetworks
        request = network_pb2.ListNetworksRequest()
        if size < 8_000:
            list_networks(request, timeout=60, metadata=(("x-large", "x" * size),))
        else:
            with pytest.raises(grpc.RpcError, match=r"metadata|headers") as caught:
                list_networks(request, timeout=60, metadata=(("x-large", "x" * size),))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        list_networks(request, timeout=60)


def test_ids_and_details_of_errors_come_through(client: spikeserve.Client) -> None:
    with pytest.raises(spikeserve.NotFoundError) as caught:
        client.simulate("nobody", SAMPLE)
    assert "nobody" in str(caught.value)
    assert caught.value.request_id


def test_the_health_of_one_server_is_not_that_of_all(balancer: Balancer) -> None:
    with grpc.insecure_channel(balancer.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        with pytest.raises(grpc.RpcError) as caught:
            next(watch)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_without_a_server_calls_are_unavailable(fleet: Fleet, balancer: Balancer) -> None:
    """In gRPC's words, so that clients may repeat them; and soon."""
    alone = type(balancer)
    folder = balancer.folder / "alone"
    folder.mkdir()
    other = alone(folder, [f"{host.address}:9" for host in fleet.hosts])
    try:
        with grpc.insecure_channel(other.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
    finally:
        other.stop()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def _with_tls(balancer: Balancer, files: dict[str, Path]) -> list[tuple[str, str]]:
    """What README.md says of encryption, in front and to the servers."""
    if isinstance(balancer, Nginx):
        certificate = f"ssl_certificate {files['server']}; ssl_certificate_key {files['server-key']};"
        verify = f"grpc_ssl_verify on; grpc_ssl_trusted_certificate {files['ca']}; grpc_ssl_name localhost;"
        return [
            (" http2;", " ssl http2;"),
            ("keepalive_timeout 10m;", f"keepalive_timeout 10m; {certificate} {verify}"),
            ("grpc_pass grpc://", "grpc_pass grpcs://"),
        ]
    both = files["ca"].with_name("both.pem")
    both.write_text(files["server"].read_text() + files["server-key"].read_text())
    to_servers = f"ssl verify required ca-file {files['ca']} alpn h2"
    return [
        ("default-server proto h2 check", f"default-server {to_servers} check check-ssl check-alpn h2"),
        ("default-server proto h2\n", f"default-server {to_servers}\n"),
        (" proto h2\n", f" ssl crt {both} alpn h2\n"),
    ]


def test_tls_in_front_and_behind(balancer: Balancer, tmp_path: Path) -> None:
    files = servers.make_certificates(tmp_path)
    with spikeserve.serve(
        backend="cpu", tls_cert=files["server"], tls_key=files["server-key"], guard="off"
    ) as server:
        with spikeserve.Client(server.address, root_cert=files["ca"], timeout=60) as direct:
            direct.load(NETWORK, servers.small_network(WIDTH))
        encrypted = type(balancer)(tmp_path, [server.address] * COUNT, *_with_tls(balancer, files))
        try:
            for address in (encrypted.address, encrypted.by_network):
                with spikeserve.Client(address, root_cert=files["ca"], timeout=60) as client:
                    assert client.simulate(NETWORK, SAMPLE, steps=4).outputs.shape == (1, WIDTH)
        finally:
            encrypted.stop()


def _with_loads(balancer: Balancer, owner: str) -> list[tuple[str, str]]:
    """What README.md says of loads at the owner, as it stands there."""
    page = (CONFIGURATIONS / "README.md").read_text().partition("## Loads at the owner\n")[2]
    page = page.replace("replica-1:8001", owner)
    haproxy, nginx = re.findall(r"^```\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[:2]
    if isinstance(balancer, Nginx):
        return [("    location / {", f"{nginx}\n    location / {{")]
    rules, backend = haproxy.split("\nbackend loads")
    return [
        ("  use_backend by_network", f"{rules}  use_backend by_network"),
        ("\nbackend by_network\n", f"\nbackend loads{backend}\nbackend by_network\n"),
    ]


def test_loads_and_aliases_reach_the_owner(balancer: Balancer, fleet: Fleet, tmp_path: Path) -> None:
    """All of them the server that is named, and none of the others."""
    owner = type(balancer)(tmp_path, fleet.addresses, *_with_loads(balancer, fleet.addresses[0]))
    try:
        with (
            spikeserve.Client(owner.address, timeout=60) as client,
            spikeserve.Client(fleet.addresses[0], timeout=60) as direct,
        ):
            for _ in range(COUNT):
                version = client.load("owned", servers.small_network())
                client.set_alias("owned", "newest", version)
                assert [each.version for each in direct.list() if each.name == "owned"] == [version]
                client.delete_alias("owned", "newest")
                client.unload("owned")
    finally:
        owner.stop()


def test_a_client_that_cancels_is_heard_by_the_server(balancer: Balancer, fleet: Fleet) -> None:
    with spikeserve.Client(balancer.address, timeout=60) as client:
        session = client.session(NETWORK, batch=1)
        servers.eventually(lambda: sum(map(fleet.in_flight, range(COUNT))) == 1, "the session is open")
        session._call.cancel()
        servers.eventually(lambda: sum(map(fleet.in_flight, range(COUNT))) == 0, "its server lets it go")


def test_the_configuration_is_valid_as_it_is_shipped(balancer: Balancer) -> None:
    """But for names and files that this machine does not have."""
    check = ["nginx", "-t", "-c"] if isinstance(balancer, Nginx) else ["haproxy", "-c", "-f"]
    done = subprocess.run([*check, str(balancer.configuration)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower().replace("warnings: 0", "")
