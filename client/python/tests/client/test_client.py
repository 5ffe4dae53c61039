"""The blocking client against a server in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from fake_server import FakeServer

import spikeserve
from spikeserve import errors
from spikeserve.v1 import network_pb2 as pb

SAMPLES = np.arange(20, dtype=np.float32).reshape(10, 2)


@pytest.fixture
def client(fake: FakeServer) -> Iterator[spikeserve.Client]:
    with spikeserve.Client(fake.address, timeout=20) as client:
        yield client


def big_network(size: int) -> spikeserve.Network:
    data = np.arange(size, dtype=np.uint8).tobytes()
    return spikeserve.Network(pb.NetworkDefinition(tensors=[pb.Tensor(id="w", data=data)]))


def test_load_sends_the_whole_definition_in_chunks(fake: FakeServer, client: spikeserve.Client) -> None:
    network = big_network(5 << 19)
    progress: list[tuple[int, int]] = []
    assert client.load("big", network, on_progress=lambda *counts: progress.append(counts)) == 1
    assert client.load("big", network) == 2
    assert fake.payload == network.to_bytes()
    assert fake.chunks == 3
    total = len(network.to_bytes())
    assert progress == [(1 << 20, total), (2 << 20, total), (total, total)]


def test_load_passes_version_and_mode(fake: FakeServer, client: spikeserve.Client) -> None:
    assert client.load("n", big_network(1), version=5, mode="reference") == 5
    assert fake.networks["n", 5].mode == pb.MODE_REFERENCE
    client.load("n", big_network(1), version=6, mode="fast")
    assert fake.networks["n", 6].mode == pb.MODE_FAST
    assert [info.mode for info in client.list()] == ["reference", "fast"]
    with pytest.raises(ValueError, match="mode is 'quick', choose one of exact, fast, int8, reference"):
        client.load("n", big_network(1), mode="quick")


@pytest.mark.client("Python", "list", "unload")
def test_list_get_and_unload(client: spikeserve.Client) -> None:
    client.load("a", big_network(1))
    client.load("a", big_network(1))
    assert [(info.name, info.version, info.state) for info in client.list()] == [
        ("a", 1, "ready"),
        ("a", 2, "ready"),
    ]
    info = client.get("a", 2)
    assert info.inputs[0].shape == (2,)
    assert info.inputs[0].data_types == {"float32", "float64", "uint8"}
    assert info.probes[0].quantity == "output"
    assert client.unload("a", 1) == [1]
    assert client.unload("a") == [2]
    assert client.list() == ()


def test_aliases(client: spikeserve.Client) -> None:
    client.load("a", big_network(1))
    client.load("a", big_network(1))
    assert client.set_alias("a", "stable", 1) == 1
    assert client.set_alias("a", "stable") == 2
    assert [info.aliases for info in client.list()] == [(), ("stable",)]
    assert client.delete_alias("a", "stable") == 2


def test_simulate_returns_everything(fake: FakeServer, client: spikeserve.Client) -> None:
    result = client.simulate("net", SAMPLES, steps=3, trajectories=True, softmax=True, top_k=2)
    total = SAMPLES.sum(axis=1)
    np.testing.assert_array_equal(result.outputs, np.stack([total, 3 * total], axis=1))
    np.testing.assert_array_equal(result.classes, np.ones(10))
    np.testing.assert_array_equal(result.margins, 2 * total)
    assert result.top_k is not None
    np.testing.assert_array_equal(result.top_k.classes[4], [1, 0])
    np.testing.assert_array_equal(result.top_k.values[:, 0], 3 * total)
    assert result.scores is not None
    assert result.scores.shape == (10, 2)
    assert result.trajectories["output"].shape == (10, 3, 2)
    assert result.stats[0].layer == "hidden"
    assert result.stats[0].spikes == 100
    assert result.timing == spikeserve.Timing(0.1, 0.2, 0.4, 10)
    assert result.settings.version == 7
    assert result.settings.mode == "exact"
    assert fake.requests[0].inputs[0].shape == [10, 2]


def test_options_reach_the_server(fake: FakeServer, client: spikeserve.Client) -> None:
    client.simulate(
        "net", {"input": SAMPLES}, version=2, steps=5, dt=0.002, seed=9, readout=("mean", 1),
        initial_voltage=("uniform", 4), probes=["p", "q"], statistics=False,
    )  # fmt: skip
    request = fake.requests[0]
    assert (request.network, request.version, request.steps, request.dt, request.seed) == (
        "net",
        2,
        5,
        0.002,
        9,
    )
    assert request.readout == pb.Readout(kind=pb.READOUT_KIND_MEAN, skip_steps=1)
    assert request.initial_voltage.uniform.seed == 4
    assert list(request.probes) == ["p", "q"]
    assert not request.statistics
    assert request.inputs[0].name == "input"


def test_options_left_out_stay_unset(fake: FakeServer, client: spikeserve.Client) -> None:
    client.simulate("net", SAMPLES)
    request = fake.requests[0]
    for field in ("steps", "dt", "seed", "readout", "initial_voltage"):
        assert not request.HasField(field), field


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"readout": "median"}, "readout is 'median'"),
        ({"initial_voltage": "random"}, "initial_voltage is 'random'"),
        ({"inputs": np.zeros(3)}, r"the input has shape \[3\], wanted \[batch, shape...\]"),
        ({"inputs": np.zeros((0, 2))}, "the batch is empty"),
        ({"inputs": np.array([["a"]])}, "wanted numbers"),
        ({"inputs": {}}, "inputs is empty"),
        ({"inputs": {"a": np.zeros((2, 2)), "b": np.zeros((3, 2))}}, "different batch sizes"),
    ],
)
def test_arguments_that_cannot_be_sent(client: spikeserve.Client, options: Any, message: str) -> None:
    inputs = options.pop("inputs", SAMPLES)
    with pytest.raises(ValueError, match=message):
        client.simulate("net", inputs, **options)


def test_bytes_go_out_as_bytes_where_the_network_takes_them(
    fake: FakeServer, client: spikeserve.Client
) -> None:
    client.simulate("net", SAMPLES.astype(np.uint8))
    assert fake.requests[0].inputs[0].data_type == pb.DATA_TYPE_UINT8
    assert len(fake.requests[0].inputs[0].data) == 20


def test_bytes_become_the_same_floats_elsewhere(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.accept_bytes = False
    result = client.simulate("net", np.full((1, 2), 255, np.uint8))
    assert fake.requests[0].inputs[0].data_type == pb.DATA_TYPE_FLOAT32
    assert result.outputs[0, 0] == 510


@pytest.mark.client("Python", "float64")
@pytest.mark.parametrize(
    ("mode", "sent"),
    [
        (pb.MODE_EXACT, pb.DATA_TYPE_FLOAT32),
        (pb.MODE_FAST, pb.DATA_TYPE_FLOAT32),
        (pb.MODE_REFERENCE, pb.DATA_TYPE_FLOAT64),
    ],
)
def test_float64_only_for_the_reference_mode(
    fake: FakeServer, client: spikeserve.Client, mode: pb.Mode, sent: pb.DataType
) -> None:
    fake.mode = mode
    client.simulate("net", SAMPLES.astype(">f8"))
    assert fake.requests[0].inputs[0].data_type == sent


def test_a_large_batch_goes_out_in_parts_of_one_version(fake: FakeServer) -> None:
    with spikeserve.Client(fake.address, max_batch=4) as small, spikeserve.Client(fake.address) as whole:
        progress: list[tuple[int, int]] = []
        options: Any = {"trajectories": True, "softmax": True, "top_k": 1, "steps": 2}
        joined = small.simulate("net", SAMPLES, on_progress=lambda *c: progress.append(c), **options)
        expected = whole.simulate("net", SAMPLES, **options)
    assert [request.version for request in fake.requests] == [0, 7, 7, 0]
    assert progress == [(4, 10), (8, 10), (10, 10)]
    np.testing.assert_array_equal(joined.outputs, expected.outputs)
    np.testing.assert_array_equal(joined.classes, expected.classes)
    np.testing.assert_array_equal(joined.margins, expected.margins)
    np.testing.assert_array_equal(joined.trajectories["output"], expected.trajectories["output"])
    assert joined.top_k is not None
    assert expected.top_k is not None
    np.testing.assert_array_equal(joined.top_k.values, expected.top_k.values)
    assert joined.scores is not None
    np.testing.assert_array_equal(joined.scores, expected.scores)
    assert joined.stats[0].spikes == expected.stats[0].spikes == 100
    assert joined.stats[0].mean_rate_hz == pytest.approx(expected.stats[0].mean_rate_hz)
    assert joined.stats[0].max_rate_hz == expected.stats[0].max_rate_hz
    assert joined.timing.compute_s == pytest.approx(0.6)
    assert joined.timing.batch_size == 4


def test_the_message_limit_splits_too(fake: FakeServer) -> None:
    batch = np.ones((100, 1000), np.float32)
    with spikeserve.Client(fake.address, max_message_bytes=100_000) as client:
        assert client.simulate("net", batch).samples == 100
        assert len(fake.requests) == 5
        assert all(request.ByteSize() <= 100_000 for request in fake.requests)
        with pytest.raises(ValueError, match="one sample has 400,000 bytes, a message takes 83,616"):
            client.simulate("net", np.ones((1, 100_000), np.float32))


def test_large_answers_split_too(fake: FakeServer) -> None:
    with spikeserve.Client(fake.address, max_message_bytes=100_000) as client:
        # The fake's probe has 2 outputs: 5000 steps of them are 40,000 bytes, two samples fit.
        result = client.simulate("net", SAMPLES[:5], steps=5000, trajectories=True)
        assert result.trajectories["output"].shape == (5, 5000, 2)
        assert [request.inputs[0].shape[0] for request in fake.requests] == [2, 2, 1]
        with pytest.raises(ValueError, match="the answer for one sample has 800,000 bytes"):
            client.simulate("net", SAMPLES, steps=100_000, trajectories=True)


def test_stream_yields_updates_then_the_result(client: spikeserve.Client) -> None:
    *updates, result = client.stream("net", SAMPLES, steps=10, report_every=4)
    assert [update.steps_done for update in updates if isinstance(update, spikeserve.Progress)] == [4, 8]
    assert isinstance(updates[0], spikeserve.Progress)
    np.testing.assert_array_equal(updates[0].outputs[:, 1], 4 * SAMPLES.sum(axis=1))
    assert isinstance(result, spikeserve.SimulationResult)
    np.testing.assert_array_equal(result.classes, np.ones(10))


def test_closing_a_stream_cancels_it(fake: FakeServer, client: spikeserve.Client) -> None:
    events = client.stream("endless", SAMPLES, steps=10, report_every=4)
    next(events)
    events.close()
    assert fake.stream_cancelled.result(timeout=10)


def test_a_stream_takes_one_request(fake: FakeServer) -> None:
    with (
        spikeserve.Client(fake.address, max_batch=4) as client,
        pytest.raises(ValueError, match="the batch has 10 samples, at most 4 fit"),
    ):
        client.stream("net", SAMPLES, report_every=1)


CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_every_code_has_its_exception(
    fake: FakeServer, client: spikeserve.Client, code: grpc.StatusCode
) -> None:
    fake.failures = [(code, "steps: got -1, allowed 1..100000")]
    with pytest.raises(errors.SpikeserveError, match=r"steps: got -1, allowed 1\.\.100000") as caught:
        client.unload("net")
    assert caught.value.code is code
    assert (type(caught.value) is errors.SpikeserveError) == (code is grpc.StatusCode.UNKNOWN)


def test_standard_exceptions_work_too(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.failures = [(grpc.StatusCode.NOT_FOUND, "no network 'x'")]
    with pytest.raises(LookupError):
        client.get("x")
    fake.failures = [(grpc.StatusCode.INVALID_ARGUMENT, "steps")]
    with pytest.raises(ValueError, match="steps"):
        client.simulate("x", SAMPLES)


@pytest.mark.client("Python", "retry")
def test_unavailable_is_retried_where_nothing_changes(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.failures = [(grpc.StatusCode.UNAVAILABLE, "loading")] * 2
    assert client.simulate("net", SAMPLES).samples == 10
    assert fake.calls == ["GetNetwork"] * 3 + ["Simulate"]
    fake.failures = [(grpc.StatusCode.UNAVAILABLE, "loading")] * 2
    assert len([*client.stream("net", SAMPLES, report_every=1)]) == 10
    assert fake.calls[4:] == ["SimulateStream"] * 3


CHANGES: dict[str, Callable[[spikeserve.Client], object]] = {
    "load": lambda client: client.load("net", big_network(1)),
    "unload": lambda client: client.unload("net"),
    "set_alias": lambda client: client.set_alias("net", "stable"),
    "delete_alias": lambda client: client.delete_alias("net", "stable"),
}


@pytest.mark.parametrize("call", CHANGES)
def test_changes_are_not_retried(fake: FakeServer, client: spikeserve.Client, call: str) -> None:
    fake.failures = [(grpc.StatusCode.UNAVAILABLE, "loading")] * 9
    with pytest.raises(errors.UnavailableError, match="loading"):
        CHANGES[call](client)
    assert len(fake.calls) == 1


def test_overload_is_not_retried(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.failures = [(grpc.StatusCode.RESOURCE_EXHAUSTED, "queue full")] * 2
    with pytest.raises(errors.ResourceExhaustedError, match="queue full"):
        client.simulate("net", SAMPLES)
    assert fake.calls == ["GetNetwork"]


def test_deadline(fake: FakeServer, client: spikeserve.Client) -> None:
    fake.latency_s = 1.0
    with pytest.raises(TimeoutError):
        client.simulate("net", SAMPLES, timeout=0.05)


def test_nobody_there_names_the_address() -> None:
    with (
        spikeserve.Client("127.0.0.1:1", timeout=5) as client,
        pytest.raises(errors.UnavailableError, match=r"server 127\.0\.0\.1:1 cannot be reached"),
    ):
        client.list()


def test_the_token_travels_with_every_call(fake: FakeServer) -> None:
    with spikeserve.Client(fake.address, token="secret") as client:
        client.list()
    assert fake.metadata["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": "a\nb"}, "token: it has characters"),
        ({"client_cert": b"x"}, "client_key: missing beside"),
        ({"max_batch": 0}, "max_batch is 0"),
        ({"max_message_bytes": 10}, "max_message_bytes is 10"),
        ({"address": ""}, "address: got ''"),
    ],
)
def test_bad_connections_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spikeserve.Client(options.pop("address", "127.0.0.1:1"), **options)


def test_session_talks_in_turns_and_refuses_what_it_has_not(fake: FakeServer) -> None:
    with spikeserve.Client(fake.address) as client:
        with client.session("net", 2, seed=4) as session:
            assert session.settings.version == 7
            first = session.advance([[1, 2], [3, 4]], 5)
            assert first.steps_done == 5
            np.testing.assert_array_equal(first.outputs, [[3, 15], [7, 35]])
            session.reset()
            assert session.advance([[1, 2], [3, 4]], 2, encoding="poisson").steps_done == 2
        with pytest.raises(TypeError, match=r"session\(\) has no option 'steps': give it to advance"):
            client.session("net", 2, steps=10)  # type: ignore[call-arg]
        fake.failures.append((grpc.StatusCode.RESOURCE_EXHAUSTED, "sessions: 16 are under way"))
        fake.accept_bytes = True
        with pytest.raises(spikeserve.SpikeserveError):
            client.session("net", 2)
