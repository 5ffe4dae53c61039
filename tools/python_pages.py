"""Writes the page that the reference of the Python package is built from.

    tools/python_pages.py PAGE

It names every public object of the package for mkdocstrings, which shows their signatures and docstrings, and
adds a table of the fields of each data class with the comments behind them. A public object, method or
property without a docstring is an error.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import spikeserve
from spikeserve import encodings, plot, samples

# Public beside what the package itself offers.
MODULES = (encodings, samples, plot)
_INTRODUCTION = """# Python reference

Everything public: what `import spikeserve` offers, and the modules `encodings`, `samples` and `plot`.
[Converter](../docs/converter.md) and [Exploring](../docs/exploring.md) show how it is used. The messages in
`spikeserve.v1` are those of the [protocol](protocol.md).
"""


@dataclass
class Field:
    """A field of a data class or a typed dictionary, as its source has it."""

    name: str
    type: str
    default: str
    comment: str


@dataclass
class ClassSource:
    """What the source of a class says that the class object does not."""

    docstring: str | None
    fields: list[Field] = field(default_factory=list)


def read_class(cls: type) -> ClassSource:
    """Docstring and fields with their comments, from the source of a class."""
    lines = textwrap.dedent(inspect.getsource(cls)).splitlines()
    (node,) = ast.parse("\n".join(lines)).body
    assert isinstance(node, ast.ClassDef)
    source = ClassSource(ast.get_docstring(node))
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if statement.target.id.startswith("_") or statement.end_lineno is None:
            continue
        behind = lines[statement.end_lineno - 1][statement.end_col_offset :]
        default = "" if statement.value is None else ast.unparse(statement.value)
        source.fields.append(
            Field(
                statement.target.id,
                ast.unparse(statement.annotation),
                "" if default.startswith("field(") else default,
                behind.strip().removeprefix("#").strip(),
            )
        )
    return source


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class and its bases in the same package."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] == cls.__module__.partition(".")[0]:
            found |= vars(base)
    for name, member in found.items():
        kinds = (property, staticmethod, classmethod)
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, kinds)):
            yield name, member


def missing_docstrings(name: str, thing: Any) -> list[str]:
    """What of a public object has no docstring."""
    if not isinstance(thing, type):
        return [] if inspect.getdoc(thing) else [name]
    missing = [] if read_class(thing).docstring else [name]
    return missing + [f"{name}.{member}" for member, value in members(thing) if not inspect.getdoc(value)]


def public_of(module: ModuleType) -> list[tuple[str, Any]]:
    """The classes and functions that a module defines for others."""
    return [
        (name, thing)
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
    ]


def sections() -> list[tuple[str, list[tuple[str, Any]]]]:
    """Titles and public objects with the names that a user imports, in the order of the page."""
    groups: dict[str, list[tuple[str, Any]]] = {}
    for name in spikeserve.__all__:
        thing = getattr(spikeserve, name)
        if not inspect.ismodule(thing):
            groups.setdefault(thing.__module__, []).append((f"spikeserve.{name}", thing))
    first = [
        "spikeserve.convert.converter", "spikeserve.network", "spikeserve.client", "spikeserve._client_async",
        "spikeserve._requests", "spikeserve.results", "spikeserve.session", "spikeserve.local_server",
    ]  # fmt: skip
    order = [*first, *sorted(set(groups) - set(first))]
    titled = [((sys.modules[module].__doc__ or module).splitlines()[0], groups[module]) for module in order]
    for module in MODULES:
        found = [(f"{module.__name__}.{name}", thing) for name, thing in public_of(module)]
        titled.append((f"`{module.__name__}`: {(module.__doc__ or '').splitlines()[0]}", found))
    return titled


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _entry(thing: Any) -> Iterator[str]:
    yield f"::: {thing.__module__}.{thing.__qualname__}"
    if not isinstance(thing, type):
        yield ""
        return
    shown = [member for member, _ in members(thing)]
    yield from ("    options:", f"      members: {shown or 'false'}", "")
    fields = read_class(thing).fields
    if fields:
        yield from ("| field | type | default | |", "|---|---|---|---|")
    for one in fields:
        default = f"`{_cell(one.default)}`" if one.default else ""
        yield f"| `{one.name}` | `{_cell(one.type)}` | {default} | {_cell(one.comment)} |"
    yield ""


def page() -> str:
    """The whole page; ValueError names every public object without a docstring."""
    lines = [_INTRODUCTION]
    missing = []
    for title, things in sections():
        lines += [f"## {title.rstrip('.')}", ""]
        for name, thing in things:
            missing += missing_docstrings(name, thing)
            lines += _entry(thing)
    if missing:
        raise ValueError("without a docstring: " + ", ".join(missing))
    return "\n".join(lines)


def main() -> int:
    """Writes the page, or says what is missing."""
    target = Path(sys.argv[1])
    try:
        text = page()
    except ValueError as error:
        print(f"python_pages: {error}", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
