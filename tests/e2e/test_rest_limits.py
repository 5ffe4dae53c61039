"""HTTP held against clients that are wrong, slow, large or unknown; and its end."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rest
import servers
from rest import ask, connect, raw, tensor

import spikeserve
from spikeserve.local_server import find_binary

ServerMaker = Callable[..., spikeserve.LocalServer]
INFER = "/v2/models/net/infer"
BODY = json.dumps({"inputs": [tensor(servers.samples(2))]}).encode()
HTTP = {"http_listen": "127.0.0.1:0"}


def loaded(server: spikeserve.LocalServer, **options: Any) -> spikeserve.LocalServer:
    with spikeserve.Client(server.address, **options) as client:
        client.load("net", servers.small_network())
    return server


def post(body: bytes, *headers: str, path: str = INFER, length: int | None = None) -> bytes:
    """A request by hand."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    if length is None or length >= 0:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_bodies_that_are_not_as_long_as_they_say(start_server: ServerMaker) -> None:
    server = loaded(start_server(**HTTP))
    baseline = servers.memory_used(server)
    close = "Connection: close"
    assert status(raw(server, post(BODY, close))) == 200
    short = raw(server, post(BODY, length=len(BODY) + 1), half_close=True)
    assert (status(short), b"ends before its body" in short) == (400, True)
    longer = raw(server, post(BODY, length=len(BODY) - 1))
    assert (status(longer), b"no JSON" in longer) == (400, True)
    chunked = f"{len(BODY):x}".encode() + b"\r\n" + BODY + b"\r\n0\r\n\r\n"
    assert status(raw(server, post(chunked, "Transfer-Encoding: chunked", close, length=-1))) == 200
    bad = raw(server, post(b"zz\r\n", "Transfer-Encoding: chunked", length=-1))
    assert (status(bad), b"no HTTP request" in bad) == (400, True)
    packed = raw(server, post(chunked, "Transfer-Encoding: gzip, chunked", length=-1))
    assert (status(packed), b"wanted chunked" in packed) == (501, True)
    assert status(raw(server, post(BODY, "Content-Length: 5"))) == 400
    assert status(raw(server, b"nonsense\r\n\r\n")) == 400
    assert status(raw(server, b"GET /v2 HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n")) == 431
    assert status(raw(server, post(BODY, "Expect: 100-continue", close))) == 100
    servers.eventually(lambda: servers.memory_used(server) == baseline, "nothing is kept")


def test_a_body_above_the_limit_is_refused_before_it_is_sent(start_server: ServerMaker) -> None:
    server = loaded(start_server(**HTTP, max_message_mb=1))
    refused = raw(server, post(b"", length=10 << 30))
    assert (status(refused), b"--max-message-mb" in refused) == (413, True)
    answer = ask(server, "POST", INFER, b" " * (2 << 20))
    assert (answer.status, answer.json["code"]) == (413, "RESOURCE_EXHAUSTED")
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    assert status(raw(server, post(chunk * 3, "Transfer-Encoding: chunked", length=-1))) == 413
    assert ask(server, "POST", INFER, b" " * (1 << 20)).status == 400


def test_bodies_count_as_memory(start_server: ServerMaker) -> None:
    server = loaded(start_server(**HTTP, memory_budget_mb=32))
    refused = raw(server, post(b"", length=40 << 20))
    assert (status(refused), b"--memory-budget-mb" in refused) == (429, True)
    free = servers.memory_used(server)
    with connect(server) as slow:
        slow.sendall(post(b"{", length=20 << 20))
        servers.eventually(lambda: servers.memory_used(server) >= free + (20 << 20), "a body is reserved")
        assert status(raw(server, post(b"", length=20 << 20))) == 429
        assert ask(server, "POST", INFER, BODY).status == 200
    servers.eventually(lambda: servers.memory_used(server) == free, "what was reserved is free again")
    # A text that would grow past the budget when it is read.
    answer = ask(server, "POST", INFER, b"[" + b'"",' * 2_000_000 + b'""]')
    assert (answer.status, "memory-budget" in answer.error) == (429, True)


