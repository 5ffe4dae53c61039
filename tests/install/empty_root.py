"""A root file system in which nothing was installed but Python, and what an ordinary user runs in it.

It is made once, by debootstrap, and never written to: a run has it read-only, with a home folder, processes
and a loopback interface of its own that are gone when the run ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SUITE = "bookworm"  # the oldest Debian that the server's wheel is for
PACKAGES = "python3,python3-venv"
HOME = "/tmp/user"
_USER = "1000:1000"
_NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child")
_ENTER = f"""
ip link set lo up
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mkdir "$1{HOME}"
cp -R "$2/." "$1{HOME}"
chown -R {_USER} "$1{HOME}"
exec chroot --userspec={_USER} "$1" /usr/bin/env -i HOME={HOME} LANG=C.UTF-8 PATH=/usr/bin:/bin \
  PIP_NO_INDEX=1 PIP_FIND_LINKS={HOME}/wheelhouse bash -euc 'cd; . ./script.sh'
"""


@dataclass(frozen=True)
class EmptyRoot:
    """The root file system in `folder`."""

    folder: Path

    def run(self, script: str, home: Path, seconds: float = 300) -> str:
        """What a bash script prints in it, with the files of `home` in its home folder.

        There is no network but loopback, and pip takes packages from `home`/wheelhouse. A command that fails
        ends the script and fails the test.
        """
        (home / "script.sh").write_text(script, encoding="utf-8")
        done = subprocess.run(
            [*_NAMESPACES, "sh", "-euc", _ENTER, "sh", self.folder, home],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"status {done.returncode} of:\n{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def python_version(self) -> str:
        """Major and minor of its Python, e.g. 3.11."""
        [link] = (path for path in (self.folder / "usr/bin").glob("python3") if path.is_symlink())
        return os.readlink(link).removeprefix("python")


def make_empty_root(folder: Path) -> EmptyRoot:
    """The root in `folder`, made if it is not there yet; the test is skipped where that is not possible."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a root file system and enter it")
    for program in ("debootstrap", "unshare", "ip", "chroot"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if subprocess.run([*_NAMESPACES, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine gives no namespaces: unshare is refused")
    if not (folder / "complete").exists():
        _debootstrap(folder)
    return EmptyRoot(folder / "root")


def _debootstrap(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mirror = _mirror()
    with (folder / "debootstrap.log").open("w") as log:
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, folder / "root", mirror],
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        last = (folder / "debootstrap.log").read_text().strip().splitlines()[-1]
        pytest.skip(f"debootstrap ended with status {done.returncode}: {last}")
    (folder / "complete").touch()


def _mirror() -> str:
    """Where this machine has its own packages of SUITE from."""
    shown = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    sites = [line.split()[0] for line in shown.splitlines() if line.split()[1:] == [SUITE, "main"]]
    if not sites:
        pytest.skip(f"this machine's package sources have no {SUITE}")
    return sites[0]
