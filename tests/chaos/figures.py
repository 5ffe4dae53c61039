"""Figures of a run, one file of them, from which docs/reliability.md is written."""

from __future__ import annotations

import json
import os
import platform
from collections import defaultdict
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[2] / "build" / "chaos.json"


class Figures:
    """Tables of rows; a row has a name and its cells."""

    def __init__(self, budget: str, seed: int) -> None:
        self._tables: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._about = {
            "budget": budget,
            "seed": seed,
            "cores": os.cpu_count(),
            "machine": platform.machine(),
        }

    def add(self, table: str, row: str, **cells: Any) -> None:
        """A row; printed too, so that a log shows what a failing run has measured."""
        self._tables[table][row] = cells
        print(f"{table}: {row}: " + ", ".join(f"{name} {value}" for name, value in cells.items()))

    def write(self, path: Path = PATH) -> None:
        """Beside what earlier runs of other scenarios have left there."""
        if not self._tables:
            return
        path.parent.mkdir(exist_ok=True)
        tables = json.loads(path.read_text())["tables"] if path.is_file() else {}
        for name, rows in self._tables.items():
            tables.setdefault(name, {}).update(rows)
        path.write_text(json.dumps({"about": self._about, "tables": tables}, indent=1) + "\n")


def ms(seconds: float) -> float:
    """Milliseconds, with as many digits as they are worth."""
    return round(seconds * 1000, 1 if seconds < 0.1 else 0)
