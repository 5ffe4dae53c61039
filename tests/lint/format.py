"""Fails on a C++ file that clang-format would change. Exits 77 (skipped) where there is no clang-format."""

from __future__ import annotations

import shutil
import subprocess
import sys

import sources

SKIPPED = 77


def main() -> int:
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if tool is None:
        print("format: skipped, no clang-format is installed")
        return SKIPPED
    names = sources.files(endings=(".h", ".cc", ".cu", ".cuh"))
    result = subprocess.run([tool, "--dry-run", "--Werror", *names], cwd=sources.ROOT, check=False)
    if result.returncode == 0:
        print(f"format: {len(names)} files are as clang-format writes them")
    return 1 if result.returncode or not names else 0


if __name__ == "__main__":
    sys.exit(main())
