"""Tenants and what each of them may have, through every surface."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import grpc
import numpy as np
import pytest
import quota_files
import servers
from conftest import ServerMaker
from reflected import Reflected

import spikeserve

ENDLESS = 100_000_000  # steps


def client(server: spikeserve.LocalServer, token: str = "") -> spikeserve.Client:
    return spikeserve.Client(server.address, token=token or None, timeout=60)


def refusal(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(spikeserve.ResourceExhaustedError) as caught:
        call(*arguments, **options)
    return caught.value.message


def in_flight(server: spikeserve.LocalServer, tenant: str) -> float:
    return servers.counter(servers.metrics(server), "spikeserve_tenant_requests_in_flight", tenant=tenant)


def run(caller: spikeserve.Client, count: int = 1, network: str = "net") -> int:
    return caller.simulate(network, servers.samples(count), steps=1).samples


@pytest.fixture
def endless(tmp_path: Path, start_server: ServerMaker) -> spikeserve.LocalServer:
    """Two tenants, of which "one" may have a single request in flight, and a network."""
    quotas = quota_files.write(
        tmp_path / "quotas.json",
        quota_files.tenant("one", "t-one", quotas={"requests": 1}),
        quota_files.tenant("two", "t-two", admin="t-admin"),
    )
    server = start_server(quota_file=quotas, max_steps=ENDLESS, http_listen="127.0.0.1:0")
    with client(server, "t-admin") as admin:
        admin.load("net", servers.small_network())
    return server


def test_requests_in_flight(endless: spikeserve.LocalServer) -> None:
    with client(endless, "t-one") as one, client(endless, "t-two") as two:
        stream = one.stream("net", servers.samples(1), steps=ENDLESS, report_every=1000)
        next(stream)
        assert in_flight(endless, "one") == 1
        message = refusal(run, one)
        assert 'tenant "one": requests: 1 are in flight, allowed 1; one of them ends in about' in message
        assert run(two) == 1
        stream.close()
        servers.eventually(lambda: in_flight(endless, "one") == 0, "the place is free")
        assert run(one) == 1
    refusals = servers.counter(
        servers.metrics(endless), "spikeserve_quota_refusals_total", tenant="one", quota="requests"
    )
    assert refusals == 1


def test_a_session_is_a_request_in_flight(endless: spikeserve.LocalServer) -> None:
    with client(endless, "t-one") as one:
        with one.session("net", 1) as session:
            session.advance(servers.samples(1), steps=5)
            assert "requests: 1 are in flight" in refusal(run, one)
        servers.eventually(lambda: in_flight(endless, "one") == 0, "the place is free")
        assert run(one) == 1


def test_the_same_over_http(endless: spikeserve.LocalServer) -> None:
    def infer(token: str) -> int:
        value = {"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [0.1, 0.2, 0.3, 0.4]}
        request = urllib.request.Request(
            f"http://{endless.http_address}/v2/models/net/infer",
            json.dumps({"inputs": [value]}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)

    with client(endless, "t-one") as one:
        stream = one.stream("net", servers.samples(1), steps=ENDLESS, report_every=1000)
        next(stream)
        with pytest.raises(HTTPError) as caught:
            infer("t-one")
        assert caught.value.code == 429
        assert "requests: 1 are in flight, allowed 1" in json.loads(caught.value.read())["error"]
        assert infer("t-two") == 200
        stream.close()
        with pytest.raises(HTTPError) as caught:
            infer("unknown")
        assert caught.value.code == 401


def test_samples_per_second(start_server: ServerMaker, tmp_path: Path) -> None:
    quotas = quota_files.write(
        tmp_path / "quotas.json",
        quota_files.tenant("slow", quotas={"samples_per_second": 2, "samples_burst": 10}),
    )
    with client(start_server(quota_file=quotas)) as caller:
        caller.load("net", servers.small_network())
        assert "the request has 11, allowed 2 a second and 10 at once; send fewer" in refusal(run, caller, 11)
        assert run(caller, 10) == 10
        message = refusal(run, caller, 10)  # five seconds later it would fit
        assert "samples_per_second: the request has 10, left are " in message
        assert "allowed 2 a second and 10 at once; it fits in " in message
        servers.eventually(lambda: _fits(caller), "a sample fits again")


def _fits(caller: spikeserve.Client) -> bool:
    try:
        return run(caller) == 1
    except spikeserve.ResourceExhaustedError:
        return False


def test_bytes_of_requests(start_server: ServerMaker, tmp_path: Path) -> None:
    quotas = quota_files.write(
        tmp_path / "quotas.json", quota_files.tenant("thin", quotas={"queued_bytes": 50_000})
    )
    with client(start_server(quota_file=quotas)) as caller:
        caller.load("net", servers.small_network(64))
        assert caller.simulate("net", servers.samples(10, 64), steps=1).samples == 10
        message = refusal(caller.simulate, "net", servers.samples(500, 64), steps=1)
        assert 'tenant "thin": queued_bytes: the request has ' in message
        assert "allowed 50000 in all; send it in smaller parts" in message


def test_networks_belong_to_who_uploaded_them(
    start_server: ServerMaker, tmp_path: Path, repository: Path
) -> None:
    path = tmp_path / "quotas.json"
    tenants = [
        quota_files.tenant("few", admin="t-few", quotas={"networks": 2}),
        quota_files.tenant("rest", admin="t-rest"),
    ]
    quota_files.write(path, *tenants)
    server = start_server(quota_file=path)
    with client(server, "t-few") as few, client(server, "t-rest") as rest:
        few.load("a", servers.small_network())
        few.load("b", servers.small_network())
        message = refusal(few.load, "c", servers.small_network())
        assert 'tenant "few": networks: 2 are loaded, allowed 2; unload one first' in message
        rest.load("c", servers.small_network())
        rest.unload("b")  # an operator may; the place is the owner's again
        few.load("d", servers.small_network())
    assert (repository / "a" / "1" / "owner").read_text() == "few"
    assert not (repository / "b").exists()
    server.stop()
    server = start_server(quota_file=path)
    assert servers.counter(servers.metrics(server), "spikeserve_tenant_networks", tenant="few") == 2
    with client(server, "t-few") as few:
        assert "networks: 2 are loaded" in refusal(few.load, "e", servers.small_network())
        few.unload("a")
        few.load("e", servers.small_network())


def test_bytes_of_networks(start_server: ServerMaker, tmp_path: Path) -> None:
    path = tmp_path / "quotas.json"
    quota_files.write(path, quota_files.tenant("few", admin="t-few", quotas={"network_bytes": 10_000}))
    with client(start_server(quota_file=path), "t-few") as few:
        few.load("a", servers.small_network())
        message = refusal(few.load, "b", servers.small_network(64))  # two matrices of 16 KB
        assert 'tenant "few": network_bytes: networks have ' in message
        assert "allowed 10000 in all" in message


def test_a_stream_of_the_open_inference_protocol(endless: spikeserve.LocalServer) -> None:
    with grpc.insecure_channel(endless.address) as channel, client(endless, "t-one") as one:
        reflected = Reflected(channel)
        request: Any = reflected.message("inference.ModelInferRequest", model_name="net")
        request.inputs.add(name="input", datatype="FP32", shape=[1, 4])
        request.raw_input_contents.append(np.zeros(4, np.float32).tobytes())
        ask: Any = channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            response_deserializer=type(reflected.message("inference.ModelStreamInferResponse")).FromString,
        )

        def answer() -> str:
            metadata = (("authorization", "Bearer t-one"),)
            answers = ask(iter([request.SerializeToString()]), metadata=metadata, timeout=60)
            return str(next(answers).error_message)

        assert answer() == ""
        stream = one.stream("net", servers.samples(1), steps=ENDLESS, report_every=1000)
        next(stream)
        assert answer().startswith('RESOURCE_EXHAUSTED: tenant "one": requests: 1 are in flight, allowed 1')
        stream.close()


def test_who_has_no_token_has_the_default(start_server: ServerMaker, tmp_path: Path) -> None:
    path = quota_files.write(
        tmp_path / "quotas.json",
        quota_files.tenant("owner", admin="t-owner"),
        quota_files.tenant("guests", quotas={"samples_per_second": 0.001, "samples_burst": 1}),
    )
    server = start_server(quota_file=path)
    with client(server, "t-owner") as owner, client(server) as guest, client(server, "other") as stranger:
        owner.load("net", servers.small_network())
        assert run(guest) == 1
        assert 'tenant "guests": samples_per_second' in refusal(run, guest)
        assert run(owner, 100) == 100
        with pytest.raises(spikeserve.UnauthenticatedError, match="does not know the token"):
            stranger.list()
        with pytest.raises(spikeserve.UnauthenticatedError, match="wants a token"):
            guest.unload("net")


def test_a_file_that_is_wrong_is_refused_as_a_whole(start_server: ServerMaker, tmp_path: Path) -> None:
    path = tmp_path / "quotas.json"
    path.write_text('{"tenants": [\n {"name": "a b", "callers": []},\n {"name": "c", "callers": "default",\n'
                    '  "weight": 0}]}')  # fmt: skip
    with pytest.raises(spikeserve.ServerStartError) as caught:
        start_server(quota_file=path)
    message = str(caught.value)
    assert f"--quota-file: {path}: 3 problems:" in message
    assert 'line 2: tenants[0].name: got "a b"' in message
    assert "line 2: tenants[0].callers: got an empty list" in message
    assert "line 4: tenants[1].weight: got 0, allowed 0.001 to 1000" in message


@pytest.mark.parametrize("flag", ["auth_token_file", "admin_token_file", "quota_file"])
def test_a_pipe_is_refused_and_not_waited_for(start_server: ServerMaker, tmp_path: Path, flag: str) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(spikeserve.ServerStartError, match=rf"--{flag.replace('_', '-')}: .*pipe is a pipe"):
        start_server(**{flag: path})


@pytest.mark.parametrize("flag", ["auth_token_file", "admin_token_file", "quota_file"])
def test_a_byte_order_mark_is_refused_by_name(start_server: ServerMaker, tmp_path: Path, flag: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbf" + (b'{"tenants": []}' if flag == "quota_file" else b"token\n"))
    with pytest.raises(spikeserve.ServerStartError, match=r"a byte-order mark \(EF BB BF, UTF-8\)"):
        start_server(**{flag: path})
