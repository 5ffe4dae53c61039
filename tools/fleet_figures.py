"""Writes what the long form of tests/fleet has measured into deploy/balancers/README.md, between its markers.

`make fleet-long` calls it. What is outside the markers is written by hand and stays.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from reliability import chapters, exchanged

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "build" / "fleet.json"
PAGE = ROOT / "deploy" / "balancers" / "README.md"
BEGIN, END = "<!-- figures: made by `make fleet-long` -->", "<!-- end of the figures -->"
# Tables in their order, each with its heading and what stands before its rows.
TABLES = {
    "spread": (
        "Even spread",
        "Twelve channels that stay open, 60 calls of each, one after the other: the shares of the servers.",
    ),
    "by name": ("Routing by name", "Networks with calls of ten each, and how many of them each server had."),
    "replicas": (
        "Servers that go",
        "`failed` are calls that a program saw fail; a session is one call of twenty messages. `p99` is that "
        "of the slowest kind of call, mostly sessions, which their clients' pauses make 0.2 s long at least. "
        "Nobody is told of a server that is cut off: clients and balancers find out by what is not "
        "acknowledged, after 10 s (HAProxy), 13 s (nginx) and 20 s (clients).",
    ),
}


def section(figures: dict[str, Any]) -> str:
    """All of what is between the markers."""
    about = figures["about"]
    parts = [
        BEGIN,
        f"Measured by a {about['budget']} run on {about['cores']} cores ({about['machine']}), which servers, "
        "balancers and clients shared.",
    ]
    return "\n\n".join([*parts, *chapters(figures, TABLES), END])


def main() -> int:
    """Status 1 where nothing was measured."""
    if not FIGURES.is_file():
        print(f"fleet_figures: {FIGURES} is missing; run make fleet-long first", file=sys.stderr)
        return 1
    text = section(json.loads(FIGURES.read_text(encoding="utf-8")))
    page = exchanged(PAGE.read_text(encoding="utf-8"), BEGIN, text, END)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
