"""The files of the repository, as the lint tests see them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where there is no git (an unpacked archive): what .gitignore would leave out.
SKIPPED_FOLDERS = {".git", ".venv", "build", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def _from_git(root: Path) -> list[str] | None:
    """Tracked files plus new ones that git does not ignore; None without git."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        output = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return [name for name in output.decode().split("\0") if name]


def _from_disk(root: Path) -> list[str]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        found += [str((Path(folder) / name).relative_to(root)) for name in names]
    return found


def files(root: Path = ROOT, endings: tuple[str, ...] = ()) -> list[str]:
    """Sorted paths relative to `root`, of the given endings; all files if none is given."""
    names = _from_git(root)
    if names is None:
        names = _from_disk(root)
    return sorted(
        name for name in set(names) if (not endings or name.endswith(endings)) and (root / name).is_file()
    )
