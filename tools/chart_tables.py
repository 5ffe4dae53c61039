"""Writes what the chart in deploy/helm/spikeserve says twice.

The table of values in its README is from values.yaml, the flags in its schema are from the server's --help.
`--check` changes nothing and fails where either differs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "deploy" / "helm" / "spikeserve"
SERVER = ROOT / "build" / "release" / "server" / "app" / "spikeserve-server"
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"
# `  --max-batch INT:INT in [1 - 2147483647]=64 (Env:...)`, and below it what it is.
FLAG = re.compile(
    r"^  --(?P<name>[a-z0-9-]+) (?P<type>INT|FLOAT|TEXT)(?::(?P<range>\S+ in \[[^\]]*\]|\{[^}]*\}))?.*$",
    re.MULTILINE,
)
KEY = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z]+):")


def flags_of(server: Path) -> dict[str, dict[str, Any]]:
    """The JSON schema of each flag that takes a value, by its name without dashes."""
    text = subprocess.run([server, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    return {found["name"]: _schema(found["type"], found["range"]) for found in FLAG.finditer(text)}


def _schema(kind: str, allowed: str | None) -> dict[str, Any]:
    if kind == "TEXT":
        return {"enum": allowed[1:-1].split(",")} if allowed else {"type": "string"}
    schema: dict[str, Any] = {"type": "integer" if kind == "INT" else "number"}
    if allowed:
        low, high = allowed[allowed.index("[") + 1 : -1].split(" - ")
        schema |= {"minimum": json.loads(low), "maximum": json.loads(high)}
    return schema


def rows(text: str) -> Iterator[tuple[str, Any, str]]:
    """Path, default and description of each value; ValueError where one has no description.

    What stands in comment lines right above a key describes it with all below it.
    """
    comment: list[str] = []
    path: list[tuple[int, str]] = []
    described = -1  # the indent of the described key that the lines belong to
    for line in text.splitlines():
        key = KEY.match(line)
        if line.strip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
        elif key is None:
            comment = []
        else:
            indent = len(key["indent"])
            if described >= 0 and indent > described:
                continue
            described = -1
            path = [(at, name) for at, name in path if at < indent] + [(indent, key["name"])]
            names = [name for _, name in path]
            default: Any = yaml.safe_load(text)
            for name in names:
                default = default[name]
            if comment:
                described = indent
                yield ".".join(names), default, " ".join(comment)
            elif not isinstance(default, dict):
                raise ValueError(f"values.yaml: {'.'.join(names)} has no comment above it")
            comment = []


def _shown(default: Any) -> str:
    if default in ("", [], {}):
        return ""
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"


def table(text: str) -> str:
    """The values as a table of Markdown."""
    lines = ["| value | default | |", "|---|---|---|"]
    for path, default, description in rows(text):
        lines.append(f"| `{path}` | {_shown(default)} | {description} |".replace("|  |", "| |"))
    return "\n".join(lines)


def written(server: Path) -> dict[Path, str]:
    """What the two files should hold."""
    readme, schema = CHART / "README.md", CHART / "values.schema.json"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    values = table((CHART / "values.yaml").read_text(encoding="utf-8"))
    checked = json.loads(schema.read_text(encoding="utf-8"))
    checked["properties"]["flags"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": flags_of(server),
    }
    return {
        readme: f"{before}{BEGIN}\n{values}\n{END}{after}",
        schema: json.dumps(checked, indent=2) + "\n",
    }


def main() -> int:
    """Writes or checks both; the status is 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail where something differs")
    check = parser.parse_args().check
    server = Path(os.environ.get("SPIKESERVE_SERVER_BINARY", SERVER))
    differ = [path for path, text in written(server).items() if path.read_text(encoding="utf-8") != text]
    for path in differ:
        if check:
            print(
                f"{path.relative_to(ROOT)} differs from values.yaml or the server's --help: make chart-tables"
            )
        else:
            path.write_text(written(server)[path], encoding="utf-8")
            print(f"{path.relative_to(ROOT)} is written")
    return 1 if check and differ else 0


if __name__ == "__main__":
    sys.exit(main())
