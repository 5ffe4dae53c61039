"""Clients beside the trouble, each in a process of its own so that nothing but the server slows it down."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve.v1 import network_pb2 as pb
from spikeserve.v1 import simulation_pb2

SIMULATE = "/spikeserve.v1.SimulationService/Simulate"
_LOAD_CLIENT = Path(__file__).parent / "load_client.py"
_GRACE_S = 60.0  # for calls whose deadline is later than the end


@dataclass(frozen=True)
class Measured:
    """How the calls of a client went."""

    calls: tuple[tuple[float, float, str], ...]  # begun, seconds, code
    seconds: float

    def latencies(self, code: str = "OK") -> npt.NDArray[np.float64]:
        """Seconds of each call that ended with this code."""
        return np.array([seconds for _, seconds, ended in self.calls if ended == code])

    def quantile(self, fraction: float, code: str = "OK") -> float:
        """Seconds; infinite where no call ended so."""
        latencies = self.latencies(code)
        return float(np.quantile(latencies, fraction)) if len(latencies) else float("inf")

    @property
    def p50(self) -> float:
        """Of the calls that were answered."""
        return self.quantile(0.5)

    @property
    def p99(self) -> float:
        """Of the calls that were answered."""
        return self.quantile(0.99)

    @property
    def codes(self) -> Counter[str]:
        """How many calls ended with which code."""
        return Counter(code for _, _, code in self.calls)

    @property
    def answered(self) -> float:
        """The share of calls that were."""
        return self.codes["OK"] / len(self.calls) if self.calls else 0.0

    @property
    def rate(self) -> float:
        """Answers a second, of those that came within the time."""
        in_time = (begun + took <= self.seconds for begun, took, code in self.calls if code == "OK")
        return sum(in_time) / self.seconds


@dataclass(frozen=True)
class Callers:
    """What a client sends. `seconds` of its life, unless `calls` are made before."""

    address: str
    request: bytes
    seconds: float
    callers: int = 2
    pause_s: float = 0.005
    deadline_s: float = 2.0
    rate: float = 0.0
    calls: int = 0
    metadata: Sequence[tuple[str, str]] = ()
    method: str = SIMULATE
    tls: Mapping[str, str] = field(default_factory=dict)  # files: root_cert, client_cert, client_key
    prefix: Sequence[str] = field(default=())  # of the command, such as a namespace

    def start(self) -> RunningCallers:
        """Returns once the process is about to call."""
        options = {
            name: getattr(self, name)
            for name in (
                "address", "seconds", "callers", "pause_s", "deadline_s", "rate", "calls", "method",
                "tls",
            )
        } | {"request": base64.b64encode(self.request).decode(), "metadata": list(self.metadata)}  # fmt: skip
        command = [*self.prefix, sys.executable, str(_LOAD_CLIENT)]
        return RunningCallers(started(command, options), self.seconds)

    def run(self) -> Measured:
        """All of it, and how it went."""
        return self.start().finish()


class RunningCallers:
    """A client at work."""

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        self._process = process
        self._seconds = seconds

    def stop(self) -> None:
        """Has it make no more calls."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it at once, with the calls under way."""
        self._process.kill()
        self._process.communicate()

    def finish(self) -> Measured:
        """Waits for its end."""
        calls = finished(self._process, self._seconds + _GRACE_S)
        taken = tuple((begun, seconds, code) for begun, seconds, code in calls)
        lasted = max((begun + seconds for begun, seconds, _ in taken), default=self._seconds)
        return Measured(taken, min(lasted, self._seconds))


def started(command: Sequence[str], options: dict[str, Any]) -> subprocess.Popen[str]:
    """A program that takes its options as JSON; it has said that it starts."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(options))
    process.stdin.close()
    process.stdin = None  # closed already, which communicate() does not expect
    line = process.stdout.readline()
    if line != "started\n":
        raise RuntimeError(f"{command} has not started")
    return process


def finished(process: subprocess.Popen[str], timeout: float) -> Any:
    """What such a program says at its end."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"{process.args!r}: not done after {timeout:g} s") from None
    if process.returncode:
        raise RuntimeError(f"{process.args!r}: status {process.returncode}")
    return json.loads(output)


def simulate_request(
    network: str, samples: int, width: int, steps: int, **settings: Any
) -> simulation_pb2.SimulateRequest:
    """A batch of inputs that are all alike, float32 [samples, width]."""
    data = np.full((samples, width), 0.5, "<f4").tobytes()
    inputs = simulation_pb2.Array(data_type=pb.DATA_TYPE_FLOAT32, shape=[samples, width], data=data)
    return simulation_pb2.SimulateRequest(network=network, steps=steps, inputs=[inputs], **settings)
