"""Programs that we did not write, each in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def fetched(tool: str) -> Path:
    """What tools/fetch-tool.sh says is to be run of a program; skips where this machine cannot have it."""
    done = subprocess.run(
        [ROOT / "tools" / "fetch-tool.sh", tool], capture_output=True, text=True, check=False
    )
    if done.returncode == 3:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, f"{tool}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return Path(done.stdout.strip().splitlines()[-1])


def run_tool(python: Path, script: str, *arguments: str) -> str:
    """What the script prints; its error where it fails."""
    done = subprocess.run(
        [python, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
