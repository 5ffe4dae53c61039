"""Addresses, tokens and certificates that are wrong are named; servers behind one address share calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import servers
from fake_server import FakeServer
from grpc_health.v1 import health, health_pb2

import spikeserve
from spikeserve._address import ConnectionOptionError, check_address

SAMPLES = np.ones((2, 2), np.float32)
# Of an authority, good until the end of 2020.
EXPIRED = """\
-----BEGIN CERTIFICATE-----
MIIBYTCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQDEw1hbiBleHBp
cmVkIENBMB4XDTIwMDEwMTAwMDAwMFoXDTIxMDEwMTAwMDAwMFowGDEWMBQGA1UE
AxMNYW4gZXhwaXJlZCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABILohkwg
ZVta7Mtcrc1Jq4FEnoPKRIfQ+JTn5E17W/OsfF7uBQcB6Mzw/H5VV7lCd5p05axG
nTrHfwSO08iZ7BqjQjBAMA4GA1UdDwEB/wQEAwICBDAPBgNVHRMBAf8EBTADAQH/
MB0GA1UdDgQWBBTLM1qtMS8lepxvVxuoZY1RYsOHwDAKBggqhkjOPQQDAgNIADBF
AiBX5m9vOtLo3IpKFFcXXsRPmECkejQgCUAUXqnfHMty8gIhAJ4iVyc1j4W8G2pS
g7Fa2r2wA1d9UQf3bBV0/y0VTb46
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8001", "127.0.0.1:1", "gpu-box.example:65535", "[::1]:8001", "[fe80::1%eth0]:8001",
        "unix:/run/s", "unix:s", "unix:///run/s", "unix-abstract:s", "dns:///name:8001", "dns:name:8001",
        "dns://1.1.1.1/name:8001", "ipv4:127.0.0.1:1,127.0.0.2:2", "ipv6:[::1]:1", "dns:8001",
    ],
)  # fmt: skip
def test_addresses_that_a_server_may_have(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("localhost", "got 'localhost', which has no port; wanted HOST:PORT"),
        ("host:99999", "got 'host:99999', whose port is '99999'; wanted 1 to 65535"),
        ("host:0", "whose port is '0'"),
        ("host:", "whose port is ''"),
        ("host:http", "whose port is 'http'"),
        ("", "got '', wanted HOST:PORT"),
        (" host:1", "got ' host:1', wanted"),
        ("http://host:1", "without http://"),
        ("https://host:1", "without https:// and encryption"),
        ("unix:", "got 'unix:'"),
        ("::1", "got '::1', which is none"),
        ("[::1]", "which has no port"),
        ("ipv4:127.0.0.1:1,127.0.0.2", "which has no port"),
        ("dns:///name", "which has no port"),
        ("a b:1", "which is none"),
        (8001, "got 8001, wanted"),
    ],
)
@pytest.mark.parametrize("client", [spikeserve.Client, spikeserve.AsyncClient])
def test_addresses_that_no_server_has(client: Any, address: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"^address: ") as caught:
        client(address)
    assert message in str(caught.value)
    assert isinstance(caught.value, ConnectionOptionError)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    servers.make_certificates(folder)
    (folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (folder / "text.pem").write_text("hello")
    (folder / "expired.pem").write_text(EXPIRED)
    (folder / "noise.pem").write_bytes(np.random.default_rng(0).bytes(4096))
    for name, body in (("broken", "AAAA\n"), ("noise", "%%%%\n"), ("short", "")):
        key = f"-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n"
        (folder / f"{name}-key.pem").write_text(key)
    return folder


@pytest.mark.parametrize(
    ("option", "file", "message"),
    [
        ("root_cert", "missing.pem", "missing.pem: No such file or directory"),
        ("root_cert", "", "Is a directory"),
        ("root_cert", "text.pem", "text.pem: got no PEM block, wanted a PEM file with a CERTIFICATE"),
        ("root_cert", "broken.pem", "broken.pem: its certificate is damaged"),
        ("root_cert", "noise.pem", "noise.pem: got no PEM block, wanted a PEM file with a CERTIFICATE"),
        ("root_cert", "expired.pem", "expired.pem: its certificate expired on Jan  1 00:00:00 2021 GMT"),
        ("client_key", "broken-key.pem", "broken-key.pem: its private key is damaged: it is no DER"),
        ("client_key", "noise-key.pem", "noise-key.pem: its private key is damaged"),
        ("client_key", "short-key.pem", "short-key.pem: its private key is damaged"),
        ("root_cert", "client-key.pem", "got PRIVATE KEY, wanted a PEM file with a CERTIFICATE"),
        ("client_cert", "missing.pem", "No such file"),
        ("client_cert", "client-key.pem", "got PRIVATE KEY"),
        ("client_key", "missing.pem", "No such file"),
        ("client_key", "client.pem", "got CERTIFICATE, wanted a PEM file with a PRIVATE KEY"),
        ("client_key", "server-key.pem", "is no key for"),
    ],
)
def test_certificates_that_cannot_be_used(certificates: Path, option: str, file: str, message: str) -> None:
    files = {"client_cert": certificates / "client.pem", "client_key": certificates / "client-key.pem"}
    with pytest.raises(ValueError, match=rf"^{option}: ") as caught:
        spikeserve.Client("127.0.0.1:1", **{**files, option: certificates / file})  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert isinstance(caught.value, OSError) == (file in ("missing.pem", ""))


def test_bytes_of_certificates_are_looked_at_too(certificates: Path) -> None:
    root = (certificates / "ca.pem").read_bytes()
    assert "encrypted" in repr(spikeserve.Client("127.0.0.1:1", root_cert=root))
    with pytest.raises(ValueError, match=r"^root_cert: the bytes given: got no PEM block"):
        spikeserve.Client("127.0.0.1:1", root_cert=b"x" + root[1:])
    # One that is good is enough: bundles of systems carry expired ones.
    spikeserve.Client("127.0.0.1:1", root_cert=EXPIRED.encode() + root)
    files = {"client_cert": "client.pem", "client_key": "client-key.pem"}
    pair: dict[str, Any] = {option: (certificates / file).read_bytes() for option, file in files.items()}
    assert "encrypted" in repr(spikeserve.Client("127.0.0.1:1", **pair))
    pair["client_key"] = (certificates / "noise-key.pem").read_bytes()
    with pytest.raises(ValueError, match=r"^client_key: the bytes given: its private key is damaged"):
        spikeserve.Client("127.0.0.1:1", **pair)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": ""}, "token: got an empty text"),
        ({"token": "geheim\n"}, "token: it has characters"),
        ({"timeout": 0}, "timeout: got 0, wanted seconds above 0"),
        ({"timeout": -1}, "timeout: got -1"),
        (
            {"client_key": b"x"},
            "client_cert: missing beside the client's key",
        ),
    ],
)
def test_other_options_are_named_and_the_token_is_not(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="^" + message) as caught:
        spikeserve.Client("127.0.0.1:1", **options)
    assert "geheim" not in str(caught.value)


