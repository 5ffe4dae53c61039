"""Tokens, quotas and certificates are renewed while the server runs: nobody's call fails for it."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
import quota_files
import servers
from conftest import ServerMaker

import spikeserve

CALLERS = "tokens and quotas"


def sighup(server: spikeserve.LocalServer) -> None:
    server.process.send_signal(signal.SIGHUP)


def reloads(server: spikeserve.LocalServer, what: str, result: str = "ok") -> float:
    values = servers.metrics(server)
    return servers.counter(values, "spikeserve_reloads_total", what=what, result=result)


@contextmanager
def reloading(server: spikeserve.LocalServer, what: str, result: str = "ok") -> Iterator[None]:
    """Waits at its end for one more reload than there were."""
    before = reloads(server, what, result)
    yield
    servers.eventually(lambda: reloads(server, what, result) > before, f"{what}: {result}", 60)


class Load:
    """Clients that call one after another until the end of a `with`, and what failed of it."""

    def __init__(self, server: spikeserve.LocalServer, token: str, callers: int = 3) -> None:
        self.calls = 0
        self.failures: list[Exception] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(server.address, token)) for _ in range(callers)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        servers.eventually(lambda: self.calls > 10 or bool(self.failures), "calls are on their way", 60)
        return self

    def __exit__(self, *exc_info: object) -> None:
        before = self.calls
        servers.eventually(lambda: self.calls > before + 10 or bool(self.failures), "calls go on", 60)
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self.failures

    def _call(self, address: str, token: str) -> None:
        with spikeserve.Client(address, token=token or None, timeout=60) as client:
            while not self._stop.is_set():
                try:
                    assert client.simulate("net", servers.samples(1), steps=1).samples == 1
                    self.calls += 1
                except Exception as error:
                    self.failures.append(error)
                    return


def can_call(server: spikeserve.LocalServer, token: str) -> bool:
    with spikeserve.Client(server.address, token=token, timeout=60) as client:
        try:
            return client.list() is not None
        except spikeserve.UnauthenticatedError:
            return False


def link(folder: Path, version: str) -> None:
    """`folder`/..data leads to `version` from now on, as Kubernetes renews mounted secrets."""
    unfinished = folder / "..data_tmp"
    unfinished.symlink_to(version)
    os.replace(unfinished, folder / "..data")


@pytest.mark.parametrize("way", ["SIGHUP", "change", "link"])
def test_tokens_and_quotas_under_load(start_server: ServerMaker, tmp_path: Path, way: str) -> None:
    """The caller under load stays, one comes, one goes, and the limits of one change."""
    old = [
        quota_files.tenant("stays", admin="t-stays"),
        quota_files.tenant("goes", "t-goes"),
    ]
    new = [
        quota_files.tenant("stays", admin="t-stays", weight=3),
        quota_files.tenant("comes", "t-comes", quotas={"requests": 0}),
    ]
    for version, tenants in (("..1", old), ("..2", new)):
        (tmp_path / version).mkdir()
        quota_files.write(tmp_path / version / "quotas.json", *tenants)
        (tmp_path / version / "tokens").write_text(f"t{version}\n")
    link(tmp_path, "..1")
    for name in ("quotas.json", "tokens"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    server = start_server(quota_file=tmp_path / "quotas.json", auth_token_file=tmp_path / "tokens")
    with spikeserve.Client(server.address, token="t-stays") as client:
        client.load("net", servers.small_network())
    assert can_call(server, "t-goes")
    assert can_call(server, "t..1")
    assert not can_call(server, "t-comes")
    assert not can_call(server, "t..2")
    with Load(server, "t-stays"), reloading(server, CALLERS):
        if way == "link":
            link(tmp_path, "..2")
        else:
            for name in ("quotas.json", "tokens"):
                quota_files.replace(tmp_path / "..1" / name, (tmp_path / "..2" / name).read_text())
            if way == "SIGHUP":
                sighup(server)
    servers.eventually(
        lambda: can_call(server, "t-comes") and can_call(server, "t..2"), "the new tokens are known", 60
    )
    assert not can_call(server, "t-goes")
    assert not can_call(server, "t..1")
    refused = pytest.raises(spikeserve.ResourceExhaustedError, match="requests: 0 are in flight, allowed 0")
    with spikeserve.Client(server.address, token="t-comes") as client, refused:
        client.simulate("net", servers.samples(1), steps=1)
    series = servers.metrics(server)
    assert servers.counter(series, "spikeserve_tenant_requests_in_flight", tenant="comes") == 0
    assert not [name for name in series if "spikeserve_tenant" in name and 'tenant="goes"' in name]


def test_what_is_wrong_stays_out(start_server: ServerMaker, tmp_path: Path) -> None:
    path = quota_files.write(tmp_path / "quotas.json", quota_files.tenant("one", admin="t-one"))
    tokens = tmp_path / "tokens"
    tokens.write_text("t-file\n")
    server = start_server(quota_file=path, auth_token_file=tokens)
    with spikeserve.Client(server.address, token="t-one") as client:
        client.load("net", servers.small_network())
    for wrong, text in (
        (path, '{"tenants": [{"name": "two"}]}'),
        (path, "{"),
        (path, ""),
        (tokens, "# none is left\n"),
        (tokens, "\ufefft-file\n"),
    ):
        right = wrong.read_text()
        with Load(server, "t-one", callers=1), reloading(server, CALLERS, "failed"):
            quota_files.replace(wrong, text)
            sighup(server)
        assert can_call(server, "t-file")
        with reloading(server, CALLERS):
            quota_files.replace(wrong, right)
            sighup(server)
    reason = "tenants[0].callers: got none, wanted one"
    servers.eventually(lambda: reason in server.log, "the log says why")
    assert servers.log_lines(server, "reload_failed")
    path.unlink()
    with reloading(server, CALLERS, "failed"):
        sighup(server)
    assert can_call(server, "t-one")
    assert can_call(server, "t-file")


def test_a_call_in_flight_lives_on_without_its_token(start_server: ServerMaker, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("t-stays\nt-goes\n")
    server = start_server(auth_token_file=tokens, max_steps=100_000_000)
    with spikeserve.Client(server.address, token="t-goes") as client:
        client.load("net", servers.small_network())
        with client.session("net", 1) as session:
            stream = client.stream("net", servers.samples(1), steps=100_000_000, report_every=1000)
            next(stream)
            with reloading(server, CALLERS):
                quota_files.replace(tokens, "t-stays\n")
                sighup(server)
            with pytest.raises(spikeserve.UnauthenticatedError):
                client.list()
            next(stream)
            assert session.advance(servers.samples(1), steps=3).steps_done == 3
            stream.close()


def served_certificate(address: str) -> str:
    host, _, port = address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=30)


def install(files: dict[str, Path], folder: Path, *names: str) -> None:
    """Copies of these files, each at once under its name."""
    for name in names:
        quota_files.replace(folder / f"{name}.pem", files[name].read_text())


@pytest.fixture
def encrypted(start_server: ServerMaker, tmp_path: Path) -> spikeserve.LocalServer:
    """A server with copies of the certificates of `old` in `used`; there are others in `new`."""
    for name in ("old", "new", "used"):
        (tmp_path / name).mkdir()
    servers.make_certificates(tmp_path / "new")
    used = tmp_path / "used"
    install(servers.make_certificates(tmp_path / "old"), used, "server", "server-key", "ca")
    return start_server(
        tls_cert=used / "server.pem", tls_key=used / "server-key.pem", http_listen="127.0.0.1:0"
    )


def named(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("*.pem")}


@pytest.mark.parametrize("way", ["SIGHUP", "change"])
def test_a_certificate_is_renewed_while_connections_live_on(
    encrypted: spikeserve.LocalServer, tmp_path: Path, way: str
) -> None:
    new = named(tmp_path / "new")
    before = served_certificate(encrypted.address)
    assert before == served_certificate(encrypted.http_address)
    with spikeserve.Client(encrypted.address, root_cert=tmp_path / "old" / "ca.pem") as client:
        client.load("net", servers.small_network())
        with client.session("net", 1) as session:
            session.advance(servers.samples(1), steps=2)
            with reloading(encrypted, "certificate"):
                install(new, tmp_path / "used", "server", "server-key")
                if way == "SIGHUP":
                    sighup(encrypted)
            # The connection that there was, with the authority that it began with.
            assert session.advance(servers.samples(1), steps=2).steps_done == 4
        assert client.simulate("net", servers.samples(1), steps=1).samples == 1
    for address in (encrypted.address, encrypted.http_address):
        assert served_certificate(address).split() == new["server"].read_text().split()
    with spikeserve.Client(encrypted.address, root_cert=new["ca"]) as client:
        assert len(client.list()) == 1
    trusted = ssl.create_default_context(cafile=str(new["ca"]))
    with urlopen(f"https://{encrypted.http_address}/v2/health/live", timeout=30, context=trusted) as answer:
        assert answer.status == 200


def test_a_certificate_without_its_key_stays_out(encrypted: spikeserve.LocalServer, tmp_path: Path) -> None:
    before = served_certificate(encrypted.address)
    with reloading(encrypted, "certificate", "failed"):
        install(named(tmp_path / "new"), tmp_path / "used", "server")
        sighup(encrypted)
    reason = "the key does not belong to the certificate of --tls-cert"
    servers.eventually(lambda: reason in encrypted.log, "the log says why")
    assert served_certificate(encrypted.address) == before == served_certificate(encrypted.http_address)
    with reloading(encrypted, "certificate"):
        install(named(tmp_path / "new"), tmp_path / "used", "server-key")  # and now it fits
    assert served_certificate(encrypted.address) != before


def test_the_authority_of_clients_is_renewed(start_server: ServerMaker, tmp_path: Path) -> None:
    for name in ("old", "new", "used"):
        (tmp_path / name).mkdir()
    old, new = (servers.make_certificates(tmp_path / name) for name in ("old", "new"))
    used = tmp_path / "used"
    install(old, used, "server", "server-key", "ca")
    server = start_server(
        tls_cert=used / "server.pem", tls_key=used / "server-key.pem", tls_client_ca=used / "ca.pem"
    )

    def connect(own: dict[str, Path]) -> spikeserve.Client:
        return spikeserve.Client(
            server.address, root_cert=old["ca"], client_cert=own["client"], client_key=own["client-key"],
            timeout=10,
        )  # fmt: skip

    with connect(old) as first:
        assert first.list() == ()
        with connect(new) as second, pytest.raises(spikeserve.UnavailableError):
            second.list()
        with reloading(server, "certificate"):
            install(new, used, "ca")
            sighup(server)
        assert first.list() == ()  # its connection lives on
        with connect(new) as second:
            assert second.list() == ()
        with connect(old) as third, pytest.raises(spikeserve.UnavailableError):
            third.list()


_AUTHORITY = """
[ca]
default_ca = it
[it]
new_certs_dir = {folder}
database = {folder}/index
serial = {folder}/serial
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def make_dated(folder: Path, begin: str, end: str) -> dict[str, Path]:
    """A certificate that is good from `begin` to `end` (YYYYMMDDHHMMSSZ), signed by its own key."""
    files = {"server": folder / "dated.pem", "server-key": folder / "dated-key.pem"}
    (folder / "ca.cnf").write_text(_AUTHORITY.format(folder=folder))
    (folder / "index").write_text("")
    (folder / "serial").write_text("01\n")
    for command in (
        ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", files["server-key"], "-subj", "/CN=dated",
         "-out", folder / "request.pem"],
        ["ca", "-batch", "-notext", "-selfsign", "-config", folder / "ca.cnf",
         "-keyfile", files["server-key"], "-in", folder / "request.pem", "-startdate", begin, "-enddate", end,
         "-out", files["server"]],
    ):  # fmt: skip
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
    return files


