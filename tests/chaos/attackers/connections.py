"""Connections that come and go, that say nothing, or whose clients are killed."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import time
from contextlib import ExitStack
from pathlib import Path

from attacker import PREFACE, Attacker, message
from conversation import Conversation
from hyperframe.frame import SettingsFrame

_UPLOAD = "/spikeserve.v1.NetworkService/LoadNetwork"
_STREAM = "/spikeserve.v1.SimulationService/SimulateStream"
_SESSION = "/spikeserve.v1.SimulationService/Session"


class ShortConnections(Attacker):
    """Connect, send some bytes or none, close: `count` of them between all workers."""

    def once(self, number: int, draw: random.Random) -> None:
        if self.counts["connections"] >= self.options["count"]:
            time.sleep(0.05)
            return
        with self.connect() as connection:
            said = draw.choice((b"", PREFACE, PREFACE + draw.randbytes(4096), draw.randbytes(100)))
            connection.sendall(said)
            if draw.random() < 0.3:  # ends by a reset instead of a regular end
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class HeldConnections(Attacker):
    """Opens `count` connections, says nothing or only hello, and keeps them for the time given."""

    def run(self) -> dict[str, float]:
        draw = random.Random(self.options["seed"])
        with ExitStack() as held:
            for _ in range(self.options["count"]):
                try:
                    connection = held.enter_context(self.connect())
                    connection.sendall(draw.choice((b"", PREFACE, PREFACE + SettingsFrame(0).serialize())))
                except OSError:
                    self.counts["ended by the server"] += 1
                if self.over():
                    break
            while not self.over():
                time.sleep(0.05)
        return dict(self.counts)


class KilledClients(Attacker):
    """`count` clients, each a process that uploads, streams or holds a session until it is killed."""

    def run(self) -> dict[str, float]:
        draw = random.Random(self.options["seed"])
        running: list[tuple[float, int]] = []
        for _ in range(self.options["count"]):
            while len(running) >= self.options["connections"]:
                running = self._reap(running)
            kind, lives_s = draw.choice((_UPLOAD, _STREAM, _SESSION)), draw.uniform(0.0, 0.15)
            process = os.fork()
            if process == 0:
                self._client(kind)
            running.append((time.monotonic() + lives_s, process))
        while running:
            running = self._reap(running)
        return dict(self.counts)

    def _reap(self, running: list[tuple[float, int]]) -> list[tuple[float, int]]:
        time.sleep(0.002)
        now = time.monotonic()
        for end, process in running:
            if now >= end:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                self.counts["killed"] += 1
        return [(end, process) for end, process in running if now < end]

    def _client(self, kind: str) -> None:
        """In the child: never returns."""
        try:
            with Conversation(self.connect()) as conversation:
                body = Path(self.options["bodies"][kind]).read_bytes()
                conversation.call(kind, message(body), end=kind == _STREAM)
                conversation.wait(seconds=60.0)
        finally:
            time.sleep(60.0)  # the parent kills it
            os._exit(0)


class HeldCalls(Attacker):
    """A call of another kind on each connection, which waits for what comes."""

    def once(self, number: int, draw: random.Random) -> None:
        paths = [path for path in sorted(self.options["bodies"]) if path != _UPLOAD]
        path = paths[number % len(paths)]
        body = Path(self.options["bodies"][path]).read_bytes()
        with Conversation(self.connect()) as conversation:
            conversation.call(path, message(body), end=path == _STREAM)
            conversation.wait(seconds=self.end - time.monotonic())
