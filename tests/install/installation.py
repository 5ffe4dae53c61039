"""A virtual environment that knows nothing of the checkout, and commands in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]  # of the checkout
# What pip says where there is no package index; anything else that goes wrong is a failure.
_NO_INDEX = re.compile(r"NewConnectionError|ConnectTimeout|ReadTimeout|NameResolutionError|unreachable")
# What a user's shell has, and what this machine needs to reach its package index.
_KEPT = re.compile(r"PIP_.*|SSL_.*|.*_proxy|HOME|LANG|TMPDIR", re.IGNORECASE)
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_SECONDS = 300


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `folder`."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a shell in which it is activated."""
        kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
        return kept | {"PATH": f"{self.folder / 'bin'}:{_SYSTEM_PATH}"}

    @property
    def package(self) -> Path:
        """The folder of the installed package."""
        [package] = self.folder.glob("lib/python*/site-packages/spikeserve")
        return package

    def run(
        self, *command: str | Path, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command as if typed in a shell, away from the checkout."""
        program = self.folder / "bin" / command[0]
        done = subprocess.run(
            [program, *command[1:]],
            cwd=self.folder,
            env=self.variables | variables,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def pip(self, *arguments: str | Path) -> None:
        """pip; the test is skipped where no package index answers."""
        done = self.run("python", "-m", "pip", "--disable-pip-version-check", *arguments, check=False)
        if done.returncode != 0 and _NO_INDEX.search(done.stderr):
            pytest.skip(f"no package index can be reached: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, f"pip {arguments}:\n{done.stdout}{done.stderr}"

    @contextmanager
    def serving(self, *flags: str | Path) -> Iterator[tuple[str, str]]:
        """`spikeserve serve` on ports that it picks: its address and that of its metrics."""
        command = [self.folder / "bin" / "spikeserve", "serve", "--listen", "localhost:0", "--metrics-listen",
                   "127.0.0.1:0", "--http-listen", "none", *flags]  # fmt: skip
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.variables, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            metrics = process.stdout.readline().rstrip().removeprefix("metrics on ")
            address = process.stdout.readline().rstrip().removeprefix("listening on ")
            assert address, f"{command} ended with status {process.wait(30)}"
            yield address, metrics
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def new_environment(folder: Path) -> Environment:
    """An empty virtual environment, without the packages of the system."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    return Environment(folder / "venv")
