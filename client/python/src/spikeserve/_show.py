"""How objects show themselves: a line or a few as text, a small table in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_ROWS = 20  # of a table; what is left out is counted


def line(name: str, *parts: str) -> str:
    """`<NAME: PART, PART>` without the parts that are empty."""
    return f"<{name}: {', '.join(part for part in parts if part)}>"


def count(number: int, word: str) -> str:
    """A number of things, e.g. "1 layer" or "2 layers"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def array(values: npt.NDArray[Any]) -> str:
    """Shape and type, not the values."""
    return f"{list(values.shape)} {values.dtype}"


def some(values: Iterable[Any], limit: int = 8) -> str:
    """The first values, with three dots for the others."""
    shown = [str(value) for _, value in zip(range(limit + 1), values, strict=False)]
    return " ".join([*shown[:limit], "..."] if len(shown) > limit else shown)


def some_of(parts: Sequence[str], limit: int = 4) -> str:
    """The first parts of a list, and how many more there are."""
    more = [f"{len(parts) - limit:,} more"] if len(parts) > limit else []
    return ", ".join([*parts[:limit], *more])


def span(values: npt.NDArray[Any]) -> str:
    """The smallest and the largest value."""
    if not values.size:
        return "none"
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def rows_as_text(title: str, rows: Sequence[str]) -> str:
    """A title and a line for each of the first rows."""
    lines = [title, *(f"  {row}" for row in rows[:MAX_ROWS])]
    if len(rows) > MAX_ROWS:
        lines.append(f"  ... and {len(rows) - MAX_ROWS:,} more")
    return "\n".join(lines)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table of the first rows."""
    cells = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row) + "</tr>"
        for row in rows[:MAX_ROWS]
    )
    more = f"<p>... and {len(rows) - MAX_ROWS:,} more</p>" if len(rows) > MAX_ROWS else ""
    head = f"<thead><tr>{cells}</tr></thead>" if columns else ""
    return f"<p>{escape(title)}</p><table>{head}<tbody>{body}</tbody></table>{more}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
