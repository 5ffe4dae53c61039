"""Python environments of their own for programs that we did not write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool_python(name: str, *requirements: str) -> Path:
    """The Python of an environment with these pinned packages, made once; a skip where they are not there."""
    folder = ROOT / "build" / "tools" / name
    python = folder / "bin" / "python"
    stamp = folder / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    made = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip(f"{', '.join(requirements)} cannot be installed: {made.stderr.strip().splitlines()[-1:]}")
    stamp.write_text(wanted)
    return python


def run_tool(python: Path, script: str, *arguments: str) -> str:
    """What the script prints; its error where it fails."""
    done = subprocess.run(
        [python, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