NAMING: dict[str, Callable[[spikeserve.Client], object]] = {
    "load": lambda client: client.load("net", servers.small_network()),
    "get": lambda client: client.get("net"),
    "unload": lambda client: client.unload("net"),
    "simulate": lambda client: client.simulate("net", SAMPLES),
    "stream": lambda client: [*client.stream("net", SAMPLES, report_every=4)],
    "session": lambda client: client.session("net", 2).close(),
}


@pytest.mark.client("Python", "network header")
@pytest.mark.parametrize("call", NAMING)
def test_every_call_that_names_a_network_says_so_to_balancers(fake: FakeServer, call: str) -> None:
    with spikeserve.Client(fake.address, token="secret") as client:
        NAMING[call](client)
        assert fake.metadata["spikeserve-network"] == "net"
        assert fake.metadata["authorization"] == "Bearer secret"
        client.list()
        assert "spikeserve-network" not in fake.metadata


@pytest.mark.client("Python asyncio", "network header")
def test_the_asyncio_client_says_so_too(fake: FakeServer) -> None:
    async def body() -> None:
        async with spikeserve.AsyncClient(fake.address) as client:
            network = servers.small_network()
            for act in (
                lambda: client.load("net", network), lambda: client.get("net"), lambda: client.unload("net"),
                lambda: client.simulate("net", SAMPLES),
            ):  # fmt: skip
                fake.metadata = {}
                await act()
                assert fake.metadata["spikeserve-network"] == "net"
            fake.metadata = {}
            async for _ in client.stream("net", SAMPLES, report_every=4):
                assert fake.metadata["spikeserve-network"] == "net"
            await client.list()
            async with await client.session("net", 2):
                assert fake.metadata["spikeserve-network"] == "net"

    asyncio.run(body())


