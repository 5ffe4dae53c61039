"""Connections: how many there may be, how they end, and what the server says where it cannot listen."""

from __future__ import annotations

import resource
import socket
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
import raw_http2
import servers
from conftest import ServerMaker
from healthy import Healthy
from raw_http2 import RawClient

import spikeserve


def open_files(server: spikeserve.LocalServer) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def refused(server: spikeserve.LocalServer, reason: str) -> float:
    values = servers.metrics(server)
    return servers.counter(values, "spikeserve_connections_refused_total", reason=reason)


def peak_bytes(server: spikeserve.LocalServer) -> int:
    """The most memory that the process ever had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def connect(server: spikeserve.LocalServer) -> socket.socket:
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host, int(port)), source_address=(raw_http2.ATTACKER, 0))


def test_the_limit_of_open_files_is_raised(start_server: ServerMaker) -> None:
    server = start_server()
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard


@pytest.mark.parametrize("guard", ["off", "on"])
def test_a_server_without_a_descriptor_left_serves_on(start_server: ServerMaker, guard: str) -> None:
    server = start_server(guard=guard)
    with Healthy(server) as healthy:
        limit = open_files(server) + 8
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        connections = [connect(server) for _ in range(30)]
        for connection in connections:
            connection.sendall(raw_http2.PREFACE)
        servers.eventually(
            lambda: any(is_closed(connection) for connection in connections), "one is turned away"
        )
        healthy.wait_for(20)
        for connection in connections:
            connection.close()
        servers.eventually(lambda: open_files(server) < limit - 4, "the descriptors are free again")
        with spikeserve.Client(server.address) as newcomer:
            assert newcomer.list() == ()
        healthy.wait_for(20)
    assert server.process.poll() is None
    assert refused(server, "descriptors") > 0


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has ended the connection; what it has sent before is read."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@pytest.mark.parametrize("guard", ["off", "on"])
def test_short_connections_leave_nothing_behind(start_server: ServerMaker, guard: str) -> None:
    server = start_server(guard=guard)
    with Healthy(server) as healthy:
        before = open_files(server)
        for number in range(1_500):
            with connect(server) as connection:
                if number % 2:
                    connection.sendall(raw_http2.PREFACE + bytes(100))
        servers.eventually(lambda: open_files(server) <= before, "all descriptors are free again")
        healthy.wait_for(20)
    assert server.process.poll() is None


def test_an_address_has_its_share(start_server: ServerMaker) -> None:
    server = start_server(grpc_connections_per_address=3)
    clients = [RawClient(server.address) for _ in range(4)]
    assert clients[3].closed()
    assert refused(server, "address") == 1
    with spikeserve.Client(server.address) as other:  # of another address
        assert other.list() == ()
    clients[0].socket.close()
    servers.eventually(lambda: servers.metrics(server)["spikeserve_connections"] <= 3, "a place is free")
    with RawClient(server.address) as again:
        assert not again.closed(0.2)
    for client in clients:
        client.socket.close()


def test_all_addresses_together_have_theirs(start_server: ServerMaker) -> None:
    server = start_server(grpc_connections=2)
    addresses = [f"127.0.0.{number}" for number in (2, 3, 4)]
    clients = [RawClient(server.address, address) for address in addresses]
    assert clients[2].closed()
    for client in clients:
        client.socket.close()
    assert refused(server, "total") == 1


def test_an_old_connection_is_asked_to_end(start_server: ServerMaker) -> None:
    server = start_server(max_connection_age_seconds=1, drain_seconds=1)
    with RawClient(server.address) as client, Healthy(server) as healthy:
        kinds = [kind for kind, *_ in client.frames()]
        assert raw_http2.GOAWAY in kinds
        healthy.wait_for(200)


def test_headers_above_8_kb_fail_their_call_alone(start_server: ServerMaker) -> None:
    server = start_server(max_steps=10_000_000)
    with spikeserve.Client(server.address, timeout=60) as client:
        client.load("net", servers.small_network())
    channel: Any = grpc.insecure_channel(server.address)
    with channel:
        ask = channel.unary_unary(raw_http2.LIST_NETWORKS)
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=60)
        assert next(watch) == b"\x08\x01"
        assert ask(b"", metadata=[("x", "a" * 7_000)], timeout=20) != b""
        for size in (9_000, 30_000):
            with pytest.raises(grpc.RpcError, match="the headers of this call take") as refusal:
                ask(b"", metadata=[("x", "a" * size)], timeout=20)
            assert refusal.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ask(b"", timeout=20) != b""
        with spikeserve.Client(server.address) as client:
            client.unload("net")
        assert watch.is_active()
        watch.cancel()


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
@pytest.mark.parametrize("method", [raw_http2.LIST_NETWORKS, "/grpc.health.v1.Health/Check", "/no/Method"])
def test_a_compressed_message_is_refused_unopened(
    server: spikeserve.LocalServer, method: str, algorithm: grpc.Compression
) -> None:
    bomb = bytes(256 << 20)  # a quarter of a megabyte on the wire
    before = peak_bytes(server)
    channel: Any = grpc.insecure_channel(server.address)
    with channel, pytest.raises(grpc.RpcError, match="is disabled") as refusal:
        channel.unary_unary(method)(bomb, compression=algorithm, timeout=60)
    assert refusal.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert peak_bytes(server) - before < 64 << 20


def test_a_unix_socket_belongs_to_one_server(start_server: ServerMaker, tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'socket'}"
    first = start_server(listen=address)
    with pytest.raises(spikeserve.ServerStartError, match="another server has this socket"):
        start_server(listen=address, repository_role="follower")
    with spikeserve.Client(address) as client:
        assert client.list() == ()
    first.process.kill()
    first.process.wait()
    assert (tmp_path / "socket").is_socket()
    second = start_server(listen=address)
    with spikeserve.Client(address) as client:
        assert client.list() == ()
    assert second.stop() == 0
    assert not list(tmp_path.glob("socket*"))


def start(*flags: str | Path) -> subprocess.CompletedProcess[str]:
    """A server that must not start."""
    command = [str(spikeserve.local_server.find_binary()), "--backend", "cpu"]
    quiet = ["--metrics-listen", "none", "--http-listen", "none", "--log-level", "error"]
    return subprocess.run(
        [*command, *quiet, *map(str, flags)], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("192.0.2.1:0", 1, "Cannot assign requested address (it is not an address of this machine)"),
        ("nobody.invalid:0", 1, "the name nobody.invalid is not known"),
        ("unix:", 2, "wanted unix:PATH"),
        ("unix:/nowhere/socket", 1, "/nowhere/socket.lock cannot be opened: No such file or directory"),
        ("127.0.0.1", 2, "wanted HOST:PORT"),
        ("::1:8001", 2, "in brackets"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_named(address: str, status: int, words: str) -> None:
    done = start("--listen", address)
    assert done.returncode == status, done.stderr
    assert "--listen" in done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_port_in_use_is_named(server: spikeserve.LocalServer) -> None:
    done = start("--listen", server.address)
    assert done.returncode == 1
    assert f"cannot listen on {server.address} (--listen): Address already in use" in done.stderr


def test_a_wrong_certificate_is_named(tmp_path: Path) -> None:
    files = servers.make_certificates(tmp_path)
    text = tmp_path / "text"
    text.write_text("no certificate\n")
    damaged = tmp_path / "damaged"
    damaged.write_text(files["server"].read_text().replace("M", "N", 3))
    other = f"the key does not belong to the certificate of --tls-cert: {files['server']}"
    right = {"cert": files["server"], "key": files["server-key"], "client-ca": files["ca"]}
    for wrong, words in (
        ({"cert": text}, f"--tls-cert: {text}: there is no PEM certificate in it"),
        ({"cert": damaged}, f"--tls-cert: {damaged}: certificate 1 of it is damaged"),
        ({"key": text}, f"--tls-key: {text}: there is no PEM private key in it"),
        ({"key": files["client-key"]}, other),
        ({"client-ca": text}, f"--tls-client-ca: {text}: there is no PEM certificate in it"),
    ):
        flags = [item for name, path in (right | wrong).items() for item in (f"--tls-{name}", path)]
        done = start("--listen", "127.0.0.1:0", *flags)
        assert done.returncode == 1, (wrong, done.stderr)
        assert words in done.stderr
