"""Sessions: runs whose state lives on between messages."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio
import numpy as np
import numpy.typing as npt

from spikeserve import _arrays, _messages, _replay, _requests, _show
from spikeserve.encodings import Encodings
from spikeserve.errors import (
    InternalError,
    SpikeserveError,
    UnavailableError,
    from_cut,
    from_rpc,
    from_status,
)
from spikeserve.recording import records
from spikeserve.results import Answer, LayerStatistics, NetworkInfo, ProbeValues, Settings, Values
from spikeserve.v1 import simulation_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable

# Options of other runs that a session has in its messages, or not at all.
OF_ADVANCE = {
    "steps": "give it to advance",
    "encoding": "give it to advance",
    "early_exit": "a session runs as long as it is told to",
}
# The answer to each message.
_ANSWERS = {"open": "opened", "advance": "progress", "reset": "reset"}
# What grpc.aio says of a message that could not be sent because the call was over, whatever its status was.
_CUT_OFF = "Internal error from Core"
_NO_ANSWER = "the server ended the session without an answer"


@dataclass(frozen=True)
class SessionProgress(Answer):
    """The answer to one `Session.advance`.

    Readouts, classes and statistics run over all steps since the begin or the sample's reset; trajectories
    and records hold the steps of this message.
    """

    steps_done: int  # of the session
    sample_steps: npt.NDArray[np.int64]  # [batch]: since the begin or the sample's reset
    probes: dict[str, ProbeValues]
    classes: npt.NDArray[np.int64]  # [batch]; empty where no output probe was answered
    margins: npt.NDArray[np.float64]  # [batch]
    stats: tuple[LayerStatistics, ...]
    records: dict[str, Values] = field(default_factory=dict)
    compute_s: float = 0.0
    warnings: tuple[str, ...] = ()  # what is probably wrong with the inputs of this message, and what to do

    def __repr__(self) -> str:
        return _show.line(
            "SessionProgress",
            f"after {_show.count(self.steps_done, 'step')}",
            f"outputs {_show.array(self.outputs)}",
            f"classes {_show.some(self.classes)}",
            _show.some_of([f"record {name} {_show.array(value)}" for name, value in self.records.items()]),
        )


@dataclass(frozen=True)
class SessionGoaway:
    """The server of a session is about to go away; it answers until then."""

    steps_done: int  # of the session, when this was said
    seconds_left: float  # from then on


class Session:
    """State of a batch on the server, advanced piece by piece. Made by `Client.session`; for one thread.

    A run in pieces equals the run in one, byte for byte. Neurons with memory, those of the default preset of
    `convert`, answer for the mean of the input since the begin: `reset` samples whose input changes. Close
    it, or use it in a `with`; the server ends a session that is silent for its --session-idle-seconds. After
    an error the session is over.

    A server that goes away says so before: `goaway` is set by the next answer. With `replay` the session then
    goes on at another server with the same bytes; without, it ends with UnavailableError.
    """

    _answered: bool  # the last request
    _steps_before: int  # of the whole session, before this server

    def __init__(
        self,
        call: Callable[[Iterator[pb.SessionRequest]], Any],
        address: str,
        opening: pb.SessionOpen,
        info: NetworkInfo,
        replay: bool | int = False,
    ) -> None:
        self._start = call
        self._address = address
        self._opening = pb.SessionRequest(open=opening)
        self._info = info
        self._history = _replay.History(_replay.limit(replay))
        self.goaway: SessionGoaway | None = None
        self.settings: Settings = _messages.settings(self._first().opened.settings)

    def advance(
        self,
        inputs: _arrays.Given,
        steps: int,
        *,
        encoding: Encodings | None = None,
    ) -> SessionProgress:
        """Runs the next `steps` with these inputs.

        `inputs`: [batch, shape...], held for these steps, or [batch, steps, shape...]. `encoding` as in
        `Client.simulate`.
        """
        request = _requests.advance(self._info, inputs, steps, encoding)
        return _progress(self._answer(request))

    def reset(self, samples: Sequence[int] = ()) -> None:
        """Puts these samples (default: all) back to step 0: voltages, filters, readout."""
        self._answer(_requests.reset(samples))

    def close(self) -> None:
        """Ends the session and frees its state on the server; no effect after the first time."""
        self._requests.put(None)
        if self._answered:
            with contextlib.suppress(grpc.RpcError):  # it may be over already
                next(self._call, None)
        self._call.cancel()  # no effect after the end

    def __repr__(self) -> str:
        return _text(self, self._address, self._info)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _first(self) -> pb.SessionResponse:
        """Opened at any server, also where one goes away meanwhile."""
        for pause in _replay.openings(self._history.max_bytes):
            try:
                return self._open()
            except UnavailableError:
                time.sleep(pause)
        return self._open()

    def _open(self) -> pb.SessionResponse:
        """Begins a session on a server of the channel's choice."""
        self._requests: queue.SimpleQueue[pb.SessionRequest | None] = queue.SimpleQueue()
        self._call = self._start(iter(self._requests.get, None))
        self._answered = False
        self._steps_before = 0
        self.goaway = None
        try:
            return self._ask(self._opening)
        except BaseException:
            self.close()
            raise

    def _answer(self, request: pb.SessionRequest) -> pb.SessionResponse:
        """The answer to a message, of another server where this one has gone away."""
        try:
            for moves in itertools.count():
                try:
                    response = self._ask(request)
                    break
                except UnavailableError as error:
                    self._history.require_move(error, moves)
                    self._move(error)
        except BaseException:  # an answer that comes later must not be taken for that of another message
            self._call.cancel()
            raise
        self._history.add(request, response)
        return response

    def _move(self, error: SpikeserveError) -> None:
        """Opens the session anew and brings it to where it was."""
        for pause in _replay.pauses():
            self.close()
            time.sleep(pause)
            try:
                self._open()
                self._steps_before = self._history.steps_before
                last = None
                for request in self._history.messages:
                    answered = self._ask(request)
                    last = answered if request.HasField("advance") else last
            except _replay.TRY_AGAIN as again:
                error = again
                continue
            return self._history.check(last)
        raise _replay.moved_error(error) from None

    def _ask(self, request: pb.SessionRequest) -> pb.SessionResponse:
        self._requests.put(request)
        self._answered = False
        try:
            response: pb.SessionResponse = next(self._call)
            while response.HasField("goaway"):
                self.goaway = _goaway(response, self._steps_before)
                response = next(self._call)
        except grpc.RpcError as error:
            cut = from_cut(error.code(), error.details(), error.trailing_metadata(), self._address)
            raise cut or from_rpc(error, self._address) from None
        except StopIteration:
            raise InternalError(_NO_ANSWER) from None
        _expect(response, request)
        self._answered = True
        _replay.count_whole(response, self._steps_before)
        return response


