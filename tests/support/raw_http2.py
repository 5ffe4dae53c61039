"""HTTP/2 by hand: a client that sends what no library would."""

from __future__ import annotations

import socket
import ssl
import struct
from pathlib import Path

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 2, 3, 4, 6, 7
CONTINUATION = 9
ACK = END_STREAM = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ATTACKER = "127.0.0.2"  # an address of its own, so that the tests' other clients keep their shares
LIST_NETWORKS = "/spikeserve.v1.NetworkService/ListNetworks"
NO_MESSAGE = bytes(5)  # a gRPC message without a byte


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def header(name: str, value: str) -> bytes:
    """A header without any compression (RFC 7541, 6.2.2)."""
    return b"\0" + _text(name) + _text(value)


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) < 127:
        return bytes((len(data),)) + data
    rest, size = len(data) - 127, b"\x7f"
    while rest >= 128:
        size += bytes((rest % 128 + 128,))
        rest //= 128
    return size + bytes((rest,)) + data


def call_headers(method: str = LIST_NETWORKS, **more: str) -> bytes:
    """What a gRPC call begins with; `more` headers, with _ for -."""
    fields = {":method": "POST", ":scheme": "http", ":path": method, ":authority": "test"}
    fields |= {"te": "trailers", "content-type": "application/grpc"}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    return b"".join(header(name, value) for name, value in fields.items())


class RawClient:
    """A connection whose client has greeted; use it in a `with`."""

    def __init__(
        self, address: str, source: str = ATTACKER, root: Path | None = None, acknowledge: bool = True
    ) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=20, source_address=(source, 0))
        if root is not None:
            context = ssl.create_default_context(cafile=str(root))
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
        self.send(PREFACE + frame(SETTINGS, 0, 0) + (frame(SETTINGS, ACK, 0) if acknowledge else b""))

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """False where the server has closed the connection."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def closed(self, seconds: float = 20) -> bool:
        """Whether the server ends the connection within the time; reads and forgets what it sends."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def frames(self) -> list[tuple[int, int, int, bytes]]:
        """Everything until the server ends the connection: type, flags, stream and payload of each frame."""
        received = b""
        self.socket.settimeout(20)
        try:
            while piece := self.socket.recv(65536):
                received += piece
        except OSError:
            pass
        found = []
        while len(received) >= 9:
            length = int.from_bytes(received[:3], "big")
            stream = int.from_bytes(received[5:9], "big")
            found.append((received[3], received[4], stream, received[9 : 9 + length]))
            received = received[9 + length :]
        return found
