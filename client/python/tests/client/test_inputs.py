"""Inputs as people have them: without an axis of size 1, flat, and as a list for several inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from fake_server import FakeServer

import spikeserve


@pytest.fixture
def client(fake: FakeServer) -> Iterator[spikeserve.Client]:
    with spikeserve.Client(fake.address, timeout=20) as client:
        yield client


def ones(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("taken", "given", "sent"),
    [
        ((28, 28, 1), (3, 28, 28), (3, 28, 28, 1)),
        ((28, 28, 1), (3, 28, 28, 1), (3, 28, 28, 1)),
        ((28, 28, 1), (3, 784), (3, 28, 28, 1)),
        ((784,), (3, 28, 28), (3, 784)),
        ((28, 28, 1), (3, 5, 28, 28), (3, 5, 28, 28, 1)),  # per step
        ((1, 16, 1), (3, 16), (3, 1, 16, 1)),
        ((1,), (3,), (3, 1)),
        ((1,), (3, 7), (3, 7, 1)),  # one value per step
        ((1, 1), (3, 1, 1), (3, 1, 1)),
        ((32, 32, 3), (3, 3, 32, 32), (3, 3, 32, 32)),  # another order of axes is not guessed
        ((2,), (3, 5), (3, 5)),
    ],
)  # fmt: skip
def test_what_an_array_stands_for(
    fake: FakeServer, client: spikeserve.Client, taken: tuple[int, ...], given: Any, sent: Any
) -> None:
    fake.inputs = {"input": taken}
    for inputs in (ones(*given), {"input": ones(*given)}, [ones(*given)]):
        client.simulate("net", inputs)
        assert tuple(fake.requests[-1].inputs[0].shape) == sent


def test_a_stream_and_a_session_take_them_too(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.inputs = {"input": (2, 1)}
    assert len([*client.stream("net", ones(3, 2), report_every=4)]) == 3
    with client.session("net", 3) as session:
        np.testing.assert_array_equal(session.advance(ones(3, 2), 2).outputs[:, 0], [2, 2, 2])

    async def body() -> None:
        async with spikeserve.AsyncClient(fake.address) as client:
            await client.simulate("net", ones(3, 2))

    asyncio.run(body())
    assert tuple(fake.requests[-1].inputs[0].shape) == (3, 2, 1)


def test_a_list_gives_several_inputs_in_the_order_of_the_network(
    fake: FakeServer, client: spikeserve.Client
) -> None:
    fake.inputs = {"imu": (2,), "audio": (4, 1)}
    client.simulate("net", [ones(3, 2), 2 * ones(3, 4)])
    sent = {item.name: tuple(item.shape) for item in fake.requests[0].inputs}
    assert sent == {"imu": (3, 2), "audio": (3, 4, 1)}
    assert [item.name for item in fake.requests[0].inputs] == ["imu", "audio"]
    with client.session("net", 3) as session:
        session.advance([ones(3, 2), ones(3, 4)], 2)
    with pytest.raises(ValueError, match=r"a list of 3, the network 'net' has 2 inputs, .* imu, audio"):
        client.simulate("net", [ones(3, 2)] * 3)


def test_plain_lists_of_numbers_are_one_input(fake: FakeServer, client: spikeserve.Client) -> None:
    client.simulate("net", [[1, 2], [3, 4], [5, 6]])
    assert tuple(fake.requests[0].inputs[0].shape) == (3, 2)
    with pytest.raises(ValueError, match="the input is no array"):
        client.simulate("net", [[1, 2], [3]])


def test_the_network_is_asked_for_once_where_arrays_fit(fake: FakeServer, client: spikeserve.Client) -> None:
    for _ in range(3):
        client.simulate("net", ones(3, 2))
    assert fake.calls == ["GetNetwork", "Simulate", "Simulate", "Simulate"]
    fake.inputs = {"input": (2, 2, 2, 1)}  # another network under the name
    client.simulate("net", ones(3, 2, 2, 2))
    assert tuple(fake.requests[-1].inputs[0].shape) == (3, 2, 2, 2, 1)
    assert fake.calls[4:] == ["GetNetwork", "Simulate"]


def test_a_refusal_makes_a_client_ask_again(fake: FakeServer, client: spikeserve.Client) -> None:
    client.simulate("net", ones(3, 2))
    fake.inputs = {"input": (2, 2, 1)}
    fake.failures = [(grpc.StatusCode.INVALID_ARGUMENT, "shape: got [3, 2, 2]")]
    with pytest.raises(spikeserve.InvalidArgumentError):
        client.simulate("net", ones(3, 2, 2))  # as it fits what was told of the network: two steps of 2
    client.simulate("net", ones(3, 2, 2))
    assert tuple(fake.requests[-1].inputs[0].shape) == (3, 2, 2, 1)


def test_an_early_exit_of_one_output_is_refused(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.outputs = (1,)
    with pytest.raises(ValueError, match=r"early_exit: its margin is that between two outputs, .* has one"):
        client.simulate("net", ones(3, 2), early_exit=2.0)
    assert client.simulate("net", ones(3, 2)).samples == 3
