"""What the two clients share: how they are made, how a call is sent, and what becomes of its failure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from spikeserve._channel import (
    DEFAULT_MAX_BATCH,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_TIMEOUT,
    Connection,
    Deadline,
    PathOrBytes,
)
from spikeserve._requests import Limits
from spikeserve.errors import from_rpc


class ClientBase(ABC):
    """A client but for its calls, which wait for their answers in one way or another."""

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        root_cert: PathOrBytes | None = None,
        client_cert: PathOrBytes | None = None,
        client_key: PathOrBytes | None = None,
        tls: bool = False,
        timeout: float | None = DEFAULT_TIMEOUT,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        max_batch: int = DEFAULT_MAX_BATCH,
    ) -> None:
        self._connection = Connection(
            address, token, root_cert, client_cert, client_key, tls, timeout, max_message_bytes
        )
        self._limits = Limits(max_message_bytes, max_batch)
        self._open()

    @abstractmethod
    def _open(self) -> None:
        """Makes the channel and the stubs."""

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._connection.address

    def _timeout(self, given: float | None) -> float | None:
        """The seconds of a call: the client's own where the caller gives none."""
        return self._connection.timeout if given is None else given

    def _deadline(self, given: float | None) -> Deadline:
        """The end of a call that may take several requests."""
        return Deadline(self._timeout(given))

    def _call(self, timeout: float | None) -> dict[str, Any]:
        """The keywords that every call is sent with."""
        return {"timeout": timeout, "metadata": self._connection.metadata}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns gRPC's errors into ours."""
        try:
            yield
        except grpc.RpcError as error:
            raise from_rpc(error, self.address) from None
