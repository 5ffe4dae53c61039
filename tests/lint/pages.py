"""Fails where the pages for contributors say something that the repository does not.

Every path in backticks in PAGES that begins with a folder of the repository exists; `*`, `{a,b}` and NAME may
stand in it. The table of rooms in docs/architecture.md allows exactly what layering.py allows: a cell names
rooms, and "all of" a room is that room and everything that it may include. No page links to a file that is
not there.
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path, PurePosixPath

import layering
import sources

PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
ROOMS_PAGE = "docs/architecture.md"
QUOTED = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `([^`]+)` \|[^|]*\|([^|]*)\|$", re.MULTILINE)
ROOM = re.compile(r"(all of )?`([^`]+)`")
FILE = re.compile(r"^- `([^`]+)` may include `([^`]+)` too", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
BRACES = re.compile(r"\{([^{}]*)\}")


def alternatives(path: str) -> list[str]:
    """`a/{b,c}` as `a/b` and `a/c`."""
    parts = [part.split(",") if i % 2 else [part] for i, part in enumerate(BRACES.split(path))]
    return ["".join(chosen) for chosen in itertools.product(*parts)]


def _pattern(path: str) -> re.Pattern[str]:
    """A file, a folder, or what a `*` or NAME within one part of the path stands for."""
    text = re.escape(path.rstrip("/").replace("NAME", "*")).replace(r"\*", "[^/]*")
    return re.compile(text + r"(?:/.*)?")


def path_violations(page: str, text: str, names: list[str]) -> list[str]:
    """Paths in backticks that do not exist."""
    folders = {name.partition("/")[0] for name in names if "/" in name}
    found = []
    for quoted in QUOTED.findall(FENCE.sub("", text)):
        path = quoted.split()[0]
        if "/" not in path or path.partition("/")[0] not in folders:
            continue
        for one in alternatives(path):
            pattern = _pattern(one)
            if not any(pattern.fullmatch(name) for name in names):
                found.append(f"{page}: `{one}` does not exist")
    return found


def room_violations(
    text: str, rooms: dict[str, frozenset[str]], files: dict[str, frozenset[str]]
) -> list[str]:
    """Where the table of rooms differs from what the layering test allows."""
    table = {
        room: frozenset(
            name
            for all_of, named in ROOM.findall(cell)
            for name in {named} | (rooms.get(named, frozenset()) if all_of else frozenset())
        )
        for room, cell in ROW.findall(text)
        if room in rooms or room.startswith(("server/", "kernels/"))
    }
    found = [f"{ROOMS_PAGE}: {room} is no room of layering.py" for room in table if room not in rooms]
    for room, allowed in rooms.items():
        if room not in table:
            found.append(f"{ROOMS_PAGE}: the table does not have {room}")
            continue
        for name in sorted(table[room] ^ allowed):
            says = "may include" if name in table[room] else "may not include"
            found.append(f"{ROOMS_PAGE}: the table says that {room} {says} {name}, layering.py the contrary")
    listed: dict[str, frozenset[str]] = {}
    for path, room in FILE.findall(text):
        listed[path] = listed.get(path, frozenset()) | {room}
    if listed != files:
        found.append(f"{ROOMS_PAGE}: files that may include more: got {listed}, wanted {files}")
    return found


def link_violations(page: str, text: str, root: Path) -> list[str]:
    """Links to files of the repository that are not there."""
    folder = PurePosixPath(page).parent
    return [
        f"{page}: links to {target}, which does not exist"
        for target in LINK.findall(FENCE.sub("", text))
        if not (root / folder / target).exists()
    ]


def check(root: Path) -> tuple[int, list[str]]:
    """Number of pages read, and all violations in them."""
    names = sources.files(root)
    pages = [name for name in names if name.endswith(".md")]
    found = []
    for page in pages:
        text = (root / page).read_text(encoding="utf-8")
        found += link_violations(page, text, root)
        if page in PAGES:
            found += path_violations(page, text, names)
        if page == ROOMS_PAGE:
            found += room_violations(text, layering.ROOMS, layering.FILES)
    return len(pages), found + [f"{page} is missing" for page in PAGES if page not in pages]


def main() -> int:
    count, found = check(sources.ROOT)
    print("\n".join(found) if found else f"pages: {count} are true to the repository")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