def test_slow_clients_are_cut_off_and_hold_up_nobody(start_server: ServerMaker) -> None:
    server = loaded(start_server(**HTTP, http_timeout_seconds=2, http_threads=1))
    slow = [connect(server) for _ in range(50)]
    for number, connection in enumerate(slow):
        connection.sendall([b"", b"GET /v2 HT", post(BODY[:5], length=len(BODY))][number % 3])
    start = time.monotonic()
    assert ask(server, "POST", INFER, BODY).status == 200
    assert time.monotonic() - start < 1.9  # sooner than anybody is cut off
    drip, stop = connect(server), threading.Event()

    def send_slowly() -> None:
        try:
            for byte in post(BODY):
                drip.sendall(bytes([byte]))
                if stop.wait(0.05):
                    return
        except OSError:
            return

    thread = threading.Thread(target=send_slowly)
    thread.start()
    answers = [rest.read_all(connection) for connection in (*slow, drip)]
    stop.set()
    thread.join()
    for number, answer in enumerate(answers):
        assert (answer == b"") if number % 3 == 0 and number < 50 else status(answer) == 408
    for connection in (*slow, drip):
        connection.close()


def test_silent_connections_make_room(start_server: ServerMaker) -> None:
    server = loaded(start_server(**HTTP, http_connections=2))

    def connected(count: int) -> None:
        gauge = "spikeserve_http_connections"
        servers.eventually(lambda: servers.counter(servers.metrics(server), gauge) == count, "it is taken")

    connected(0)
    with connect(server) as first:
        connected(1)
        with connect(server) as second:
            connected(2)
            assert ask(server, "GET", "/v2/health/live").status == 200
            assert first.recv(1) == b""  # which waited longest
            second.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert status(rest.read_all(second)) == 200


def test_further_connections_wait_for_busy_ones(start_server: ServerMaker) -> None:
    server = loaded(start_server(**HTTP, http_connections=2, http_timeout_seconds=3))
    with connect(server) as first, connect(server) as second:
        for busy in (first, second):
            busy.sendall(post(BODY[:5], length=len(BODY)))
        assert ask(server, "GET", "/v2/health/live").status == 200  # once one of them is cut off


def test_a_long_run_ends_at_its_deadline_and_with_its_client(start_server: ServerMaker) -> None:
    server = loaded(start_server(**HTTP, log_format="json", max_steps=1_000_000_000))
    body = json.dumps(
        {"inputs": [tensor(servers.samples(64))], "parameters": {"steps": 1_000_000_000}}
    ).encode()
    late = ask(server, "POST", INFER, body, {"grpc-timeout": "100m"})
    assert (late.status, late.json["code"]) == (504, "DEADLINE_EXCEEDED")
    with connect(server) as connection:
        connection.sendall(post(body))
        servers.eventually(lambda: '"event":"request"' in server.log, "the first is logged")
    servers.eventually(lambda: '"CANCELLED"' in server.log, "the second is cancelled")


@pytest.mark.client("REST", "token")
def test_tokens(start_server: ServerMaker, tmp_path: Path) -> None:
    (tmp_path / "use").write_text("use-token\n")
    (tmp_path / "admin").write_text("admin-token\n")
    server = loaded(
        start_server(**HTTP, auth_token_file=tmp_path / "use", admin_token_file=tmp_path / "admin"),
        token="admin-token",
    )

    def code(method: str, path: str, token: str, body: bytes | None = None) -> tuple[int, str]:
        answer = ask(server, method, path, body, {"Authorization": f"Bearer {token}"} if token else {})
        return answer.status, answer.json.get("code", "")

    assert code("POST", INFER, "use-token", BODY) == (200, "")
    for token in ("", "wrong"):
        for method, path in (("POST", INFER), ("GET", "/v2/models/net"), ("POST", "/v1/models/net:predict")):
            assert code(method, path, token, BODY) == (401, "UNAUTHENTICATED"), path
    assert code("POST", "/v2/repository/models/net/unload", "use-token") == (403, "PERMISSION_DENIED")
    assert code("POST", "/v2/repository/models/net/load", "use-token", b"{") == (403, "PERMISSION_DENIED")
    # Not a byte of the body is waited for.
    refused = raw(server, post(b"", length=60 << 20))
    assert (status(refused), b"WWW-Authenticate: Bearer" in refused) == (401, True)
    assert code("POST", INFER, "\x01", BODY)[0] in (400, 401)
    assert code("POST", INFER, "\xff", BODY) == (401, "UNAUTHENTICATED")
    assert code("POST", "/v2/repository/models/net/unload", "admin-token", b"") == (200, "")