@pytest.mark.parametrize(
    ("begin", "end", "expiry", "warning"),
    [
        ("20200101000000Z", "20200102000000Z", 1577923200, "has expired at 2020-01-02T00:00:00Z"),
        ("20900101000000Z", "20910101000000Z", 3818448000, "is not valid before 2090-01-01T00:00:00Z"),
    ],
)
def test_dates_are_warned_of(
    start_server: ServerMaker, tmp_path: Path, begin: str, end: str, expiry: int, warning: str
) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "used").mkdir()
    dated = make_dated(tmp_path, begin, end)
    install(dated, tmp_path / "used", *dated)
    used = named(tmp_path / "used")
    server = start_server(tls_cert=used["server"], tls_key=used["server-key"])
    metric = "spikeserve_certificate_expiry_timestamp_seconds"
    servers.eventually(lambda: warning in server.log, "the start warns")
    assert servers.metrics(server)[metric] == expiry
    with reloading(server, "certificate"):
        install(servers.make_certificates(tmp_path / "good"), tmp_path / "used", "server", "server-key")
        sighup(server)
    days = (servers.metrics(server)[metric] - time.time()) / 86_400
    assert 1 < days <= 2
    with reloading(server, "certificate"):
        install(dated, tmp_path / "used", "server", "server-key")
        sighup(server)
    servers.eventually(lambda: server.log.count(warning) == 2, "the reload warns too")


def test_sighup_without_files_ends_nothing(start_server: ServerMaker) -> None:
    server = start_server()
    with spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network())
        with Load(server, ""), reloading(server, CALLERS):
            sighup(server)
        assert client.simulate("net", servers.samples(1), steps=1).samples == 1
