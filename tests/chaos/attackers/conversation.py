"""Calls over HTTP/2 that a gRPC library would not make."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from attacker import call_headers

CLOSED = "connection closed"  # the status of a call that has none because of it


@dataclass
class Call:
    """A call, and how it ended; the status is empty until then."""

    stream: int
    begun: float
    status: str = ""
    text: str = ""
    seconds: float = 0.0


class Conversation:
    """One connection and the calls on it."""

    def __init__(self, connection: socket.socket, reads: bool = True) -> None:
        self._socket = connection
        # Names and values are sent as they are, for what a library would refuse is what is to be tried.
        config = h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False, validate_inbound_headers=False,
        )  # fmt: skip
        self._h2 = h2.connection.H2Connection(config)
        self._reads = reads
        self._over = False
        self._calls: dict[int, Call] = {}
        self._h2.initiate_connection()
        self._flush()

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    def call(self, path: str, body: bytes, *more: tuple[str, str], end: bool = True) -> Call:
        """Begins a call; a body larger than the window goes out while others are waited for."""
        stream = self._h2.get_next_available_stream_id()
        call = self._calls[stream] = Call(stream, time.monotonic())
        if self._over:
            _end(call, CLOSED, "")
            return call
        self._h2.send_headers(stream, call_headers(path, *more))
        while body and not call.status:
            size = min(
                self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size, len(body)
            )
            if size:
                self._h2.send_data(stream, body[:size])
                body = body[size:]
            self._flush()
            if body and not size:
                self._receive(1.0)
        if end and not call.status:
            self._h2.end_stream(stream)
        self._flush()
        return call

    def wait(self, *calls: Call, seconds: float) -> None:
        """Until these calls have ended, or the time is over."""
        end = time.monotonic() + seconds
        while not calls or any(not call.status for call in calls):
            left = end - time.monotonic()
            if left <= 0 or not self._receive(left):
                return

    def _receive(self, seconds: float) -> bool:
        """Takes what comes; False where the connection has ended."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError:
            return True
        except OSError:
            data = b""
        try:
            events = self._h2.receive_data(data) if data else None
        except h2.exceptions.ProtocolError:  # whatever comes after the server has said that it ends
            events = None
        if events is None:
            self._end_all()
            return False
        for event in events:
            self._take(event)
        self._flush()
        return True

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived) and self._reads:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
            headers = dict(event.headers or [])
            if "grpc-status" in headers:
                text = unquote(headers.get("grpc-message", ""))
                _end(self._calls[event.stream_id], headers["grpc-status"], text)
        elif isinstance(event, h2.events.StreamReset):
            _end(self._calls[event.stream_id], f"reset {event.error_code}", "")
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._end_all()

    def _flush(self) -> None:
        try:
            self._socket.sendall(self._h2.data_to_send())
        except OSError:
            self._end_all()

    def _end_all(self) -> None:
        self._over = True
        for call in self._calls.values():
            _end(call, CLOSED, "")


def _end(call: Call, status: str, text: str) -> None:
    if not call.status:
        call.status, call.text, call.seconds = status, text, time.monotonic() - call.begun
