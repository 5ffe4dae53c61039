"""Fails on files and folders that are too long, big or full, and on text that must not be in them.

That is a path that exists on one machine only, a merge conflict, or code that tests cannot force to run.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import sources

MAX_BYTES = 5_000_000
MAX_LINES = 400
HARD_MAX_LINES = 600
# A room with more files than that is two.
MAX_FILES = 32
ROOMS = ("server/", "kernels/", "client/")
CODE = (".h", ".cc", ".cu", ".cuh", ".py", ".go", ".proto", ".sh", ".cmake", "CMakeLists.txt", "Makefile")
# Files that may have more than MAX_LINES, each with the reason.
LONG_FILES: dict[str, str] = {
    "proto/spikeserve/v1/network.proto": "a message that moves to another file moves in clients' code too"
}
# First folders of absolute paths that a private machine has and a reader does not.
PRIVATE_FOLDERS = ("work", "farm", "home", "Users")
PRIVATE_PATH = re.compile(
    rf"(?:^|[^A-Za-z0-9_.])/(?:{'|'.join(PRIVATE_FOLDERS)})/|\.\./(?:shared)\b", re.MULTILINE
)
CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
# Ways of choosing an instruction set that kernels/cpu/target.h, with which tests go through all of them, does
# not reach.
OWN_DISPATCH = re.compile(r"\b(?:target_clones|__builtin_cpu_(?:supports|is|init)|ifunc)\b")


def length_violations(path: str, text: str) -> list[str]:
    """A code file that is too long."""
    lines = text.count("\n")
    limit = HARD_MAX_LINES if path in LONG_FILES else MAX_LINES
    if not path.endswith(CODE) or lines <= limit:
        return []
    return [f"{path}: {lines} lines, allowed are {limit}"]


def text_violations(path: str, text: str) -> list[str]:
    """Lines that must not be in the repository."""
    found = length_violations(path, text)
    patterns = [(PRIVATE_PATH, "a path of one machine"), (CONFLICT, "a merge conflict")]
    if path.startswith(("server/", "kernels/")):
        patterns.append((OWN_DISPATCH, "an instruction set that no test can force"))
    for pattern, what in patterns:
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path}:{line}: {what}: {match[0].strip()!r}")
    return found


def crowded_folders(names: list[str]) -> list[str]:
    """Folders of product code that hold too many files."""
    counts = Counter(name.rpartition("/")[0] for name in names if name.startswith(ROOMS))
    return [
        f"{folder}: {count} files, allowed are {MAX_FILES}; make a room of some of them"
        for folder, count in sorted(counts.items())
        if count > MAX_FILES
    ]


def check(root: Path) -> tuple[int, list[str]]:
    """Number of files looked at, and all violations."""
    names = sources.files(root)
    found = crowded_folders(names)
    for name in names:
        content = (root / name).read_bytes()
        if len(content) > MAX_BYTES:
            found.append(f"{name}: {len(content)} bytes, allowed are {MAX_BYTES}")
        if b"\0" not in content[:8192]:
            found += text_violations(name, content.decode("utf-8", errors="replace"))
    return len(names), found


def main() -> int:
    count, found = check(sources.ROOT)
    print("\n".join(found) if found else f"repository: {count} files are in order")
    return 1 if found or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
