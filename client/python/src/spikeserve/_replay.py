"""How a session goes on when its server goes away: what is kept of it, and when it is tried again."""

from __future__ import annotations

import hashlib
import itertools
import random
import time
from collections.abc import Iterator

from spikeserve.errors import (
    InternalError,
    InvalidArgumentError,
    ResourceExhaustedError,
    SpikeserveError,
    UnavailableError,
)
from spikeserve.v1 import simulation_pb2 as pb

DEFAULT_REPLAY_BYTES = 64 << 20
# What another server may answer for a while: it is not there yet, or full of sessions that moved as well.
TRY_AGAIN = (UnavailableError, ResourceExhaustedError)

_PATIENCE_S = 30.0
_MOST_MOVES = 3  # for one message, which may be what ends the servers
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


def limit(replay: bool | int) -> int:
    """The bytes that `replay` stands for: True is the default, False none."""
    if replay is True:
        return DEFAULT_REPLAY_BYTES
    if replay < 0:
        raise InvalidArgumentError(f"replay: got {replay}, wanted True, False or a number of bytes")
    return int(replay)


def pauses() -> Iterator[float]:
    """Seconds to wait before each further try, growing and random, until the patience is over."""
    end = time.monotonic() + _PATIENCE_S
    pause = _FIRST_PAUSE_S
    while time.monotonic() < end:
        yield pause * random.uniform(0.5, 1.5)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def openings(max_bytes: int) -> Iterator[float]:
    """Seconds to wait before each further try to open a session that may move, none for one that may not.

    A server that goes away may have begun to answer, after which gRPC by itself tries no other one.
    """
    return itertools.islice(pauses(), _MOST_MOVES if max_bytes else 0)


class History:
    """The messages of a session since the begin or the last reset of all samples, as far as they fit.

    Sent again to a new session, they bring it into the same state: runs are deterministic.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes  # 0: nothing is kept
        self.messages: list[pb.SessionRequest] = []
        self.steps_before = 0  # of the session, up to the begin of what is kept
        self._bytes = 0
        self._steps = 0  # of the session
        self._last: pb.SessionResponse | None = None

    def add(self, request: pb.SessionRequest, response: pb.SessionResponse) -> None:
        """A message that was answered; `response` counts the steps of the whole session."""
        if request.HasField("advance"):
            self._steps = response.progress.steps_done
            self._last = response
        if request.HasField("reset") and not request.reset.samples:
            self.messages.clear()
            self._bytes = 0
            self._last = None
            self.steps_before = self._steps
            return
        self._bytes += request.ByteSize()
        if self._bytes <= self.max_bytes:
            self.messages.append(request)
        else:
            self.messages.clear()

    def require_move(self, error: UnavailableError, moves: int) -> None:
        """UnavailableError where the session cannot go on elsewhere, after so many moves for one message."""
        ended = f"{error.message}; the session ended after {self._steps} steps"
        if moves >= _MOST_MOVES:
            ended += f": {moves + 1} servers in a row went away with this message, which may be why"
        elif self.max_bytes == 0:
            ended += ": open a new one, or let it move by itself with replay=True"
        elif self._bytes > self.max_bytes:
            ended += (
                " and cannot move: its messages since the last reset of all samples have "
                f"{self._bytes} bytes, kept are at most {self.max_bytes} (replay={self.max_bytes})"
            )
        else:
            return
        raise UnavailableError(ended) from None

    def check(self, replayed: pb.SessionResponse | None) -> None:
        """InternalError where another server answers the last kept advance with other bytes."""
        if self._last is None or replayed is None:
            return
        if _digest(self._last) != _digest(replayed):
            raise InternalError(
                "the session cannot go on: another server answers the same messages with other numbers; is "
                "the same network loaded there under the same version?"
            )


def count_whole(response: pb.SessionResponse, steps_before: int) -> None:
    """Makes an answer of a session that has moved count the steps of the whole session."""
    if response.HasField("progress"):
        response.progress.steps_done += steps_before


def moved_error(error: SpikeserveError) -> SpikeserveError:
    """The last error of a session that found no place elsewhere."""
    return type(error)(f"the session found no other server within {_PATIENCE_S:g} s: {error.message}")


def _digest(response: pb.SessionResponse) -> bytes:
    """Of all that the messages determine: not of the time that it took."""
    plain = pb.SessionResponse()
    plain.CopyFrom(response)
    plain.progress.ClearField("compute_s")
    return hashlib.sha256(plain.SerializeToString(deterministic=True)).digest()
