"""One profile: ghz, the calls of our own, and the server's counters around them."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from loadtesting import bodies, counters, cpu, ghz
from loadtesting.answers import Caller, Watch
from loadtesting.profiles import Profile
from loadtesting.workload import Workload
from spikeserve._channel import Connection


@dataclass(frozen=True)
class Target:
    """The server under test, and how to reach it."""

    connection: Connection
    server: counters.Server
    root_cert: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None

    def channel(self) -> grpc.Channel:
        """For the calls of our own."""
        connection = self.connection
        if connection.credentials is None:
            return grpc.insecure_channel(connection.address, options=connection.options)
        return grpc.secure_channel(connection.address, connection.credentials, options=connection.options)

    def config(self, scratch: Path) -> dict[str, Any]:
        """What ghz needs to know; a token goes into a file that only its owner can read."""
        connection = self.connection
        settings: dict[str, Any] = {"host": connection.address, "insecure": connection.credentials is None}
        for key, path in (("cacert", self.root_cert), ("cert", self.client_cert), ("key", self.client_key)):
            if path is not None:
                settings[key] = str(path.absolute())
        metadata = connection.metadata("")
        if metadata:
            file = scratch / "metadata.json"
            with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as stream:
                json.dump(dict(metadata), stream)
            settings["metadata-file"] = str(file)
        return settings


@dataclass
class Outcome:
    """What a profile, or a step of the sweep, came to."""

    profile: Profile
    rate: float | None = None  # calls per second that were asked for; None: as fast as answers come
    skipped: str = ""  # why it was not run
    run: ghz.GhzRun | None = None
    batch: counters.Histogram | None = None  # samples of a run of the server
    queue: counters.Histogram | None = None  # seconds
    compute: counters.Histogram | None = None  # seconds
    server_cpu: float | None = None  # cores that the server kept busy
    others_cpu: float | None = None  # cores that neither the server nor the load test used, and yet were busy
    samples_per_cpu_second: float | None = None  # of the server's CPU time alone
    compared: int = 0  # classes of answers
    wrong: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The profile, for a step of the sweep with its rate."""
        return self.profile.name if self.rate is None else f"{self.profile.name} at {self.rate:.0f}/s"

    @property
    def ok(self) -> bool:
        """Whether it ran as it has to, or did not have to run."""
        return not self.problems


class Bench:
    """Measures profiles on one server, one after the other."""

    def __init__(
        self,
        binary: Path,
        target: Target,
        workload: Workload,
        descriptors: bodies.Descriptors,
        folder: Path,
        alone: bool,
    ) -> None:
        self._binary, self._target, self._workload = binary, target, workload
        self._descriptors, self._folder = descriptors, folder
        self._scratch = folder / "ghz"
        self._scratch.mkdir(parents=True, exist_ok=True)
        for old in self._scratch.glob("*.json"):
            old.unlink()
        self._scratch.chmod(0o700)  # ghz copies what a call carries, a token too, into its output
        self._ledger = counters.Ledger(target.server, alone)

    def measure(
        self,
        profile: Profile,
        duration: float,
        *,
        rate: float | None = None,
        expect: frozenset[str] | None = None,
        required: frozenset[str] | None = None,
    ) -> Outcome:
        """One run. `expect`: the codes that may occur, `required`: that must; by default the profile's."""
        outcome = Outcome(profile, rate)
        try:
            body = bodies.make(profile, self._workload, self._descriptors)
        except bodies.BodyError as error:
            return _not_run(outcome, str(error))
        file = self._folder / "bodies" / f"{profile.name}.bin"
        body.write(file)
        with self._target.channel() as channel:
            metadata = self._target.connection.metadata("")
            caller = Caller(channel, metadata, profile, body, self._descriptors)
            caller.all_once()
            if set(caller.tally.codes) == {"UNIMPLEMENTED"}:
                self._book(profile, caller, {})
                return _not_run(outcome, f"the server does not offer {profile.method}")
            try:
                self._load(outcome, self._config(profile, file, duration, rate), caller)
                caller.all_once()
                outcome.problems += self._book(profile, caller, outcome.run.codes if outcome.run else {})
            except ghz.GhzError as error:
                outcome.problems.append(str(error))
            except OSError as error:
                outcome.problems.append(f"the server or its metrics port is gone: {error}")
        outcome.compared, outcome.wrong = caller.tally.compared, caller.tally.wrong
        outcome.problems += caller.tally.problems
        outcome.problems += _code_problems(outcome, caller, expect or profile.expect, required)
        return outcome

    def _load(self, outcome: Outcome, config: dict[str, Any], caller: Caller) -> None:
        """ghz, with the calls of our own in between; fills in what was measured."""
        server = self._target.server
        before, answered = server.look(), caller.tally.codes["OK"]
        clocks = cpu.Clocks(server.pid)
        with Watch(caller):
            outcome.run = ghz.run(self._binary, config, self._scratch)
        used = clocks.used()
        after = server.look()
        if used is not None:
            calls = outcome.run.codes.get("OK", 0) + caller.tally.codes["OK"] - answered
            outcome.server_cpu, outcome.others_cpu = used.server / used.elapsed, used.others / used.elapsed
            outcome.samples_per_cpu_second = calls * outcome.profile.samples / max(used.server, used.tick)
        if server.has_metrics:
            outcome.batch = after.histogram_since(before, counters.BATCH)
            outcome.queue = after.histogram_since(before, counters.QUEUE)
            outcome.compute = after.histogram_since(before, counters.COMPUTE)

    def _config(self, profile: Profile, file: Path, duration: float, rate: float | None) -> dict[str, Any]:
        config = profile.config | self._target.config(self._scratch)
        config |= {"binary-file": str(file.absolute()), "duration": f"{duration:g}s"}
        if "protoset" in config:
            config["protoset"] = str(self._descriptors.path.absolute())
        if rate is not None:
            config |= {"rps": max(round(rate), 1), "name": f"{profile.name}-{max(round(rate), 1)}"}
        return config

    def _book(self, profile: Profile, caller: Caller, codes: dict[str, int]) -> list[str]:
        """Nothing may be lost and nothing invented: what was sent against the server's own count."""
        self._ledger.add(profile.method, caller.tally.codes)
        self._ledger.add(profile.method, Counter(codes))
        return self._ledger.settle()


def _not_run(outcome: Outcome, why: str) -> Outcome:
    """Skipped where the profile is optional, failed where not."""
    if outcome.profile.optional:
        outcome.skipped = why
    else:
        outcome.problems.append(why)
    return outcome


def _code_problems(
    outcome: Outcome, caller: Caller, allowed: frozenset[str], required: frozenset[str] | None
) -> list[str]:
    """Status codes that should not be there, or are missing."""
    found = []
    codes = outcome.run.codes if outcome.run else {}
    for code, count in sorted(codes.items()):
        if code not in allowed:
            text = next(iter(outcome.run.errors), "no message") if outcome.run else ""
            found.append(f"status {code} on {count} calls, wanted {' and '.join(sorted(allowed))}: {text}")
    if codes:
        for code in sorted((allowed if required is None else required) - set(codes)):
            found.append(f"status {code} on none of the calls, wanted on some")
    for code in sorted(set(caller.tally.codes) - allowed):
        assert caller.last_error is not None
        found.append(f"status {code} on a call of our own: {caller.last_error.details()}")
    return found
