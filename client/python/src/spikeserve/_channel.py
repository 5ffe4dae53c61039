"""How the clients connect: address, encryption, token, retries and message limits."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

DEFAULT_TIMEOUT = 60.0
DEFAULT_LOAD_TIMEOUT = 600.0
DEFAULT_MAX_MESSAGE_BYTES = 64 << 20
DEFAULT_MAX_BATCH = 1024

PathOrBytes = str | os.PathLike[str] | bytes

_IDEMPOTENT = [
    {"service": "spikeserve.v1.NetworkService", "method": "GetNetwork"},
    {"service": "spikeserve.v1.NetworkService", "method": "ListNetworks"},
    {"service": "spikeserve.v1.SimulationService", "method": "Simulate"},
]
# Loading and unloading change something and are never repeated; nor is a refusal because of load.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": _IDEMPOTENT,
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


@dataclass(frozen=True)
class Connection:
    """Everything about the way to a server. `address` is HOST:PORT or unix:PATH."""

    address: str
    token: str | None
    root_cert: PathOrBytes | None
    client_cert: PathOrBytes | None
    client_key: PathOrBytes | None
    tls: bool
    timeout: float | None
    max_message_bytes: int

    def __post_init__(self) -> None:
        if not self.address:
            raise ValueError("address is empty, wanted HOST:PORT or unix:PATH")
        if (self.client_cert is None) != (self.client_key is None):
            raise ValueError("client_cert and client_key belong together, got only one of them")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ValueError("token has characters that cannot be sent, wanted printable ASCII")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """None: not encrypted. Any certificate, or `tls`, switches encryption on."""
        if not (self.tls or self.root_cert is not None or self.client_cert is not None):
            return None
        return grpc.ssl_channel_credentials(
            _content(self.root_cert), _content(self.client_key), _content(self.client_cert)
        )

    @property
    def options(self) -> list[tuple[str, Any]]:
        """Channel arguments."""
        local = self.address.startswith(("unix:", "127.", "localhost:", "[::1]"))
        return [
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_receive_message_length", -1),  # answers are bounded by the server
            ("grpc.per_rpc_retry_buffer_size", self.max_message_bytes),
            ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
            ("grpc.enable_http_proxy", 0 if local else 1),
        ]


class Deadline:
    """A point in time that the requests of one call share; without a timeout there is none."""

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Seconds until the deadline, at least 0; None without one."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)


def _content(source: PathOrBytes | None) -> bytes | None:
    if source is None or isinstance(source, bytes):
        return source
    return Path(source).read_bytes()
