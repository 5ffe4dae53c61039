"""What a server has in hand: by its own gauges, and by what the kernel says of its process."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import servers

import spikeserve

_MIB = 1 << 20


@dataclass(frozen=True)
class Held:
    """At one moment."""

    memory_used: int  # bytes that the server has reserved
    queued: int  # samples
    networks: int
    resident: int  # bytes of these
    descriptors: int


class Gauges:
    """Reads those of one server."""

    def __init__(self, server: spikeserve.LocalServer) -> None:
        self._server = server
        self._process = Path("/proc") / str(server.process.pid)

    def held(self) -> Held:
        """Now."""
        values = servers.metrics(self._server)
        return Held(
            memory_used=int(values["spikeserve_memory_used_bytes"]),
            queued=int(values["spikeserve_queue_samples"]),
            networks=int(values["spikeserve_networks"]),
            resident=int(values["spikeserve_resident_bytes"]),
            descriptors=self.descriptors(),
        )

    def descriptors(self) -> int:
        """Open files and connections."""
        return len(list((self._process / "fd").iterdir()))

    def resident_mib(self) -> float:
        """Memory of the process now."""
        return self._status("VmRSS") / 1024

    def peak_mib(self) -> float:
        """The most that it ever was."""
        return self._status("VmHWM") / 1024

    def require_back(self, before: Held, timeout: float = 60.0) -> None:
        """Waits until nothing is held that was not held `before`; AssertionError where that does not come."""
        end = time.monotonic() + timeout
        while not self._no_more_than(before):
            assert time.monotonic() < end, f"got {self.held()}, before it was {before}"
            time.sleep(0.05)

    def _no_more_than(self, before: Held) -> bool:
        now = self.held()
        # The connection that asks is one of those that are counted, both times.
        return (
            now.queued == 0
            and now.memory_used <= before.memory_used
            and now.descriptors <= before.descriptors
            and (now.networks, now.resident) == (before.networks, before.resident)
        )

    def _status(self, name: str) -> int:
        found = re.search(rf"^{name}:\s*(\d+) kB", (self._process / "status").read_text(), re.MULTILINE)
        assert found, f"{name} of process {self._server.process.pid}"
        return int(found[1])
