"""The response cache of a real server: what is run, what is answered, and when it begins anew."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
import rest
import servers

import spikeserve
from spikeserve import encodings
from spikeserve.v1 import network_pb2
from spikeserve.v1 import simulation_pb2 as pb
from spikeserve.v1 import simulation_pb2_grpc as pb_grpc

ServerMaker = Callable[..., spikeserve.LocalServer]
INFER = "/v2/models/net/infer"
BATCH = servers.samples(8)
CALLERS = 64


def ran(server: spikeserve.LocalServer) -> tuple[float, float]:
    """Samples that were simulated, and their spikes."""
    values = servers.metrics(server)
    return values["spikeserve_samples_total"], values["spikeserve_spikes_total"]


def found(server: spikeserve.LocalServer, result: str) -> float:
    return servers.counter(
        servers.metrics(server), "spikeserve_response_cache_requests_total", result=result
    )


def told(response: pb.SimulateResponse) -> bytes:
    """An answer but for what tells of its own call."""
    response.ClearField("timing")
    return bytes(response.SerializeToString(deterministic=True))


def request(**settings: Any) -> pb.SimulateRequest:
    message = pb.SimulateRequest(network="net", steps=2000, statistics=True, **settings)
    message.inputs.add(data_type=network_pb2.DATA_TYPE_FLOAT32, shape=BATCH.shape, data=BATCH.tobytes())
    return message


@pytest.fixture
def server(start_server: ServerMaker) -> spikeserve.LocalServer:
    server = start_server(response_cache_mb=16, http_listen="127.0.0.1:0")
    with spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network())
    return server


def test_many_equal_requests_at_the_same_time_run_once(
    server: spikeserve.LocalServer, start_server: ServerMaker
) -> None:
    samples, spikes = ran(server)
    with ThreadPoolExecutor(CALLERS) as pool, grpc.insecure_channel(server.address) as channel:
        simulate = pb_grpc.SimulationServiceStub(channel).Simulate
        responses = list(pool.map(lambda _: simulate(request(), timeout=120), range(CALLERS)))
    reused = sum(response.timing.cached or response.timing.coalesced for response in responses)
    one_run = sum(layer.spikes for layer in responses[0].statistics)
    assert one_run > 0
    assert ran(server) == (samples + len(BATCH), spikes + one_run)
    assert reused == CALLERS - 1
    assert found(server, "miss") == 1
    assert found(server, "hit") + found(server, "coalesced") == CALLERS - 1
    assert len({told(response) for response in responses}) == 1
    server.stop()  # one without a cache, on the same repository
    with grpc.insecure_channel(start_server().address) as channel:
        plain = pb_grpc.SimulationServiceStub(channel).Simulate(request(), timeout=120)
    assert not plain.timing.cached
    assert told(plain) == told(responses[0])


def test_seeds_do_not_mix(server: spikeserve.LocalServer) -> None:
    with spikeserve.Client(server.address) as client:
        first = {seed: simulate(client, seed) for seed in range(5)}
        second = {seed: simulate(client, seed) for seed in reversed(range(5))}
    answers = [first[seed].outputs.tobytes() for seed in range(5)]
    assert len(set(answers)) == 5
    for seed in range(5):
        assert not first[seed].timing.cached
        assert second[seed].timing.cached
        assert second[seed].outputs.tobytes() == answers[seed]
        assert second[seed].settings == replace(first[seed].settings, seed=seed)


def simulate(client: spikeserve.Client, seed: int) -> spikeserve.SimulationResult:
    return client.simulate("net", BATCH, steps=5000, seed=seed, encoding=encodings.Poisson(max_rate_hz=400))


def test_a_network_under_the_same_version_begins_anew(server: spikeserve.LocalServer) -> None:
    with spikeserve.Client(server.address) as client:
        before = client.simulate("net", BATCH, steps=5000)
        assert client.simulate("net", BATCH, steps=5000).timing.cached
        client.unload("net")
        assert servers.metrics(server)["spikeserve_response_cache_answers"] == 0
        network = servers.small_network()
        weights = np.eye(4, dtype="<f4") * 3
        network.definition.tensors[1].data = weights.tobytes()
        assert client.load("net", network, version=before.settings.version) == before.settings.version
        after = client.simulate("net", BATCH, steps=5000)
        assert not after.timing.cached
        np.testing.assert_allclose(after.outputs, 3 * before.outputs, rtol=1e-5)
        assert client.simulate("net", BATCH, steps=5000).timing.cached


def test_http_has_it_too(server: spikeserve.LocalServer) -> None:
    body = {"id": "a", "inputs": [rest.tensor(BATCH)]}
    first = rest.ask(server, "POST", INFER, body)
    again = rest.ask(server, "POST", INFER, {**body, "id": "b"})
    assert (first.status, again.status) == (200, 200)
    assert "cached" not in first.json["parameters"]
    assert again.json["parameters"]["cached"] is True
    assert again.json["parameters"]["batch_size"] == 0
    assert again.json["id"] == "b"
    assert again.json["outputs"] == first.json["outputs"]
    statistics = rest.ask(server, "GET", "/v2/models/net/stats").json["model_stats"][0]["inference_stats"]
    assert int(statistics["cache_hit"]["count"]) == 1
    assert int(statistics["cache_miss"]["count"]) == 1


def test_off_unless_it_is_set(start_server: ServerMaker) -> None:
    server = start_server()
    with spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network())
        samples, _ = ran(server)
        for _ in range(2):
            timing = client.simulate("net", BATCH, steps=10).timing
            assert (timing.cached, timing.coalesced, timing.batch_size) == (False, False, len(BATCH))
    assert ran(server)[0] == samples + 2 * len(BATCH)
    assert "response_cache" not in "".join(servers.metrics(server))
