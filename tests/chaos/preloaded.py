"""The library that is preloaded into servers (preload/faults.c), and scenes that use it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "preload" / "faults.c"


def compiled(folder: Path) -> Path:
    """The library, built into this folder; skips where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc), which the preloaded library is built with")
    library = folder / "faults.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def scene(library: Path, **settings: object) -> str:
    """A line of shell that preloads the library into what follows: `folder=...` is CHAOS_FOLDER."""
    words = [f"CHAOS_{name.upper()}='{value}'" for name, value in settings.items()]
    return " ".join(["export", *words, f"LD_PRELOAD='{library}'"])
