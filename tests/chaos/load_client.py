"""Calls a server in a process of its own and notes how long each call took. Run by callers.py.

Options come as JSON on stdin: `address`, `tls` (files of certificates), `method`, `request` (base64),
`metadata`, `callers`, `pause_s`, `deadline_s`, `seconds`, `rate` (calls a second that begin whether or not
others have ended; 0: each caller waits for its answer, and after a refusal as long as the server asks it to,
twice as long after another), `calls` (at most so many; 0: any number). Prints "started",
and at the end JSON: [begun, seconds, code] of each call, where `begun` counts from the start.
SIGTERM ends it before its time.
"""

from __future__ import annotations

import base64
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from spikeserve.errors import from_rpc

_OPTIONS = [
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_receive_message_length", -1),
]
_FAILED_PAUSE_S = 0.005  # what is refused at once is not asked for again at once
_LONGEST_BACKOFF = 8  # times what the server asks for: that doubles with each refusal in a row
_OPEN_AT_MOST = 2_000  # calls without an answer, where a rate is given


class Load:
    """The calls of one process, on one connection."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.channel = _channel(options["address"], options["tls"])
        self.call: Any = self.channel.unary_unary(options["method"])
        self.request = base64.b64decode(options["request"])
        self.metadata = [(name, value) for name, value in options["metadata"]]
        self.taken: list[tuple[float, float, str]] = []
        self.begun = 0
        self.lock = threading.Lock()
        self.start = time.monotonic()
        self.end = self.start + options["seconds"]

    def run(self) -> None:
        """Until the time or the calls are spent."""
        if self.options["rate"]:
            self._open_loop()
        else:
            callers = [threading.Thread(target=self._closed_loop) for _ in range(self.options["callers"])]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()
        self.channel.close()

    def stop(self) -> None:
        """No call begins any more."""
        self.end = self.start

    def _more(self) -> bool:
        with self.lock:
            self.begun += 1
            limit = self.options["calls"]
            return time.monotonic() < self.end and (not limit or self.begun <= limit)

    def _closed_loop(self) -> None:
        refused = 0  # times in a row
        while self._more():
            begun = time.monotonic()
            try:
                self.call(self.request, timeout=self.options["deadline_s"], metadata=self.metadata)
                code, asked_s = "OK", 0.0
            except grpc.RpcError as error:
                code = error.code().name
                asked_s = from_rpc(error, "").retry_after or 0.0
            self._note(begun, code)
            pause_s = self.options["pause_s"]
            refused = 0 if code == "OK" else refused + 1
            asked_s *= min(2 ** (refused - 1), _LONGEST_BACKOFF) if refused else 0
            wait_s = max(pause_s, asked_s, _FAILED_PAUSE_S if refused else 0.0)
            time.sleep(max(0.0, min(wait_s, self.end - time.monotonic())))

    def _open_loop(self) -> None:
        waiting = threading.Semaphore(_OPEN_AT_MOST)
        due = time.monotonic()
        while self._more():
            due += 1.0 / self.options["rate"]
            time.sleep(max(0.0, due - time.monotonic()))
            if not waiting.acquire(timeout=1.0):
                continue
            call = self.call.future(self.request, timeout=self.options["deadline_s"], metadata=self.metadata)
            call.add_done_callback(self._noted(time.monotonic(), waiting))
        for _ in range(_OPEN_AT_MOST):  # until all have ended
            waiting.acquire()

    def _noted(self, begun: float, waiting: threading.Semaphore) -> Callable[[Any], None]:
        def done(call: Any) -> None:
            self._note(begun, call.code().name)
            waiting.release()

        return done

    def _note(self, begun: float, code: str) -> None:
        self.taken.append((begun - self.start, time.monotonic() - begun, code))


def _channel(address: str, tls: dict[str, str]) -> grpc.Channel:
    if not tls:
        return grpc.insecure_channel(address, options=_OPTIONS)
    files = [Path(tls[name]).read_bytes() for name in ("root_cert", "client_key", "client_cert")]
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(*files), options=_OPTIONS)


def main() -> None:
    """One load."""
    load = Load(json.load(sys.stdin))
    signal.signal(signal.SIGTERM, lambda *_: load.stop())
    print("started", flush=True)
    load.run()
    print(json.dumps(load.taken))


if __name__ == "__main__":
    main()
