"""A client that nothing is wrong with, beside others."""

from __future__ import annotations

import threading
import time

import spikeserve


class Healthy:
    """Calls every 5 ms, with a deadline of `deadline` seconds, from a thread; use it in a `with`."""

    def __init__(self, server: spikeserve.LocalServer, deadline: float = 10, **connection: object) -> None:
        self.answered = 0
        self.errors: list[str] = []
        self._deadline = deadline
        self._end = threading.Event()
        self._client = spikeserve.Client(server.address, timeout=deadline, **connection)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Healthy:
        self._client.list()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._client.close()

    def wait_for(self, answers: int, timeout: float = 60) -> None:
        """Until so many more calls were answered; AssertionError where one fails or it takes too long."""
        wanted = self.answered + answers
        end = time.monotonic() + timeout
        while self.answered < wanted and not self.errors:
            assert time.monotonic() < end, f"{self.answered} of {wanted} answers after {timeout:g} s"
            time.sleep(0.01)
        assert not self.errors

    def _run(self) -> None:
        while not self._end.wait(0.005):
            try:
                self._client.list()
                self.answered += 1
            except spikeserve.SpikeserveError as error:
                self.errors.append(repr(error))
