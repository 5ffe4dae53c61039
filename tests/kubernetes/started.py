"""A real spikeserve-server, started with the arguments that a manifest gives it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get(
    "SPIKESERVE_SERVER_BINARY", str(ROOT / "build" / "release" / "server" / "app" / "spikeserve-server")
)
PRINTED = re.compile(r"^(metrics|http|listening) on (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Started:
    """A server that is ready, and where it listens."""

    process: subprocess.Popen[str]
    grpc: str
    metrics: str
    http: str


def known_flags() -> set[str]:
    """All flags of the server, without dashes."""
    text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    return set(re.findall(r"^  --([a-z0-9-]+)", text, re.MULTILINE))


def local(argument: str, folders: dict[str, Path]) -> str:
    """An argument for this machine: loopback and any port, its folders, CPUs, and no collector far away."""
    name, _, value = argument.partition("=")
    if name.endswith("listen") and value != "none":
        return f"{name}=127.0.0.1:0"
    if name == "--backend":
        return f"{name}=cpu"
    if name == "--trace-endpoint":
        return f"{name}=127.0.0.1:1"
    for inside, outside in folders.items():
        if value == inside or value.startswith(f"{inside}/"):
            return f"{name}={outside}{value.removeprefix(inside)}"
    return argument


@contextmanager
def started(
    arguments: list[str], folders: dict[str, Path], environment: dict[str, str] | None = None
) -> Iterator[Started]:
    """Runs it until the end of the block, where SIGTERM has to end it with status 0."""
    command = [BINARY, *(local(argument, folders) for argument in arguments)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        lines = ""
        assert process.stdout is not None
        while "listening on " not in lines:
            line = process.stdout.readline()
            assert line, f"{command} ended: {process.communicate()[1]}"
            lines += line
        where = dict(PRINTED.findall(lines))
        yield Started(process, where["listening"], where.get("metrics", ""), where.get("http", ""))
        process.terminate()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
