"""Three servers with the same network, each restarted as an operator does it."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import servers

import spikeserve

NETWORK = "restarts"
WIDTH = 64  # inputs and outputs of the network
_METHODS = ("Simulate", "SimulateStream", "Session")
_START_S = 120.0


class Cluster:
    """Servers on ports of their own, with folders of their own; stopped at the end of a `with`."""

    def __init__(self, count: int, lame_duck_seconds: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="restarts-"))
        self._lame_duck_seconds = lame_duck_seconds
        self._before = 0.0  # calls of servers that are gone
        self._servers: list[spikeserve.LocalServer] = []
        self.restarts = 0
        self.cancelled: list[str] = []  # lines of the log about calls that a server has ended with CANCELLED
        self.longest_stop_s = 0.0
        try:
            for index in range(count):
                self._servers.append(self._start(index, "127.0.0.1:0"))
            network = servers.small_network(WIDTH, scale=100.0)
            for server in self._servers:
                with spikeserve.Client(server.address) as client:
                    client.load(NETWORK, network)
        except BaseException:
            self.close()
            raise

    @property
    def addresses(self) -> list[str]:
        """HOST:PORT of each."""
        return [server.address for server in self._servers]

    def calls(self) -> int:
        """Calls that the servers have counted so far, by themselves."""
        return int(self._before + sum(_counted(server) for server in self._servers))

    def all_busy(self) -> bool:
        """Whether each server has answered calls since its start."""
        return all(_counted(server) > 0 for server in self._servers)

    def restart(self, index: int, *, kill: bool = False) -> None:
        """SIGTERM (or SIGKILL), waits for the end, and starts the server anew at the same address."""
        old = self._servers[index]
        self._before += _counted(old)
        begin = time.monotonic()
        if kill:
            old.process.kill()
        else:
            old.process.terminate()
        status = old.process.wait(timeout=120)
        self.longest_stop_s = max(self.longest_stop_s, time.monotonic() - begin)
        self.cancelled += [line for line in old.log.splitlines() if "CANCELLED" in line]
        address = old.address
        old.stop()
        if status != 0 and not kill:
            raise RuntimeError(f"the server at {address} ended with status {status}")
        self._servers[index] = self._start(index, address)
        self.restarts += 1

    def close(self) -> None:
        """Stops all servers and removes their folders."""
        for server in self._servers:
            server.process.kill()  # nobody calls them any more
            server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _start(self, index: int, address: str) -> spikeserve.LocalServer:
        return spikeserve.serve(
            backend="cpu",
            listen=address,
            network_repository=self._folder / str(index),
            start_timeout=_START_S,
            lame_duck_seconds=self._lame_duck_seconds,
            max_sessions=256,
            threads=1,
        )


def _counted(server: spikeserve.LocalServer) -> float:
    values = servers.metrics(server)
    return sum(servers.counter(values, "spikeserve_requests_total", method=method) for method in _METHODS)
