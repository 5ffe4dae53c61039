"""Servers restarted in turn under load, as tools/rolling-restart.py does it: no call fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from trained_models import ROOT

CALLS = 5_000  # of each run; `tools/rolling-restart.py --calls 100000` is the long form


@pytest.mark.parametrize("health", ["on", "off"])
def test_no_call_fails_while_servers_are_restarted_in_turn(health: str, tmp_path: Path) -> None:
    built = subprocess.run([ROOT / "tools/go.sh", "build"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    output = tmp_path / "restarts.json"
    tool = [sys.executable, str(ROOT / "tools" / "rolling-restart.py")]
    done = subprocess.run(
        [*tool, "--calls", str(CALLS), "--health", health, "--output", str(output)],
        capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = json.loads(output.read_text())
    assert run["restarts"] >= 3
    assert sum(load["calls"] for load in run["loads"].values()) > 0
    assert not any(load["failures"] for load in run["loads"].values())
    assert not run["cancelled"]
