"""Sessions whose server goes away, with real servers: told, moved with the same bytes, or refused clearly."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
import servers

import spikeserve
from spikeserve import _replay, encodings
from spikeserve.v1 import simulation_pb2 as pb
from spikeserve.v1 import simulation_pb2_grpc as rpc

WIDTH = 16
INPUTS = servers.samples(3, WIDTH)
Restart = Callable[[], None]


class Pair:
    """Two servers with the same network; a session is on either of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.servers = [self._start(index, "127.0.0.1:0") for index in range(2)]
        for server in self.servers:
            with spikeserve.Client(server.address) as client:
                client.load("net", servers.small_network(WIDTH, scale=100.0))

    @property
    def address(self) -> str:
        return "ipv4:" + ",".join(server.address for server in self.servers)

    def restart(self, index: int) -> None:
        address = self.servers[index].address
        assert self.servers[index].stop() == 0
        self.servers[index] = self._start(index, address)

    def restart_both(self) -> None:
        """Wherever a session was, it is not there any more."""
        for index in range(2):
            self.restart(index)

    def replace(self, network: spikeserve.Network) -> None:
        """Other servers at the same addresses, with another network under the same name and version."""
        for index, server in enumerate(self.servers):
            server.process.kill()
            server.stop()
            self.servers[index] = spikeserve.serve(backend="cpu", listen=server.address)
            with spikeserve.Client(server.address) as client:
                client.load("net", network)

    def _start(self, index: int, listen: str) -> spikeserve.LocalServer:
        return spikeserve.serve(backend="cpu", listen=listen, network_repository=self._folder / str(index))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    found = Pair(tmp_path)
    yield found
    for server in found.servers:
        server.stop()


def talk(session: spikeserve.Session, restart: Restart) -> list[bytes]:
    """A session of all kinds of messages, with restarts in between; what it answers."""
    poisson = encodings.Poisson(200)
    answers = [session.advance(INPUTS, 5)]
    restart()
    answers.append(session.advance(INPUTS / 2, 7, encoding=poisson))
    session.reset([1])
    restart()
    answers.append(session.advance(INPUTS, 3))
    session.reset()
    answers.append(session.advance(INPUTS, 4, encoding=poisson))
    restart()
    answers.append(session.advance(INPUTS, 6))
    assert [answer.steps_done for answer in answers] == [5, 12, 15, 19, 25]
    assert answers[2].sample_steps.tolist() == [15, 3, 15]
    assert answers[4].sample_steps.tolist() == [10, 10, 10]
    return [answer.outputs.tobytes() for answer in answers]


@pytest.mark.client("Python", "session")
def test_a_session_goes_on_at_another_server_with_the_same_bytes(pair: Pair) -> None:
    with spikeserve.Client(pair.address) as client:
        with client.session("net", 3, seed=5) as session:
            expected = talk(session, lambda: None)
        with client.session("net", 3, seed=5, replay=True) as session:
            assert talk(session, pair.restart_both) == expected


@pytest.mark.client("Python asyncio", "session")
def test_the_same_for_asyncio(pair: Pair) -> None:
    async def main() -> list[bytes]:
        async with spikeserve.AsyncClient(pair.address) as client:
            async with await client.session("net", 3, replay=True) as session:
                first = await session.advance(INPUTS, 5)
                await asyncio.to_thread(pair.restart_both)
                last = await session.advance(INPUTS, 6)
                assert last.steps_done == 11
            async with await client.session("net", 3, replay=True) as session:
                assert (await session.advance(INPUTS, 5)).outputs.tobytes() == first.outputs.tobytes()
                return [last.outputs.tobytes(), (await session.advance(INPUTS, 6)).outputs.tobytes()]

    moved, whole = asyncio.run(main())
    assert moved == whole


def test_without_replay_it_ends_and_says_what_to_do(pair: Pair) -> None:
    with spikeserve.Client(pair.address) as client, client.session("net", 3) as session:
        session.advance(INPUTS, 5)
        pair.restart_both()
        with pytest.raises(spikeserve.UnavailableError, match=r"ended after 5 steps: open .* replay=True"):
            session.advance(INPUTS, 5)


