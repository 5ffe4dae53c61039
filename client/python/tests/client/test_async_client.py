"""The asyncio client does what the blocking one does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
import numpy as np
import pytest
from fake_server import FakeServer

import spikeserve
from spikeserve.v1 import network_pb2 as pb

SAMPLES = np.arange(20, dtype=np.float32).reshape(10, 2)
T = TypeVar("T")


def run(fake: FakeServer, body: Callable[[spikeserve.AsyncClient], Awaitable[T]], max_batch: int = 1024) -> T:
    async def main() -> T:
        async with spikeserve.AsyncClient(
            fake.address, timeout=20, token="secret", max_batch=max_batch
        ) as client:
            return await body(client)

    return asyncio.run(main())


@pytest.mark.client("Python asyncio", "load", "list", "unload", "token")
def test_load_list_get_unload(fake: FakeServer) -> None:
    network = spikeserve.Network(pb.NetworkDefinition(tensors=[pb.Tensor(id="w", data=bytes(3 << 20))]))

    async def body(client: spikeserve.AsyncClient) -> None:
        done: list[int] = []
        assert await client.load("a", network, on_progress=lambda sent, _: done.append(sent)) == 1
        assert len(done) == fake.chunks == 4
        assert [info.name for info in await client.list()] == ["a"]
        assert (await client.get("a")).inputs[0].name == "input"
        assert await client.set_alias("a", "stable") == 1
        assert await client.delete_alias("a", "stable") == 1
        assert await client.unload("a") == [1]

    run(fake, body)
    assert fake.payload == network.to_bytes()
    assert fake.metadata["authorization"] == "Bearer secret"


def test_simulate_splits_and_joins(fake: FakeServer) -> None:
    result = run(fake, lambda client: client.simulate("net", SAMPLES, steps=3), max_batch=3)
    assert [request.inputs[0].shape[0] for request in fake.requests] == [3, 3, 3, 1]
    np.testing.assert_array_equal(result.outputs[:, 1], 3 * SAMPLES.sum(axis=1))


def test_bytes_where_the_network_takes_them(fake: FakeServer) -> None:
    run(fake, lambda client: client.simulate("net", SAMPLES.astype(np.uint8)))
    assert fake.requests[0].inputs[0].data_type == pb.DATA_TYPE_UINT8


@pytest.mark.client("Python asyncio", "stream", "float32")
def test_stream_and_its_end(fake: FakeServer) -> None:
    async def body(client: spikeserve.AsyncClient) -> list[spikeserve.Progress | spikeserve.SimulationResult]:
        return [event async for event in client.stream("net", SAMPLES, steps=10, report_every=4)]

    *updates, result = run(fake, body)
    assert [update.steps_done for update in updates if isinstance(update, spikeserve.Progress)] == [4, 8]
    assert isinstance(result, spikeserve.SimulationResult)


def test_closing_a_stream_cancels_it(fake: FakeServer) -> None:
    async def body(client: spikeserve.AsyncClient) -> bool:
        events = client.stream("endless", SAMPLES, steps=10, report_every=4)
        await anext(events)
        await events.aclose()
        return await asyncio.to_thread(fake.stream_cancelled.result, 10)

    assert run(fake, body)


def test_errors(fake: FakeServer) -> None:
    fake.failures = [(grpc.StatusCode.NOT_FOUND, "no network 'net'")]
    with pytest.raises(spikeserve.NotFoundError, match="no network 'net'"):
        run(fake, lambda client: client.simulate("net", SAMPLES))
    fake.latency_s = 1.0
    with pytest.raises(TimeoutError):
        run(fake, lambda client: client.simulate("net", SAMPLES, timeout=0.05))


@pytest.mark.client("Python asyncio", "retry")
def test_unavailable_is_retried(fake: FakeServer) -> None:
    fake.failures = [(grpc.StatusCode.UNAVAILABLE, "loading")] * 2
    assert run(fake, lambda client: client.simulate("net", SAMPLES)).samples == 10
    assert fake.calls == ["GetNetwork"] * 3 + ["Simulate"]


def test_session_talks_in_turns_and_refuses_what_it_has_not(fake: FakeServer) -> None:
    async def body(client: spikeserve.AsyncClient) -> None:
        async with await client.session("net", 2, seed=4) as session:
            assert session.settings.version == 7
            first = await session.advance([[1, 2], [3, 4]], 5)
            assert first.steps_done == 5
            np.testing.assert_array_equal(first.classes, [1, 1])
            await session.reset()
            assert (await session.advance([[1, 2], [3, 4]], 2, encoding="poisson")).steps_done == 2
            await session.close()
        with pytest.raises(TypeError, match=r"session\(\) has no option 'steps': give it to advance"):
            await client.session("net", 2, steps=10)  # type: ignore[call-arg]
        fake.failures.append((grpc.StatusCode.NOT_FOUND, "no network 'net'"))
        with pytest.raises(spikeserve.NotFoundError, match="no network 'net'"):
            await client.session("net", 2)

    run(fake, body)
