"""Calls that ask for more than they say, or say what they may not."""

from __future__ import annotations

import random
import struct
import time
import zlib
from pathlib import Path

from attacker import SIMULATE, Attacker, message
from conversation import Conversation

_STREAM = "/spikeserve.v1.SimulationService/SimulateStream"
_RAW = -15  # no head and no sum: they are written here
_HEALTH = "/grpc.health.v1.Health/Check"


def bomb(encoding: str, unpacked: int) -> bytes:
    """About a thousandth of `unpacked` bytes, all 0 when unpacked, in the format of the encoding."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _RAW)
    size = 1 << 24
    # What follows a full flush does not look back, so one packed piece can be repeated.
    piece = packer.compress(bytes(size)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" if encoding == "gzip" else b"\x78\x9c"
    last = zlib.compressobj(9, zlib.DEFLATED, _RAW).flush()
    return head + piece * (unpacked // size) + last + struct.pack("<II", 0, unpacked & 0xFFFFFFFF)


class Bombs(Attacker):
    """Calls whose messages unpack to `unpacked` bytes, one after another on each connection."""

    def once(self, number: int, draw: random.Random) -> None:
        encoding = ("gzip", "deflate")[number % 2]
        body = message(bomb(encoding, self.options["unpacked"]), packed=True)
        path = (SIMULATE, _HEALTH)[number // 2 % 2]
        with Conversation(self.connect()) as conversation:
            call = conversation.call(path, body, ("grpc-encoding", encoding))
            conversation.wait(call, seconds=20.0)
        self.counts["calls"] += 1
        self.counts[f"status {call.status}"] += 1
        self.counts["slowest"] = max(self.counts["slowest"], int(call.seconds * 1000))
        time.sleep(0.05)


class Neighbours(Attacker):
    """A call with these `headers` between one that is under way and a later one, on one connection."""

    def run(self) -> dict[str, object]:  # type: ignore[override]
        request = message(Path(self.options["request"]).read_bytes())
        long_request = message(Path(self.options["long_request"]).read_bytes())
        headers = [(name, value) for name, value in self.options["headers"]]
        with Conversation(self.connect()) as conversation:
            first = conversation.call(SIMULATE, request)
            conversation.wait(first, seconds=20.0)
            under_way = conversation.call(_STREAM, long_request)
            bad = conversation.call(SIMULATE, request, *headers)
            conversation.wait(bad, seconds=20.0)
            later = conversation.call(SIMULATE, request)
            conversation.wait(under_way, later, seconds=60.0)
        named = {"first": first, "bad": bad, "later": later, "under way": under_way}
        return {name: [call.status, call.text] for name, call in named.items()}


class BadMetadata(Attacker):
    """A call with metadata that no call may have, on each of its connections."""

    def once(self, number: int, draw: random.Random) -> None:
        """Connects, calls, and looks whether it was told anything."""
        name, value = draw.choice((("trace-bin", "!!!"), ("trace-bin", "a"), ("x-large", "a" * 80_000)))
        with Conversation(self.connect()) as conversation:
            call = conversation.call(SIMULATE, message(b""), (name, value))
            conversation.wait(call, seconds=5.0)
        self.counts[f"status {call.status}"] += 1


class SlowReaders(Attacker):
    """Streams of answers that nobody reads: `streams` on each connection."""

    def once(self, number: int, draw: random.Random) -> None:
        request = message(Path(self.options["long_request"]).read_bytes())
        with Conversation(self.connect(), reads=False) as conversation:
            for _ in range(self.options["streams"]):
                conversation.call(_STREAM, request)
                self.counts["streams"] += 1
            while not self.over():
                time.sleep(0.05)
