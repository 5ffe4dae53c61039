"""What all attackers have in common: connections of their own over raw sockets, counts, and an end."""

from __future__ import annotations

import random
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from typing import Any

import hpack
from hyperframe.frame import Frame, SettingsFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SIMULATE = "/spikeserve.v1.SimulationService/Simulate"
_PAUSE_S = 0.005  # after a connection that the server has closed, before the next


class Attacker:
    """Runs `once` on each of its connections until the time or the frames are spent.

    The options come as JSON from the test: `address` (HOST:PORT), `source` (the address to come from),
    `seed`, `connections` at the same time, `seconds`, `frames` (on each connection), `tls` (files of
    certificates), and what a kind of attack has of its own.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        host, _, port = options["address"].rpartition(":")
        self.target = (host, int(port))
        self.options = options
        self.counts: Counter[str] = Counter()
        self.end: float = time.monotonic() + options["seconds"]

    def once(self, number: int, draw: random.Random) -> None:
        """One connection, from its begin to its end; an OSError is the server's way to end it."""
        raise NotImplementedError

    def run(self) -> dict[str, float]:
        """All connections; what was done, counted."""
        workers = [threading.Thread(target=self._work, args=(n,)) for n in range(self.options["connections"])]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return dict(self.counts)

    def over(self) -> bool:
        """Whether the time is spent."""
        return time.monotonic() > self.end

    def connect(self) -> socket.socket:
        """A connection from the attacker's own address."""
        source = (self.options.get("source", "127.0.0.2"), 0)
        connection = socket.create_connection(self.target, timeout=2.0, source_address=source)
        self.counts["connections"] += 1
        files = self.options.get("tls")
        return _encrypted(connection, files, self.target[0]) if files else connection

    def connect_http2(self, acknowledge: bool = True) -> socket.socket:
        """One that has said what every HTTP/2 client says first."""
        connection = self.connect()
        connection.sendall(PREFACE + SettingsFrame(0).serialize())
        if acknowledge:
            read_settings(connection)
            connection.sendall(SettingsFrame(0, flags=["ACK"]).serialize())
        return connection

    def _work(self, number: int) -> None:
        draw = random.Random(self.options["seed"] * 1000 + number)
        while not self.over():
            try:
                self.once(number, draw)
            except OSError:
                self.counts["ended by the server"] += 1
                time.sleep(_PAUSE_S)


def _encrypted(connection: socket.socket, files: dict[str, str], host: str) -> socket.socket:
    context = ssl.create_default_context(cafile=files["root_cert"])
    context.load_cert_chain(files["client_cert"], files["client_key"])
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(connection, server_hostname=host)


def read_settings(connection: socket.socket) -> None:
    """Reads frames until the server's SETTINGS; OSError where the connection ends first."""
    while True:
        header = _read(connection, 9)
        frame, length = Frame.parse_frame_header(memoryview(header))
        _read(connection, length)
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            return


def _read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionResetError("closed by the server")
        data += part
    return data


def discard(connection: socket.socket) -> None:
    """Takes what has come, so that the server never waits for this client to read."""
    connection.setblocking(False)
    try:
        while connection.recv(1 << 16):
            pass
        raise ConnectionResetError("closed by the server")
    except (BlockingIOError, ssl.SSLWantReadError):
        pass
    finally:
        connection.settimeout(2.0)


def call_headers(path: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """What a gRPC call begins with."""
    return [
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
        ("te", "trailers"), ("content-type", "application/grpc"), *more,
    ]  # fmt: skip


def block(headers: list[tuple[str, str]]) -> bytes:
    """These headers, packed so that the bytes are good for any number of calls: nothing is indexed."""
    packed = [hpack.NeverIndexedHeaderTuple(name, value) for name, value in headers]
    return bytes(hpack.Encoder().encode(packed, huffman=False))


def message(data: bytes, packed: bool = False) -> bytes:
    """A message as gRPC frames it."""
    return struct.pack(">BI", int(packed), len(data)) + data
