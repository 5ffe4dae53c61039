"""What the two clients share: how they are made, how a call is sent, and what becomes of its failure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from spikeserve._address import PathOrBytes
from spikeserve._channel import (
    DEFAULT_MAX_BATCH,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_TIMEOUT,
    Connection,
    Deadline,
)
from spikeserve._keywords import checked
from spikeserve._requests import Limits
from spikeserve.errors import from_rpc
from spikeserve.results import InputInfo, NetworkInfo

_MAX_KNOWN = 1024  # networks whose inputs a client remembers


class ClientBase(ABC):
    """A client but for its calls, which wait for their answers in one way or another."""

    @checked
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
        self._known: dict[tuple[str, int], tuple[InputInfo, ...]] = {}
        self._open()

    @abstractmethod
    def _open(self) -> None:
        """Makes the channel and the stubs."""

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._connection.address

    def __repr__(self) -> str:
        traits = [self.address, "encrypted" if self._connection.encrypted else "not encrypted"]
        traits += ["with a token"] if self._connection.token is not None else []
        return f"<{type(self).__name__}: {', '.join(traits)}>"

    def _timeout(self, given: float | None) -> float | None:
        """The seconds of a call: the client's own where the caller gives none."""
        return self._connection.timeout if given is None else given

    def _deadline(self, given: float | None) -> Deadline:
        """The end of a call that may take several requests."""
        return Deadline(self._timeout(given))

    def _inputs_of(self, network: str, version: int) -> tuple[InputInfo, ...] | None:
        """The inputs of a network as the server last told them; None where it was not asked."""
        return self._known.get((network, version))

    def _remember(self, network: str, version: int, info: NetworkInfo) -> None:
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[network, version] = info.inputs

    def _call(self, timeout: float | None, network: str = "") -> dict[str, Any]:
        """The keywords that a call is sent with; `network` is the one that it names."""
        return {"timeout": timeout, "metadata": self._connection.metadata(network)}

    def _forget(self, network: str) -> None:
        """What was told of its inputs may be no longer true."""
        for key in [key for key in self._known if key[0] == network]:
            self._known.pop(key, None)

    @contextmanager
    def _errors(self, network: str = "") -> Iterator[None]:
        """Turns gRPC's errors into ours; `network` is the one that the call names."""
        try:
            yield
        except grpc.RpcError as error:
            self._forget(network)
            raise from_rpc(error, self.address, plain=self._connection.credentials is None) from None
