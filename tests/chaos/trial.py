"""A server under attack, and a well-behaved client beside it that says what others notice."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import servers
from budget import Budget
from callers import Callers, Measured, finished, simulate_request, started
from figures import Figures, ms
from gauges import Gauges, Held
from stage import ADDRESS_SPACE, Stage

import spikeserve
from spikeserve.v1 import network_pb2
from spikeserve.v1.simulation_pb2 import SessionOpen, SessionRequest, SimulateRequest, SimulateStreamRequest

NAME = "chaos"
WIDTH = 196  # inputs of the network; a request of one sample is 784 bytes
STEPS = 10
ATTACKERS_FROM = "127.0.0.2"
_ATTACKERS = Path(__file__).parent / "attackers" / "run.py"
# Both ends and the attacker share a machine that others may use too: what is bounded is being starved, not
# being slowed down.
LEAST_ANSWERED = 0.97
_SLOWER, _AT_LEAST_S = 10.0, 0.5
_MOST_MIB = 128.0  # that an attack may make the server grow


@dataclass(frozen=True)
class Outcome:
    """What an attack did, and what the healthy client saw meanwhile."""

    healthy: Measured
    attacker: dict[str, Any]
    grown_mib: float  # the most that the server grew


class Trial:
    """One server with one network. `before` is what it held when nothing had happened."""

    alone: ClassVar[list[Measured]] = []  # of this run, measured by the first that needs it

    def __init__(self, stage: Stage, figures: Figures, budget: Budget, tool: Path, seed: int) -> None:
        self.stage = stage
        self.figures = figures
        self.budget = budget
        self.seed = seed
        self._tool = tool
        self.server: spikeserve.LocalServer
        self.gauges: Gauges
        self.before: Held
        self.tls: dict[str, Path] = {}  # certificates of its clients, as keywords of a client

    def open(self, *scene: str, **flags: Any) -> Trial:
        """Starts the server and loads the network; once in a run, measures a healthy client alone."""
        self.server = self.stage.start(ADDRESS_SPACE, *scene, **{"drain_seconds": 5, **flags})
        with self.client() as client:
            client.load(NAME, servers.small_network(WIDTH))
        first = self.healthy(0.3 if self.alone else 3.0).run()
        assert first.answered == 1.0, first.codes
        if not self.alone:
            self.alone.append(first)
        self.gauges = Gauges(self.server)
        self.before = self.gauges.held()
        return self

    def open_tls(self, **flags: Any) -> Trial:
        """A server that has clients show certificates."""
        files = servers.make_certificates(self.stage.folder)
        names = {"root_cert": "ca", "client_cert": "client", "client_key": "client-key"}
        self.tls = {name: files[file] for name, file in names.items()}
        return self.open(
            tls_cert=files["server"], tls_key=files["server-key"], tls_client_ca=files["ca"], **flags
        )

    def client(self) -> spikeserve.Client:
        """A client of this server."""
        return spikeserve.Client(
            self.server.address, root_cert=self.tls.get("root_cert"),
            client_cert=self.tls.get("client_cert"), client_key=self.tls.get("client_key"),
        )  # fmt: skip

    @property
    def unloaded(self) -> Measured:
        """The healthy client with nothing beside it."""
        return self.alone[0]

    def healthy(self, seconds: float, **options: Any) -> Callers:
        """A client that sends one sample at a time, with pauses and a deadline of 2 s."""
        request = simulate_request(NAME, 1, WIDTH, STEPS).SerializeToString()
        return Callers(self.server.address, request, seconds, tls=self._tls_names(), **options)

    @contextmanager
    def attacking(
        self, kind: str, prefix: Sequence[str] = (), **options: Any
    ) -> Iterator[Callable[[], dict[str, Any]]]:
        """An attacker at work; what is yielded waits for its end and says what it has done.

        `prefix`: what comes before its command. One that still works at the end is killed.
        """
        process = self._attacker(kind, options, prefix)
        try:
            yield lambda: dict(finished(process, self.budget.seconds + 120.0))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def attack(self, kind: str, row: str, newcomer: bool = False, **options: Any) -> Outcome:
        """An attack with the healthy client beside; into the figures as `row`.

        The client is connected before the attack begins, or, as a `newcomer`, connects in the middle of it.
        """
        peak = self.gauges.peak_mib()
        client = None if newcomer else self.healthy(self.budget.seconds).start()
        with self.attacking(kind, **options) as end:
            client = client or self.healthy(self.budget.seconds).start()
            healthy = client.finish()
            done = end()
        alive = self.server.process.poll() is None
        grown = self.gauges.peak_mib() - peak if alive else float("inf")
        self.note(row, healthy, attack=_words(done), grown_mib=round(grown, 1), survived=alive)
        assert alive, f"the server ended with status {self.server.process.returncode}"
        return Outcome(healthy, done, grown)

    def note(self, row: str, healthy: Measured, **cells: Any) -> None:
        """A row of the table of attacks."""
        self.figures.add(
            "attacks", row, calls=len(healthy.calls), answered=round(healthy.answered, 4),
            p50_ms=ms(healthy.p50), p99_ms=ms(healthy.p99), alone_p99_ms=ms(self.unloaded.p99), **cells,
        )  # fmt: skip

    def require_healthy(self, measured: Measured) -> None:
        """The client was not starved: nearly all calls answered, none waited for long."""
        assert measured.answered >= LEAST_ANSWERED, measured.codes
        limit = max(_SLOWER * self.unloaded.p99, _AT_LEAST_S)
        assert measured.p99 <= limit, f"p99 {ms(measured.p99)} ms, alone {ms(self.unloaded.p99)} ms"
        # A client that waits for each answer makes few calls where each takes long.
        assert measured.rate >= self.unloaded.rate / 5, f"{measured.rate:.0f}/s of {self.unloaded.rate:.0f}/s"

    def require_held(self, outcome: Outcome) -> None:
        """What is asked of every attack: others do not notice, memory is bounded, nothing is left over."""
        self.require_healthy(outcome.healthy)
        assert outcome.grown_mib <= _MOST_MIB
        self.require_clean()

    def require_clean(self) -> None:
        """Nothing is held any more; the server answers, and ends as it should."""
        self.gauges.require_back(self.before)
        with self.client() as client:
            inputs = np.full((1, WIDTH), 0.5, np.float32)
            assert client.simulate(NAME, inputs, steps=STEPS, timeout=10).samples == 1
        assert self.server.stop() == 0

    def call_files(self, steps: int = 2_000) -> dict[str, str]:
        """Files with a request that is quick, and with a stream of 64 samples that reports each step."""
        quick = simulate_request(NAME, 1, WIDTH, STEPS)
        stream = SimulateStreamRequest(request=simulate_request(NAME, 64, WIDTH, steps), report_every=1)
        paths = {}
        for name, message in (("request", quick), ("long_request", stream)):
            path = self.stage.folder / name
            path.write_bytes(message.SerializeToString())
            paths[name] = str(path)
        return paths

    def bodies(self, samples: int) -> dict[str, str]:
        """Files with the first message of an upload, a session, and a stream of so many samples, by path."""
        header = network_pb2.LoadNetworkHeader(name="half", total_bytes=16 << 20, sha256=bytes(32))
        stream = SimulateStreamRequest(request=simulate_request(NAME, samples, WIDTH, 10_000), report_every=1)
        opened = SessionOpen(settings=SimulateRequest(network=NAME), batch=4)
        messages = {
            "NetworkService/LoadNetwork": network_pb2.LoadNetworkRequest(header=header),
            "SimulationService/SimulateStream": stream,
            "SimulationService/Session": SessionRequest(open=opened),
        }
        paths = {}
        for name, message in messages.items():
            path = self.stage.folder / name.rpartition("/")[2]
            path.write_bytes(message.SerializeToString())
            paths[f"/spikeserve.v1.{name}"] = str(path)
        return paths

    def _tls_names(self) -> dict[str, str]:
        return {name: str(path) for name, path in self.tls.items()}

    def _attacker(
        self, kind: str, options: dict[str, Any], prefix: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        given = {
            "address": self.server.address, "source": ATTACKERS_FROM, "seed": self.seed, "connections": 1,
            "seconds": self.budget.seconds, "frames": self.budget.frames, "tls": self._tls_names(), **options,
        }  # fmt: skip
        return started([*prefix, str(self._tool), str(_ATTACKERS), kind], given)


def _words(counts: dict[str, Any]) -> str:
    return ", ".join(f"{value:,} {name}" for name, value in sorted(counts.items()))