@pytest.mark.client("REST", "TLS", "mutual TLS")
def test_tls_and_client_certificates(start_server: ServerMaker, tmp_path: Path) -> None:
    files = servers.make_certificates(tmp_path)
    tls = {"tls_cert": files["server"], "tls_key": files["server-key"]}
    server = start_server(**HTTP, **tls)
    trusting = ssl.create_default_context(cafile=str(files["ca"]))
    assert ask(server, "GET", "/v2/health/live", tls=trusting).json == {"live": True}
    with pytest.raises(ssl.SSLError):
        ask(server, "GET", "/v2/health/live", tls=ssl.create_default_context())
    assert raw(server, b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")[:4] != b"HTTP"
    old = ssl.create_default_context(cafile=str(files["ca"]))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ask(server, "GET", "/v2/health/live", tls=old).status == 200
    server.stop()

    server = start_server(**HTTP, **tls, tls_client_ca=files["ca"])
    with pytest.raises((ssl.SSLError, OSError)):
        ask(server, "GET", "/v2/health/live", tls=trusting)
    known = ssl.create_default_context(cafile=str(files["ca"]))
    known.load_cert_chain(files["client"], files["client-key"])
    assert ask(server, "GET", "/v2/health/live", tls=known).json == {"live": True}


def test_a_port_in_use_and_odd_addresses_end_the_start(start_server: ServerMaker) -> None:
    taken = start_server(**HTTP).http_address

    def refusal(address: str) -> str:
        arguments = ["--listen", "127.0.0.1:0", "--metrics-listen", "none", "--http-listen", address]
        ended = subprocess.run(
            [str(find_binary()), "--backend", "cpu", *arguments],
            timeout=30, check=False, capture_output=True, text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("SPIKESERVE_")},
        )  # fmt: skip
        assert ended.returncode != 0
        return ended.stderr.splitlines()[-1]

    assert f"cannot listen on {taken} (--http-listen): Address already in use" in refusal(taken)
    assert "--http-listen: got unix:/x, wanted HOST:PORT or none" in refusal("unix:/x")
    assert "wanted HOST:PORT" in refusal("127.0.0.1")


def test_drain_answers_what_runs_and_refuses_the_rest(start_server: ServerMaker) -> None:
    server = loaded(start_server(**HTTP, max_steps=1_000_000_000, workers=1, max_batch=64))
    inputs = [tensor(servers.samples(64))]
    took, steps = 0.0, 1_000
    while took < 0.3:  # a run of that much, on this machine as it is now
        begin, steps = time.monotonic(), 2 * steps
        assert ask(server, "POST", INFER, {"inputs": inputs, "parameters": {"steps": steps}}).status == 200
        took = time.monotonic() - begin
    body = {"inputs": inputs, "parameters": {"steps": 6 * steps}}
    idle = [connect(server) for _ in range(20)]
    answers: list[rest.Answer] = []
    running = [
        threading.Thread(target=lambda: answers.append(ask(server, "POST", INFER, body))) for _ in range(2)
    ]
    for thread in running:
        thread.start()
    servers.eventually(
        lambda: servers.metrics(server)["spikeserve_queue_samples"] > 0, "one runs and one waits"
    )
    server.process.terminate()
    servers.eventually(lambda: "draining" in server.log, "it drains")

    def refuses() -> bool:
        with idle.pop() as connection:
            connection.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            refused = rest.read_all(connection)
        return status(refused) == 503 and b"shutting down" in refused

    servers.eventually(refuses, "it refuses what is new")  # the log is a moment ahead of it
    for thread in running:
        thread.join()
    for connection in idle:
        connection.close()
    assert [answer.status for answer in answers] == [200, 200]
    assert server.process.wait(30) == 0
