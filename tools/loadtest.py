"""Loads a server with ghz by the profiles of deploy/ghz, checks answers and counts, and writes a report.

    python tools/loadtest.py                                  # a server of its own, the LeNet, all profiles
    python tools/loadtest.py --short --profiles unary-1,stream
    python tools/loadtest.py --network X.spk --data images.npy -- --max-batch-delay-us 500
    python tools/loadtest.py --address host:8001 --metrics host:8002 --root-cert ca.pem --token-file token

What follows `--` are flags of the server that is started. build/loadtest gets report.html, report.md with
latency.png, and summary.json. Exits with 1, and says which profile, where a status code, a class or a count
is wrong. A running server has to let the network be loaded, under the name `loadtest`; it is unloaded at the
end.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import load_bodies
from loadtesting import bodies, counters, measure, profiles, report, summary, sweep, workload

import spikeserve
from spikeserve._channel import Connection
from spikeserve.samples import SampleFileError

_ROOT = Path(__file__).resolve().parent.parent
_SHORT_SECONDS = 2.0  # of a profile; a step of the sweep takes half as long as a profile
_CLOSED_LOOP = "unary-1"  # what the rates of the sweep begin with
_MAX_MESSAGE_BYTES = 64 << 20


@dataclass(frozen=True)
class Site:
    """The server under test, with the network on it."""

    target: measure.Target
    about: str
    ours: bool  # started by us, so nobody else calls it
    here: bool  # on this machine


def main(argv: list[str] | None = None) -> int:
    """The exit status."""
    arguments = _parse(sys.argv[1:] if argv is None else argv)
    try:
        result = _run(arguments)
        report.write(result, arguments.output)
        if arguments.page is not None and not result.problems:
            report.write_page(result, arguments.page)
    except (
        OSError, workload.WorkloadError, bodies.BodyError, profiles.ProfileError, report.PageError,
        SampleFileError, spikeserve.NetworkFileError, spikeserve.SpikeserveError, spikeserve.ServerStartError,
    ) as error:  # fmt: skip
        print(f"loadtest: failed: {error}", file=sys.stderr)
        return 1
    print(f"report: {arguments.output / 'report.html'}")
    for problem in result.problems:
        print(f"loadtest: failed: {problem}", file=sys.stderr)
    if not result.problems:
        print("loadtest: ok")
    return 1 if result.problems else 0


def _run(arguments: argparse.Namespace) -> summary.Result:
    """All of it: the network and its classes, the server, the profiles, the sweep."""
    chosen = _chosen(arguments.profiles)
    flags = _flags(arguments.server_flags)
    arguments.output.mkdir(parents=True, exist_ok=True)
    report.clear(arguments.output)
    ghz = _find_ghz(arguments.ghz)
    descriptors = bodies.compile_protoset(arguments.output / "spikeserve.protoset")
    print("preparing: the network, and the right classes", flush=True)
    work = workload.prepare(
        arguments.network, arguments.data, arguments.expected, count=arguments.samples, steps=arguments.steps
    )
    before = os.getloadavg()[0]
    with _site(arguments, flags, work) as site:
        bench = measure.Bench(ghz, site.target, work, descriptors, arguments.output, alone=site.ours)
        outcomes, swept = _profiles(bench, chosen, arguments)
    setting = summary.Setting(
        command=shlex.join(["python", "tools/loadtest.py", *_shown(arguments.given)]),
        version=site.target.server.version,
        server=site.about,
        workload=work.origin,
        steps=work.steps,
        ghz=ghz.name,
        load_before=before,
        load_after=os.getloadavg()[0],
        cores=os.cpu_count() or 1,
        shared_cores=site.here,
    )
    return summary.Result(setting, outcomes, swept)


def _profiles(
    bench: measure.Bench, chosen: list[profiles.Profile], arguments: argparse.Namespace
) -> tuple[list[measure.Outcome], sweep.Sweep | None]:
    """Every profile in turn; the one in open loop at many rates."""
    duration = arguments.duration or (_SHORT_SECONDS if arguments.short else None)
    outcomes = []
    swept = None
    for profile in chosen:
        lasting = duration or profile.duration
        if profile.name != profiles.OPEN_LOOP:
            print(f"{profile.name}: {profile.about}", flush=True)
            outcomes.append(bench.measure(profile, lasting))
            continue
        known = next((item.run for item in outcomes if item.profile.name == _CLOSED_LOOP and item.run), None)
        if known is None:
            first = bench.measure(profiles.read_all()[_CLOSED_LOOP], lasting / 2)
            outcomes.append(first)
            known = first.run
        if known is not None and known.served > 0:
            swept = _sweep(bench, profile, lasting / 2, known.served, arguments.short)
    return outcomes, swept


def _sweep(
    bench: measure.Bench, profile: profiles.Profile, duration: float, closed_loop: float, short: bool
) -> sweep.Sweep:
    def step(rate: float, beyond: bool) -> measure.Outcome:
        print(f"{profile.name}: {rate:,.0f} calls/s", flush=True)
        allowed = profile.expect | {"RESOURCE_EXHAUSTED"} if beyond else profile.expect
        return bench.measure(profile, duration, rate=rate, expect=allowed, required=profile.expect)

    return sweep.run(step, closed_loop, short)


@contextmanager
def _site(arguments: argparse.Namespace, flags: dict[str, Any], work: workload.Workload) -> Iterator[Site]:
    """The server, with the network loaded meanwhile."""
    if arguments.address:
        target = _target(arguments, arguments.address, counters.Server(arguments.metrics, None))
        with _client(target.connection) as client:
            version = client.load(workload.NAME, work.network)
            here = arguments.address.startswith(("unix:", "127.", "localhost:", "[::1]"))
            try:
                yield Site(target, f"{arguments.address}, running already", ours=False, here=here)
            finally:
                _unload(client, version)
        return
    with spikeserve.serve(backend="cpu", **flags) as local:
        target = _target(arguments, local.address, counters.Server(local.metrics_address, local.process.pid))
        with _client(target.connection) as client:
            client.load(workload.NAME, work.network)
        shown = " ".join(arguments.server_flags) or "default flags"
        yield Site(target, f"started for this, on the CPU, {shown}", ours=True, here=True)


def _unload(client: spikeserve.Client, version: int) -> None:
    """Leaves the server as it was; where that fails, the report is still worth having."""
    try:
        client.unload(workload.NAME, version)
    except spikeserve.SpikeserveError as error:
        print(f"loadtest: `{workload.NAME}` stays on the server: {error}", file=sys.stderr)


def _client(connection: Connection) -> spikeserve.Client:
    return spikeserve.Client(
        connection.address,
        token=connection.token,
        root_cert=connection.root_cert,
        client_cert=connection.client_cert,
        client_key=connection.client_key,
    )


def _target(arguments: argparse.Namespace, address: str, server: counters.Server) -> measure.Target:
    connection = Connection(
        address=address,
        token=arguments.token_file.read_text().strip() if arguments.token_file else None,
        root_cert=arguments.root_cert,
        client_cert=arguments.client_cert,
        client_key=arguments.client_key,
        tls=False,
        timeout=None,
        max_message_bytes=_MAX_MESSAGE_BYTES,
    )
    return measure.Target(
        connection, server, arguments.root_cert, arguments.client_cert, arguments.client_key
    )


def _find_ghz(given: Path | None) -> Path:
    """ghz, installed where it is not; OSError where it cannot be."""
    if given is not None:
        return given
    done = subprocess.run([_ROOT / "tools" / "ghz.sh"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip() or "tools/ghz.sh failed")
    return Path(done.stdout.strip())


def _chosen(names: str | None) -> list[profiles.Profile]:
    known = profiles.read_all()
    wanted = names.split(",") if names else [*known]
    for name in wanted:
        if name not in known:
            raise profiles.ProfileError(f"profile {name!r} is not known, wanted some of {', '.join(known)}")
    return [profile for name, profile in known.items() if name in wanted]


def _flags(given: list[str]) -> dict[str, Any]:
    """`--max-queue 64 --workers=1` as keywords of `spikeserve.serve`."""
    words = [part for word in given for part in word.split("=", 1)]
    if len(words) % 2 or not all(word.startswith("--") for word in words[::2]):
        raise profiles.ProfileError(f"server flags {shlex.join(given)!r}, wanted --FLAG VALUE ...")
    return {name[2:].replace("-", "_"): value for name, value in zip(words[::2], words[1::2], strict=True)}


def _shown(given: list[str]) -> list[str]:
    """The command line without the folders of this machine."""
    return [Path(word).name if word.startswith("/") else word for word in given]


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    load_bodies.add_workload_options(parser)
    parser.add_argument(
        "--expected", type=Path, help="classes [n] that are right; default: they are computed"
    )
    parser.add_argument(
        "--address", help="HOST:PORT or unix:PATH of a running server; default: one is started"
    )
    parser.add_argument("--metrics", help="HOST:PORT of its metrics; without it no counts are compared")
    parser.add_argument("--token-file", type=Path, help="file with an admin token of the running server")
    for name in ("root", "client"):
        parser.add_argument(f"--{name}-cert", type=Path, help="PEM file")
    parser.add_argument("--client-key", type=Path, help="PEM file")
    parser.add_argument("--profiles", help="names from deploy/ghz, separated by commas; default: all")
    parser.add_argument(
        "--duration",
        type=load_bodies.positive(float),
        help="seconds of a profile; default: what its file says",
    )
    parser.add_argument("--short", action="store_true", help="2 s for each profile, fewer steps of load")
    parser.add_argument("--ghz", type=Path, help="the program; default: tools/ghz.sh installs it")
    parser.add_argument("--output", type=Path, default=load_bodies.OUTPUT, help="default: build/loadtest")
    parser.add_argument("--page", type=Path, help="also put the figures into this page, docs/load-testing.md")
    parser.add_argument(
        "server_flags", nargs="*", metavar="-- --FLAG VALUE", help="of the server that is started"
    )
    arguments = parser.parse_args(argv)
    arguments.given = argv
    if arguments.address and arguments.server_flags:
        parser.error("--address names a running server, which takes no flags after --")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
