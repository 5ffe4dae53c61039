"""Fails on a C++ file that clang-format 16 would change. Exits 77 (skipped) without that very version.

Versions lay the same file out differently, so another one would only raise false alarms.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import sources

SKIPPED = 77
VERSION = "16."


def find_tool() -> str | None:
    """clang-format of the right version, None if there is none."""
    for name in ("clang-format-16", "clang-format"):
        tool = shutil.which(name)
        if tool is None:
            continue
        answer = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False).stdout
        if f"version {VERSION}" in answer:
            return tool
    return None


def main() -> int:
    tool = find_tool()
    if tool is None:
        print("format: skipped, clang-format 16 is not installed")
        return SKIPPED
    names = sources.files(endings=(".h", ".cc", ".cu", ".cuh"))
    result = subprocess.run([tool, "--dry-run", "--Werror", *names], cwd=sources.ROOT, check=False)
    if result.returncode == 0:
        print(f"format: {len(names)} files are as clang-format writes them")
    return 1 if result.returncode or not names else 0


if __name__ == "__main__":
    sys.exit(main())