@pytest.mark.parametrize("name", ["", "naïve", "a\nb"])
def test_a_name_that_no_header_takes_is_left_to_the_server(fake: FakeServer, name: str) -> None:
    fake.failures = [(grpc.StatusCode.INVALID_ARGUMENT, "name")]
    with spikeserve.Client(fake.address) as client, pytest.raises(spikeserve.InvalidArgumentError):
        client.get(name)
    assert "spikeserve-network" not in fake.metadata


class Pair:
    """Two servers with health services, and one address of both."""

    def __init__(self) -> None:
        self.health = [health.HealthServicer(), health.HealthServicer()]
        self.servers = [FakeServer(one) for one in self.health]
        self.address = "ipv4:" + ",".join(server.address for server in self.servers)
        for number in (0, 1):
            self.set(number, health_pb2.HealthCheckResponse.SERVING)

    def set(self, number: int, status: Any) -> None:
        self.health[number].set("", status)

    def counts(self) -> tuple[int, int]:
        return len(self.servers[0].requests), len(self.servers[1].requests)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    for server in made.servers:
        server.stop()


def until(holds: Callable[[], bool]) -> None:
    """Waits for something that happens soon."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_two_servers_take_turns_and_one_that_drains_gets_no_calls(pair: Pair) -> None:
    with spikeserve.Client(pair.address, timeout=30) as client:

        def asked() -> tuple[int, int]:
            """Calls that either server gets of the next four."""
            before = pair.counts()
            for _ in range(4):
                client.simulate("net", SAMPLES)
            after = pair.counts()
            return after[0] - before[0], after[1] - before[1]

        until(lambda: asked() == (2, 2))
        pair.set(0, health_pb2.HealthCheckResponse.NOT_SERVING)
        until(lambda: asked() == (0, 4))
        assert [asked() for _ in range(5)] == [(0, 4)] * 5
        pair.set(0, health_pb2.HealthCheckResponse.SERVING)
        until(lambda: asked() == (2, 2))


@pytest.mark.client("Python asyncio", "round robin")
def test_the_asyncio_client_takes_turns_too(pair: Pair) -> None:
    pair.set(1, health_pb2.HealthCheckResponse.NOT_SERVING)

    async def body() -> None:
        async with spikeserve.AsyncClient(pair.address, timeout=30) as client:
            for _ in range(6):
                await client.simulate("net", SAMPLES)
            assert pair.counts() == (6, 0)
            pair.set(1, health_pb2.HealthCheckResponse.SERVING)
            end = time.monotonic() + 30
            while pair.counts()[1] < 2:
                assert time.monotonic() < end
                await client.simulate("net", SAMPLES)

    asyncio.run(body())


def test_a_call_goes_to_the_other_server_where_one_is_gone(pair: Pair) -> None:
    with spikeserve.Client(pair.address, timeout=30) as client:
        until(lambda: client.simulate("net", SAMPLES).samples == 2 and min(pair.counts()) > 0)
        pair.servers[0].stop()
        for _ in range(10):
            assert client.simulate("net", SAMPLES).samples == 2


def test_a_single_server_that_serves_nobody_is_named() -> None:
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    server = FakeServer(servicer)
    try:
        with spikeserve.Client(server.address, timeout=20) as client:
            with pytest.raises(spikeserve.UnavailableError, match="that it is not serving") as caught:
                client.list()
            assert f"server {server.address} cannot be reached or is not ready" in str(caught.value)
    finally:
        server.stop()
