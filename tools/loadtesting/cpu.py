"""CPU time: of the server, of the load test, and of everything else on the machine."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_IDLE = (3, 4)  # fields of /proc/stat that are no work: idle, iowait
_FIELDS = 8  # up to steal, which is work of other machines on the same processor; guests are in user


@dataclass(frozen=True)
class Used:
    """Seconds. `tick` is the resolution."""

    elapsed: float
    server: float
    others: float
    tick: float = _TICK


class Clocks:
    """What is used from now on. `pid`: the server, None where it is not a process of ours."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._start = None if pid is None else self._read(pid)

    def used(self) -> Used | None:
        """Since the construction; None without a server of ours."""
        if self._pid is None or self._start is None:
            return None
        now = self._read(self._pid)
        elapsed, machine, server, own = (b - a for a, b in zip(self._start, now, strict=True))
        return Used(elapsed, server, max(machine - server - own, 0.0))

    @staticmethod
    def _read(pid: int) -> tuple[float, float, float, float]:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        machine = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        busy = sum(value for i, value in enumerate(machine[:_FIELDS]) if i not in _IDLE)
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system  # ghz is a child
        return time.monotonic(), busy * _TICK, (int(fields[11]) + int(fields[12])) * _TICK, own