class AsyncSession:
    """`Session` for asyncio. Made by `AsyncClient.session`; close it, or use it in an `async with`."""

    settings: Settings
    goaway: SessionGoaway | None = None
    _answered: bool  # the last request
    _steps_before: int  # of the whole session, before this server

    def __init__(
        self,
        call: Callable[[], Any],
        address: str,
        opening: pb.SessionOpen,
        info: NetworkInfo,
        replay: bool | int = False,
    ) -> None:
        self._start = call
        self._address = address
        self._opening = pb.SessionRequest(open=opening)
        self._info = info
        self._history = _replay.History(_replay.limit(replay))
        self._turn = asyncio.Lock()

    async def open(self) -> AsyncSession:
        """Sends the first message; done by `AsyncClient.session`."""
        self.settings = _messages.settings((await self._first()).opened.settings)
        return self

    async def advance(
        self,
        inputs: _arrays.Given,
        steps: int,
        *,
        encoding: Encodings | None = None,
    ) -> SessionProgress:
        """Runs the next `steps` with these inputs; see `Session.advance`."""
        request = _requests.advance(self._info, inputs, steps, encoding)
        return _progress(await self._answer(request))

    async def reset(self, samples: Sequence[int] = ()) -> None:
        """Puts these samples (default: all) back to step 0; see `Session.reset`."""
        await self._answer(_requests.reset(samples))

    async def close(self) -> None:
        """Ends the session and frees its state on the server; no effect after the first time."""
        if self._answered:
            self._answered = False
            with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):  # it may be over already
                await self._call.done_writing()
                await self._call.read()
        self._call.cancel()  # no effect after the end

    def __repr__(self) -> str:
        return _text(self, self._address, self._info)

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _first(self) -> pb.SessionResponse:
        for pause in _replay.openings(self._history.max_bytes):
            try:
                return await self._open()
            except UnavailableError:
                await asyncio.sleep(pause)
        return await self._open()

    async def _open(self) -> pb.SessionResponse:
        self._call = self._start()
        self._answered = False
        self._steps_before = 0
        self.goaway = None
        try:
            return await self._ask(self._opening)
        except BaseException:
            await self.close()
            raise

    async def _answer(self, request: pb.SessionRequest) -> pb.SessionResponse:
        async with self._turn:  # one message at a time
            try:
                for moves in itertools.count():
                    try:
                        response = await self._ask(request)
                        break
                    except UnavailableError as error:
                        self._history.require_move(error, moves)
                        await self._move(error)
            except BaseException:  # an answer that comes later must not be taken for that of another message
                self._call.cancel()
                raise
            self._history.add(request, response)
            return response

    async def _move(self, error: SpikeserveError) -> None:
        for pause in _replay.pauses():
            await self.close()
            await asyncio.sleep(pause)
            try:
                await self._open()
                self._steps_before = self._history.steps_before
                last = None
                for request in self._history.messages:
                    answered = await self._ask(request)
                    last = answered if request.HasField("advance") else last
            except _replay.TRY_AGAIN as again:
                error = again
                continue
            return self._history.check(last)
        raise _replay.moved_error(error) from None

    async def _ask(self, request: pb.SessionRequest) -> pb.SessionResponse:
        self._answered = False
        try:
            await self._call.write(request)
            response = await self._call.read()
            while response is not grpc.aio.EOF and response.HasField("goaway"):
                self.goaway = _goaway(response, self._steps_before)
                response = await self._call.read()
        except (grpc.RpcError, asyncio.InvalidStateError):
            raise await self._failure() from None
        if response is grpc.aio.EOF:
            raise await self._failure()
        _expect(response, request)
        self._answered = True
        _replay.count_whole(response, self._steps_before)
        return cast("pb.SessionResponse", response)

    async def _failure(self) -> SpikeserveError:
        """Why the session is over: the status that the server ended it with."""
        code, details = await self._call.code(), await self._call.details()
        if code is grpc.StatusCode.OK:
            return InternalError(_NO_ANSWER)
        if code is grpc.StatusCode.INTERNAL and details == _CUT_OFF:
            code, details = grpc.StatusCode.UNAVAILABLE, "the connection ended while a message was sent"
        cut = from_cut(code, details, await self._call.trailing_metadata(), self._address)
        return cut or from_status(code, details, self._address)


def _text(session: object, address: str, info: NetworkInfo) -> str:
    return _show.line(type(session).__name__, f"network '{info.name}' version {info.version}", address)


def _expect(response: pb.SessionResponse, request: pb.SessionRequest) -> None:
    wanted = _ANSWERS[str(request.WhichOneof("message"))]
    if response.WhichOneof("message") != wanted:
        raise InternalError(f"the server answered with {response.WhichOneof('message')}, wanted {wanted}")


def _goaway(response: pb.SessionResponse, steps_before: int) -> SessionGoaway:
    message = response.goaway
    return SessionGoaway(message.steps_done + steps_before, message.seconds_left)


def _progress(response: pb.SessionResponse) -> SessionProgress:
    message = response.progress
    return SessionProgress(
        steps_done=message.steps_done,
        sample_steps=np.asarray(message.sample_steps, np.int64),
        probes=_messages.probes(message.probes),
        classes=np.asarray(message.classification.classes, np.int64),
        margins=np.asarray(message.classification.margins, np.float64),
        stats=tuple(_messages.statistics(item) for item in message.statistics),
        records=records(message.records),
        compute_s=message.compute_s,
        warnings=tuple(message.warnings),
    )