def test_what_is_more_than_it_keeps_is_refused_clearly(pair: Pair) -> None:
    with spikeserve.Client(pair.address) as client, client.session("net", 3, replay=300) as session:
        session.advance(INPUTS, 5)
        session.advance(INPUTS, 5)
        session.reset()  # from here on it is little again
        session.advance(INPUTS, 5)
        pair.restart_both()
        session.advance(INPUTS, 5)
        session.advance(INPUTS, 5)
        pair.restart_both()
        with pytest.raises(spikeserve.UnavailableError, match=r"cannot move: .* at most 300 \(replay=300\)"):
            session.advance(INPUTS, 5)
        with pytest.raises(spikeserve.InvalidArgumentError, match="replay: got -1"):
            client.session("net", 1, replay=-1)


def test_another_network_under_the_same_name_is_noticed(pair: Pair) -> None:
    with spikeserve.Client(pair.address) as client, client.session("net", 3, replay=True) as session:
        session.advance(INPUTS, 50)
        pair.restart_both()
        session.advance(INPUTS, 50)
        for server in pair.servers:
            with spikeserve.Client(server.address) as other:
                other.load("net", servers.small_network(WIDTH, scale=3.0), version=2)
        pair.restart_both()
        assert session.advance(INPUTS, 5).steps_done == 105  # the version that it began with
        pair.replace(servers.small_network(WIDTH, scale=3.0))
        with pytest.raises(spikeserve.InternalError, match="is the same network loaded there"):
            session.advance(INPUTS, 5)


class Interrupted:
    """A call whose reader presses Ctrl-C."""

    def __init__(self, call: grpc.Call) -> None:
        self.cancel = call.cancel

    def __next__(self) -> pb.SessionResponse:
        raise KeyboardInterrupt


def test_an_interrupted_wait_does_not_leave_its_answer_to_the_next(pair: Pair) -> None:
    with spikeserve.Client(pair.address) as client, client.session("net", batch=3, replay=True) as session:
        session.advance(INPUTS, steps=5)
        call = session._call
        session._call = Interrupted(call)
        with pytest.raises(KeyboardInterrupt):
            session.advance(INPUTS, steps=5)
        session._call = call
        with pytest.raises(spikeserve.SpikeserveError):
            session.advance(INPUTS, steps=5)


def test_a_message_does_not_go_from_server_to_server_without_end() -> None:
    history = _replay.History(1 << 20)
    history.require_move(spikeserve.UnavailableError("gone"), 2)
    with pytest.raises(spikeserve.UnavailableError, match="4 servers in a row went away with this message"):
        history.require_move(spikeserve.UnavailableError("gone"), 3)


def test_goaway_comes_with_the_next_answer(tmp_path: Path) -> None:
    server = spikeserve.serve(backend="cpu", lame_duck_seconds=600)
    with server, spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network(WIDTH))
        with client.session("net", 3) as session:
            session.advance(INPUTS, 5)
            assert session.goaway is None
            server.process.terminate()
            servers.eventually(lambda: "lame_duck" in server.log, "it is lame")
            assert session.advance(INPUTS, 6).steps_done == 11  # served on
            assert session.goaway is not None
            assert session.goaway.steps_done == 5
            assert 500 < session.goaway.seconds_left <= 600
        server.process.kill()
        server.process.wait()


def test_a_client_that_does_not_know_goaway_gets_none(tmp_path: Path) -> None:
    server = spikeserve.serve(backend="cpu", lame_duck_seconds=4)
    with server, spikeserve.Client(server.address) as client:
        client.load("net", servers.small_network(WIDTH))
        opening = pb.SessionOpen(settings=pb.SimulateRequest(network="net"), batch=1)
        requests: queue.SimpleQueue[pb.SessionRequest | None] = queue.SimpleQueue()
        requests.put(pb.SessionRequest(open=opening))
        with grpc.insecure_channel(server.address) as channel:
            call = rpc.SimulationServiceStub(channel).Session(iter(requests.get, None))
            assert next(call).HasField("opened")
            server.process.terminate()
            with pytest.raises(grpc.RpcError) as ended:
                next(call)
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
            requests.put(None)


def test_sessions_leave_nothing_behind(pair: Pair) -> None:
    before = [servers.memory_used(server) for server in pair.servers]
    with spikeserve.Client(pair.address) as client:
        for _ in range(3):
            with client.session("net", 3, replay=True) as session:
                session.advance(INPUTS, 5)
                pair.restart(0)
                session.advance(INPUTS, 5)
    servers.eventually(
        lambda: [servers.memory_used(server) for server in pair.servers] == before, "their memory is free"
    )
