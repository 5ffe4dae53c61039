"""Writes what a run of tests/chaos has measured into docs/reliability.md, between its markers.

`make reliability` calls it after the long form. What is outside the markers is written by hand and stays.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "build" / "chaos.json"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: made by `make reliability` -->", "<!-- end of the figures -->"
# Tables in their order, each with its heading and what stands before its rows.
TABLES = {
    "attacks": (
        "Attacks",
        "A well-behaved client, two callers that send one sample at a time with a pause of 5 ms and a "
        "deadline of 2 s, beside each attack. `alone`: the same client with nothing beside it. `grown`: how "
        "much the server's memory grew at most.",
    ),
    "endurance": ("Endurance", "What was repeated, and what was lost by it."),
    "overload": (
        "Overload and fairness",
        "`accepted` are the calls that were answered, `expired` those that got neither an answer nor, within "
        "four fifths of their deadline, a refusal. Goodput is what was computed for answers in a second, "
        "`of best` beside that of a few callers who wait for each answer.",
    ),
}


def text(value: Any) -> str:
    """A cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float) and value == float("inf"):
        return "none answered"
    return str(value)


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Rows as Markdown; a column for each cell that any of them has."""
    columns = list(dict.fromkeys(name for cells in rows.values() for name in cells))
    heads = [name.replace("_ms", " (ms)").replace("_mib", " (MiB)").replace("_", " ") for name in columns]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(columns)}"]
    for name, cells in rows.items():
        lines.append(f"| {name} | {' | '.join(text(cells.get(column, '')) for column in columns)} |")
    return "\n".join(lines)


def section(figures: dict[str, Any]) -> str:
    """All of what is between the markers."""
    about = figures["about"]
    parts = [
        BEGIN,
        f"Measured by a {about['budget']} run with seed {about['seed']} on {about['cores']} cores "
        f"({about['machine']}), which server, attackers and clients shared. Servers had an address space of "
        "3 GB at most.",
    ]
    return "\n\n".join([*parts, *chapters(figures, TABLES), END])


def chapters(figures: dict[str, Any], tables: dict[str, tuple[str, str]]) -> list[str]:
    """Headings, what stands before the rows, and the rows, of those that were measured."""
    parts = []
    for name, (heading, about_it) in tables.items():
        if name in figures["tables"]:
            parts += [f"### {heading}", about_it, table(figures["tables"][name])]
    return parts


def exchanged(page: str, begin: str, text: str, end: str) -> str:
    """The page with `text`, which has the markers, in place of what they enclose; ValueError without them."""
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the page lacks {begin!r} or {end!r}")
    return before + text + after


def written(page: str, figures: dict[str, Any]) -> str:
    """The page with these figures; ValueError where it has no place for them."""
    return exchanged(page, BEGIN, section(figures), END)


def main() -> int:
    """Status 1 where nothing was measured."""
    if not FIGURES.is_file():
        print(f"reliability: {FIGURES} is missing; run make chaos-long first", file=sys.stderr)
        return 1
    page = written(PAGE.read_text(encoding="utf-8"), json.loads(FIGURES.read_text(encoding="utf-8")))
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
