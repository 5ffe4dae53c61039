"""The guard: what a client must not send, with a healthy one beside."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import raw_http2
import servers
from healthy import Healthy
from raw_http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    NO_MESSAGE,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    RawClient,
    call_headers,
    frame,
)

import spikeserve

CANCEL = struct.pack(">I", 8)


@pytest.fixture(scope="module", params=["plain", "tls"])
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[spikeserve.LocalServer, Path | None]]:
    """A server with the guard on, and the certificate that its clients trust."""
    flags: dict[str, Any] = {}
    root = None
    if request.param == "tls":
        files = servers.make_certificates(tmp_path_factory.mktemp("certificates"))
        flags = {"tls_cert": files["server"], "tls_key": files["server-key"]}
        root = files["ca"]
    with spikeserve.serve(backend="cpu", guard="on", **flags) as server:
        yield server, root
    assert server.process.returncode == 0


@pytest.fixture
def attacker(guarded: tuple[spikeserve.LocalServer, Path | None], request: pytest.FixtureRequest) -> str:
    """An address of its own for each test, which others have not spoiled."""
    number = request.node.session.items.index(request.node)
    return f"127.0.{1 + number // 250}.{2 + number % 250}"


def closes(server: spikeserve.LocalServer, rule: str) -> float:
    return servers.counter(servers.metrics(server), "spikeserve_guard_closes_total", rule=rule)


def pauses(server: spikeserve.LocalServer) -> float:
    return servers.counter(servers.metrics(server), "spikeserve_guard_pauses_total")


def resident_bytes(server: spikeserve.LocalServer) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) << 10


def may_connect(server: spikeserve.LocalServer, address: str, root: Path | None) -> bool:
    """Whether a connection from there is still open after half a second."""
    try:
        with RawClient(server.address, address, root) as client:
            return not client.closed(0.5)
    except OSError:  # in the handshake of TLS
        return False


def reset_calls(streams: range) -> bytes:
    """Calls that are taken back as soon as they were made."""
    block = call_headers()
    return b"".join(
        frame(HEADERS, END_HEADERS, stream, block)
        + frame(DATA, END_STREAM, stream, NO_MESSAGE)
        + frame(RST_STREAM, 0, stream, CANCEL)
        for stream in streams
    )


def test_rapid_resets_slow_their_connection_down(
    guarded: tuple[spikeserve.LocalServer, Path | None], attacker: str
) -> None:
    server, root = guarded
    before = resident_bytes(server)

    def attack() -> None:
        with RawClient(server.address, attacker, root) as client:
            client.socket.settimeout(2)  # it is not read: sending blocks
            for first in range(1, 200_000, 2_000):
                if not client.send(reset_calls(range(first, first + 2_000, 2))):
                    return

    with Healthy(server, root_cert=root) if root else Healthy(server) as healthy:
        attackers = [threading.Thread(target=attack) for _ in range(4)]
        for thread in attackers:
            thread.start()
        servers.eventually(lambda: pauses(server) > 0, "a connection is paused")
        healthy.wait_for(200)
        for thread in attackers:
            thread.join()
        healthy.wait_for(20)
    assert resident_bytes(server) - before < 100 << 20


def test_calls_go_on_after_a_pause(
    guarded: tuple[spikeserve.LocalServer, Path | None], attacker: str
) -> None:
    server, root = guarded
    with RawClient(server.address, attacker, root) as client:
        assert client.send(reset_calls(range(1, 1 + 2 * 150, 2)))  # 50 too many: 2.5 s
        assert client.send(
            frame(HEADERS, END_HEADERS, 1001, call_headers()) + frame(DATA, END_STREAM, 1001, NO_MESSAGE)
        )
        received = b""
        while b"grpc-status" not in received:
            piece = client.socket.recv(65536)
            assert piece, "the connection was closed"
            received += piece


ATTACKS = {
    "CONTINUATION frames": (
        "header_block",
        frame(HEADERS, 0, 1, call_headers()) + 9 * frame(CONTINUATION, 0, 1, raw_http2.header("x", "y")),
    ),
    "headers without an end": (
        "header_block",
        frame(HEADERS, 0, 1, call_headers())
        + 5 * frame(CONTINUATION, 0, 1, raw_http2.header("x", 15_900 * "y")),
    ),
    "PING": ("pings", 2_000 * frame(PING, 0, 0, bytes(8))),
    "SETTINGS": ("control_frames", 1_000 * frame(SETTINGS, 0, 0)),
    "PRIORITY": ("control_frames", 1_000 * frame(PRIORITY, 0, 1, bytes(5))),
    "acknowledgements": ("control_frames", 1_000 * frame(PING, ACK, 0, bytes(8))),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_flood_ends_its_connection(
    guarded: tuple[spikeserve.LocalServer, Path | None], attacker: str, attack: str
) -> None:
    server, root = guarded
    rule, flood = ATTACKS[attack]
    before = closes(server, rule)
    with Healthy(server, root_cert=root) if root else Healthy(server) as healthy:
        with RawClient(server.address, attacker, root) as client:
            client.send(flood)
            assert client.closed()
        healthy.wait_for(20)
    assert closes(server, rule) == before + 1


def test_calls_before_the_settings_are_acknowledged_end_it(
    guarded: tuple[spikeserve.LocalServer, Path | None], attacker: str
) -> None:
    server, root = guarded
    before = closes(server, "unacknowledged_settings")
    block = call_headers()
    with RawClient(server.address, attacker, root, acknowledge=False) as client:
        client.send(b"".join(frame(HEADERS, END_HEADERS, stream, block) for stream in range(1, 203, 2)))
        assert client.closed()
    assert closes(server, "unacknowledged_settings") == before + 1


def test_an_offender_may_not_come_back_at_once(
    guarded: tuple[spikeserve.LocalServer, Path | None], attacker: str
) -> None:
    server, root = guarded
    flood = 1_000 * frame(SETTINGS, 0, 0)
    with RawClient(server.address, attacker, root) as client:
        client.send(flood)
        assert client.closed()
    line = f'address="{attacker}" rule="control_frames" refused_seconds=1'
    servers.eventually(lambda: line in server.log, "the log says whom and how long")
    assert not may_connect(server, attacker, root)
    refusals = servers.metrics(server)
    assert servers.counter(refusals, "spikeserve_connections_refused_total", reason="jail") >= 1
    servers.eventually(lambda: may_connect(server, attacker, root), "the address may connect again")


def test_another_protocol_is_closed_and_forgiven(
    guarded: tuple[spikeserve.LocalServer, Path | None], attacker: str
) -> None:
    server, root = guarded
    if root is not None:
        pytest.skip("TLS has asked for HTTP/2 already")
    host, _, port = server.address.rpartition(":")
    for _ in range(3):
        with socket.create_connection((host, int(port)), source_address=(attacker, 0)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100) == b""
    assert closes(server, "preface") == 3


def test_a_long_session_of_an_honest_client(
    guarded: tuple[spikeserve.LocalServer, Path | None],
) -> None:
    """Its pings follow the data: thousands of messages each way and no rule is near."""
    server, root = guarded
    network = servers.small_network()
    with spikeserve.Client(server.address, timeout=120, root_cert=root) as client:
        client.load("session", network)
        before = servers.metrics(server)
        with client.session("session", 1) as session:
            for _ in range(2_000):
                session.advance(servers.samples(1), steps=1)
        after = servers.metrics(server)
    for name in ("spikeserve_guard_pauses_total", "spikeserve_guard_closes_total"):
        assert servers.counter(after, name) == servers.counter(before, name)
