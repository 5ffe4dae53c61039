"""What was measured, one file, from which tools/fleet_figures.py writes a page."""

from __future__ import annotations

import json
import os
import platform
from collections import defaultdict
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[2] / "build" / "fleet.json"


class Figures:
    """Tables of rows; a row has a name and its cells."""

    def __init__(self, budget: str) -> None:
        self._tables: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._about = {"budget": budget, "cores": os.cpu_count(), "machine": platform.machine()}

    def add(self, table: str, row: str, **cells: Any) -> None:
        """A row, printed too."""
        self._tables[table][row] = cells
        print(f"{table}: {row}: " + ", ".join(f"{name} {value}" for name, value in cells.items()))

    def write(self) -> None:
        """Beside what earlier runs of other tests have left there."""
        if not self._tables:
            return
        PATH.parent.mkdir(exist_ok=True)
        tables = json.loads(PATH.read_text())["tables"] if PATH.is_file() else {}
        for name, rows in self._tables.items():
            tables.setdefault(name, {}).update(rows)
        PATH.write_text(json.dumps({"about": self._about, "tables": tables}, indent=1) + "\n")
