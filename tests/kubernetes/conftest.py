"""Checks of objects by schemas, for all tests of the chart and of the examples for KServe."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import charts
import pytest

HERE = Path(__file__).parent

Check = Callable[[list[charts.Manifest]], list[str | None]]


def definitions() -> list[Any]:
    """The definitions of the kinds that others define; of KServe's, parts of our own."""
    files = [*charts.tool("crds").glob("*.yaml"), *(HERE / "schemas").glob("*.yaml")]
    return [part for file in files for part in charts.documents(file.read_text(encoding="utf-8"))]


@pytest.fixture(scope="session")
def mistakes() -> Check:
    """What is wrong with each of some objects by its schema, None where nothing is."""
    python = charts.tool("kubernetes-validate")
    known = definitions()

    def check(objects: list[charts.Manifest]) -> list[str | None]:
        done = subprocess.run(
            [python, HERE / "scripts" / "validate.py"],
            input=json.dumps({"objects": objects, "definitions": known}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        found: list[str | None] = json.loads(done.stdout)
        assert len(found) == len(objects)
        return found

    return check
