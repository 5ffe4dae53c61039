"""How the clients connect: address, encryption, token, retries and message limits."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import grpc

from spikeserve._address import (
    ConnectionOptionError,
    PathOrBytes,
    check_address,
    check_pair,
    check_token,
    read_pem,
)

DEFAULT_TIMEOUT = 60.0
DEFAULT_LOAD_TIMEOUT = 600.0
DEFAULT_MAX_MESSAGE_BYTES = 64 << 20
DEFAULT_MAX_BATCH = 1024

# What changes nothing may run twice; loading and unloading are never repeated, nor is a refusal for load.
_IDEMPOTENT = [
    {"service": "spikeserve.v1.NetworkService", "method": "GetNetwork"},
    {"service": "spikeserve.v1.NetworkService", "method": "ListNetworks"},
    {"service": "spikeserve.v1.SimulationService", "method": "Simulate"},
    {"service": "spikeserve.v1.SimulationService", "method": "SimulateStream"},  # until its first event
    {"service": "spikeserve.v1.SimulationService", "method": "Session"},  # until it is open
]
# Calls go in turn to all servers that an address stands for, but for those that say that they are not
# serving: one that drains gets none. A server without a health service counts as healthy.
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
    "methodConfig": [
        {
            "name": _IDEMPOTENT,
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
_KEEPALIVE_MS = 30_000  # without a sign of life; a server takes no more than one in 10 s
_KEEPALIVE_TIMEOUT_MS = 20_000  # for the answer, and for anything that was sent to be acknowledged
_NETWORK_HEADER = "spikeserve-network"  # what a balancer can route by


@dataclass(frozen=True)
class Connection:
    """Everything about the way to a server, checked. `address` is as check_address takes it."""

    address: str
    token: str | None = field(repr=False)
    root_cert: PathOrBytes | None = field(repr=False)
    client_cert: PathOrBytes | None = field(repr=False)
    client_key: PathOrBytes | None = field(repr=False)
    tls: bool
    timeout: float | None
    max_message_bytes: int

    def __post_init__(self) -> None:
        check_address(self.address)
        check_token(self.token)
        if self.client_cert is None and self.client_key is not None:
            raise ConnectionOptionError("client_cert", "missing beside the client's key")
        if self.client_key is None and self.client_cert is not None:
            raise ConnectionOptionError("client_key", "missing beside the client's certificate")
        if self.timeout is not None and not self.timeout > 0:
            raise ConnectionOptionError("timeout", f"got {self.timeout}, wanted seconds above 0, or None")

    def metadata(self, network: str) -> tuple[tuple[str, str], ...]:
        """What a call carries: the token, and the network that it names, "" for none."""
        sent = [] if self.token is None else [("authorization", f"Bearer {self.token}")]
        if network and network.isascii() and network.isprintable():  # the server refuses all others
            sent.append((_NETWORK_HEADER, network))
        return tuple(sent)

    @property
    def encrypted(self) -> bool:
        """Any certificate, or `tls`, switches encryption on."""
        return self.tls or self.root_cert is not None or self.client_cert is not None

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """None: not encrypted. ConnectionOptionError for files that hold something else."""
        if not self.encrypted:
            return None
        roots = read_pem("root_cert", self.root_cert, "CERTIFICATE")
        chain = read_pem("client_cert", self.client_cert, "CERTIFICATE")
        key = read_pem("client_key", self.client_key, "PRIVATE KEY")
        check_pair(self.client_cert, self.client_key)
        return grpc.ssl_channel_credentials(roots, key, chain)

    @property
    def options(self) -> list[tuple[str, Any]]:
        """Channel arguments."""
        targets = self.address.removeprefix("ipv4:").removeprefix("ipv6:").removeprefix("dns:///")
        local = targets.startswith(("unix", "127.", "localhost:", "[::1]"))
        return [
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_receive_message_length", -1),  # answers are bounded by the server
            ("grpc.per_rpc_retry_buffer_size", self.max_message_bytes),
            ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
            # A server that comes back is found soon; by default the pauses grow from 1 s to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5_000),
            # A server whose machine or network is gone answers nothing: the connection ends, and calls go to
            # another one. Only while there are calls, but for as long as they take.
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.enable_http_proxy", 0 if local else 1),
        ]


class Deadline:
    """A point in time that the requests of one call share; without a timeout there is none."""

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Seconds until the deadline, at least 0; None without one."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)
