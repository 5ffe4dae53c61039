"""What tools/cuda-env.sh decides, under the strict shell options of the scripts that source it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def decide(folder: Path, nvcc: str | None, cmake: str) -> str:
    """`cuda`, and the note behind it, of an empty checkout with these versions on the PATH."""
    programs = folder / "bin"
    programs.mkdir()
    versions = {"cmake": f"cmake version {cmake}"}
    if nvcc is not None:
        versions["nvcc"] = f"Cuda compilation tools, release {nvcc}, V{nvcc}.1"
    for name, line in versions.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\necho '{line}'\n")
        program.chmod(0o755)
    script = f'set -euo pipefail\n. {ROOT}/tools/cuda-env.sh\necho "$cuda: $cuda_note"'
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    run = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.mark.parametrize(
    ("nvcc", "cmake", "wanted"),
    [
        (None, "3.25.1", "OFF: no CUDA toolkit was found"),
        ("12.4", "3.31.0", "OFF: CUDA 12.4 was found, 13 is needed"),
        ("13.0", "3.25.1", "OFF: CUDA 13.0 needs CMake 3.31"),
        ("13.0", "3.31.0", "ON: CUDA 13.0"),
    ],
)
def test_the_kernels_are_built_where_all_they_need_is_there(
    tmp_path: Path, nvcc: str | None, cmake: str, wanted: str
) -> None:
    if nvcc is None and Path("/usr/local/cuda/bin/nvcc").exists():
        pytest.skip("this machine has a CUDA toolkit")
    assert decide(tmp_path, nvcc, cmake).startswith(wanted)
