"""Fails where the version number stands in any file but VERSION, from which all others take it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import sources

NUMBER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)\n")
# What was released is history, and recorded data say what made them.
ALLOWED = ("VERSION", "CHANGELOG.md", "tests/data/")


def statements(path: str, text: str, version: str) -> list[str]:
    """Lines of a file that state the version."""
    if path.startswith(ALLOWED):
        return []
    number = re.compile(rf"(?<![\d.]){re.escape(version)}(?!\w|\.\w)")
    return [
        f"{path}:{number_of_line}: states the version {version}; only the file VERSION does"
        for number_of_line, line in enumerate(text.splitlines(), start=1)
        if number.search(line)
    ]


def check(root: Path) -> tuple[int, list[str]]:
    """Number of files looked at, and all violations."""
    content = (root / "VERSION").read_text(encoding="utf-8")
    if not NUMBER.fullmatch(content):
        return 1, [f"VERSION: got {content!r}, wanted MAJOR.MINOR.PATCH and the end of the line"]
    names = sources.files(root)
    found = []
    for name in names:
        text = (root / name).read_bytes()
        if b"\0" not in text[:8192]:
            found += statements(name, text.decode("utf-8", errors="replace"), content.strip())
    return len(names), found


def main() -> int:
    count, found = check(sources.ROOT)
    print("\n".join(found) if found else f"version: stated once in {count} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
