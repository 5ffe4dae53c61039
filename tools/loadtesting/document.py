"""A report as Markdown and as one HTML file, from the same parts."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; }
body { max-width: 88rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .4rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .82rem; }
th, td { padding: .25rem .45rem; border-bottom: 1px solid #ddd; text-align: right; vertical-align: top; }
th { border-bottom: 2px solid #888; font-weight: 600; }
td { white-space: nowrap; }
td.text { white-space: normal; }
th:first-child, th.text, td:first-child, td.text { text-align: left; }
td:first-child { white-space: nowrap; }
.verdict { padding: .8rem 1rem; border-left: .4rem solid; margin: 1rem 0; }
.verdict p { margin: .2rem 0; }
.passed { border-color: #2e7d32; background: #eef7ee; }
.failed { border-color: #b71c1c; background: #fdeeee; }
img { max-width: min(100%, 60rem); display: block; }
code { background: #f3f3f3; padding: 0 .2rem; }
"""


@dataclass(frozen=True)
class Table:
    """Cells of text. `words`: the columns that hold words, not numbers; the first always does."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A PNG, and its file beside the Markdown."""

    file: str
    about: str
    png: bytes


@dataclass
class Document:
    """A title, a verdict, and what follows. Text may hold `code`, and nothing else of Markdown."""

    title: str
    passed: bool
    verdict: Sequence[str]
    parts: list[tuple[str, str | Table | Picture]] = field(default_factory=list)  # with a heading, or ""

    def add(self, part: str | Table | Picture, heading: str = "") -> None:
        """Puts a part at the end."""
        self.parts.append((heading, part))

    def markdown(self) -> str:
        """Pictures are links to files beside it."""
        lines = [f"# {self.title}", "", *(f"- {line}" for line in self.verdict)]
        for heading, part in self.parts:
            lines += ["", *([f"## {heading}", ""] if heading else [])]
            if isinstance(part, Table):
                lines.append(f"| {' | '.join(part.header)} |")
                marks = ["---" if _is_words(part, i) else "---:" for i in range(len(part.header))]
                lines.append(f"|{'|'.join(marks)}|")
                lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in part.rows]
            elif isinstance(part, Picture):
                lines.append(f"![{part.about}]({part.file})")
            else:
                lines.append(part)
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """One file with everything in it."""
        kind = "passed" if self.passed else "failed"
        verdict = "".join(f"<p>{_text(line)}</p>" for line in self.verdict)
        body = [f"<h1>{_text(self.title)}</h1>", f'<div class="verdict {kind}">{verdict}</div>']
        for heading, part in self.parts:
            body += [f"<h2>{_text(heading)}</h2>"] if heading else []
            if isinstance(part, Table):
                body.append(_table(part))
            elif isinstance(part, Picture):
                data = base64.b64encode(part.png).decode()
                body.append(f'<img alt="{html.escape(part.about)}" src="data:image/png;base64,{data}">')
            else:
                body.append(f"<p>{_text(part)}</p>")
        head = f'<meta charset="utf-8"><title>{_text(self.title)}</title><style>{_STYLE}</style>'
        lines = ["<!doctype html>", f'<html lang="en"><head>{head}</head><body>', *body, "</body></html>"]
        return "\n".join(lines) + "\n"


def _is_words(table: Table, column: int) -> bool:
    return column == 0 or column in table.words


def _table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        marked = (
            f"<{tag}{' class=text' if _is_words(table, i) else ''}>{_text(cell)}</{tag}>"
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(marked)}</tr>"

    rows = "\n".join(row(cells, "td") for cells in table.rows)
    return f'<div class="scroll"><table>\n{row(table.header, "th")}\n{rows}\n</table></div>'


def _text(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
