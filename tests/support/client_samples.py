"""Makes the samples of docs/examples/clients ready to run, each with tools that may be missing.

They are copied to build/clients first, with links to what they take from the checkout, so that nothing is
installed or compiled among the sources; what is there and up to date is used again. A tool or registry that
is missing skips the test that asks, and says what is missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tool_env import ROOT, fetched

SOURCES = Path("docs/examples/clients")
TREE = ROOT / "build" / "clients"
FOLDER = TREE / SOURCES
# What npm, Maven and Go say where a registry is out of reach.
_UNREACHABLE = (
    "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "Unknown host", "Temporary failure",
    "Connection refused", "Connect timed out", "Could not transfer", "dial tcp", "no such host",
)  # fmt: skip


def node() -> list[str]:
    """How Node runs a sample whose name follows without its ending."""
    needs("node", "npm")
    folder = FOLDER / "node"
    _prepare(folder, SOURCES / "node", command=["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"])
    return ["node"]


def java() -> list[str]:
    """How Java runs a sample whose name follows."""
    needs("java", "mvn")
    folder = FOLDER / "java"
    command = ["mvn", "--batch-mode", "--quiet", "package"]
    _prepare(folder, SOURCES / "java", Path("proto"), command=command)
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}/target/samples.jar:{folder}/target/lib/*"]


def go() -> Path:
    """The folder with the Go samples, compiled."""
    if not (ROOT / "tools/go.sh").is_file():
        pytest.skip("this checkout has no Go client")
    command = [str(ROOT / "tools/go.sh"), "generate"]
    generated = subprocess.run(command, capture_output=True, text=True, check=False)
    if "skipped" in generated.stdout:
        pytest.skip(generated.stdout.strip())
    assert generated.returncode == 0, generated.stdout + generated.stderr
    command = [_go(), "build", "-buildvcs=false", "-o", "bin/", "./..."]
    _prepare(FOLDER / "go", SOURCES / "go", Path("client/go"), command=command)
    return FOLDER / "go"


def grpcurl() -> dict[str, str]:
    """An environment with grpcurl on its PATH."""
    needs("jq", "openssl")
    return {"PATH": f"{fetched('grpcurl').parent}{os.pathsep}{os.environ['PATH']}"}


def tritonclient() -> Path:
    """The Python of an environment with tritonclient."""
    return fetched("tritonclient")


def _go() -> str:
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if found is None:
        pytest.skip("there is no go")
    return found


def needs(*programs: str) -> None:
    """Skips where a program is missing, and says which."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"there is no {' and no '.join(missing)}")


def _prepare(folder: Path, *sources: Path, command: list[str]) -> None:
    """Copies the samples, and runs the command in their folder unless it has run on these very sources."""
    for name in ("proto", "client"):
        link = TREE / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(ROOT / name)
    ignored = shutil.ignore_patterns("node_modules", "target", "bin")
    shutil.copytree(ROOT / SOURCES, FOLDER, dirs_exist_ok=True, ignore=ignored)
    stamp, wanted = folder / ".made", _digest(sources, command)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    _check(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=280))
    stamp.write_text(wanted)


def _check(done: subprocess.CompletedProcess[str]) -> None:
    """Skips where a registry is out of reach; any other failure is one."""
    said = done.stdout + done.stderr
    if done.returncode != 0 and any(text in said for text in _UNREACHABLE):
        pytest.skip(f"a registry is out of reach: {' '.join(map(str, done.args))}: {said.strip()[-300:]}")
    assert done.returncode == 0, said


def _digest(sources: tuple[Path, ...], command: list[str]) -> str:
    """Of the command and of all files under the folders."""
    digest = hashlib.sha256(repr(command).encode())
    for source in sources:
        for path in sorted((ROOT / source).rglob("*")):
            if path.is_file() and "node_modules" not in path.parts and "target" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
