"""A proxy in this process that hands every call on to a server, and refuses some first."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc


class Forwarding(grpc.GenericRpcHandler):
    """Forwards calls of every kind to `target`, as streams of bytes; use it in a `with`.

    The first call of each method in `refuse` (such as "/p.Service/Method") is answered UNAVAILABLE. `calls`
    counts by method, `headers` keeps the metadata of the last call of each.
    """

    def __init__(self, target: str, refuse: frozenset[str] = frozenset()) -> None:
        self.calls: Counter[str] = Counter()
        self.headers: dict[str, dict[str, str]] = {}
        self._refuse = refuse
        self._mutex = threading.Lock()
        self._channel: Any = grpc.insecure_channel(target)
        self._server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Forwarding:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._channel.close()

    def service(self, details: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """A handler of its own for each call."""
        return grpc.stream_stream_rpc_method_handler(self._forward(details.method))

    def _forward(self, method: str) -> Callable[[Iterator[bytes], Any], Iterator[bytes]]:
        def forward(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            metadata = {key: str(value) for key, value in context.invocation_metadata()}
            with self._mutex:
                self.calls[method] += 1
                self.headers[method] = metadata
                first = self.calls[method] == 1
            if first and method in self._refuse:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the first call is refused")
            answers = self._channel.stream_stream(method)(requests, timeout=60)
            context.add_callback(answers.cancel)
            try:
                yield from answers
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return forward
