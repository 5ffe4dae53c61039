"""Debian machines without anything: a copy of the base, to be entered, or started with systemd in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import servers

CGROUP = Path("/sys/fs/cgroup/systemd")  # systemd's own tree, of control groups version 1
_NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
_ROOT = """
root=$1
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
"""
# It is made the root of a namespace: in a chroot neither systemd nor runc could make namespaces for others.
_TURN = """
cd "$root"
pivot_root . mnt
exec env -i container=test DEBIAN_FRONTEND=noninteractive PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  chroot . sh -euc 'umount -l /mnt; eval "$1"' sh "$2"
"""
_BOOT = f"""
{_ROOT}
ip link set lo up
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
mkdir "$root/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
{_TURN}
"""
_ENTER = f"""
{_ROOT}
mkdir -p /run/netns "$root/run/netns"
for folder in dev sys run/netns; do
  mount --rbind "/$folder" "$root/$folder"
done
{_TURN}
"""
_SYSTEMD = "exec /lib/systemd/systemd --system"
_INSTALL = "apt-get update -q && apt-get install -q -y --no-install-recommends systemd"


def _run(*command: str | Path, seconds: float = 300) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class BareMachine:
    """A Debian in `folder` that has its package sources and, once installed, systemd."""

    folder: Path

    def run(self, script: str, seconds: float = 300) -> str:
        """What a shell script says that runs in it, with the network of this machine."""
        namespaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
        return _run(*namespaces, "sh", "-euc", _ENTER, "sh", self.folder, script, seconds=seconds)

    @contextmanager
    def booted(self) -> Iterator[Booted]:
        """The machine with its systemd running, without a network; skips where there can be none."""
        if not CGROUP.is_dir():
            pytest.skip("this machine has no control groups of version 1, in which a systemd is started here")
        group = CGROUP / f"spikeserve-test-{os.getpid()}"
        group.mkdir()
        enter = f'echo $$ >"{group}/cgroup.procs"; exec unshare {" ".join(_NAMESPACES)} --fork --kill-child '
        outside = subprocess.Popen(
            ["sh", "-euc", f'{enter} sh -euc "$1" sh "$2" "$3"', "sh", _BOOT, self.folder, _SYSTEMD],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            machine = Booted(outside)
            servers.eventually(machine.is_up, "systemd has started what it starts", timeout=120)
            yield machine
        finally:
            outside.kill()
            outside.wait()
            servers.eventually(lambda: _removed(group), f"{group} is empty", timeout=60)


def _removed(group: Path) -> bool:
    """Whether a control group with all below it could be removed: once its processes are gone, it can be."""
    folders = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
    for folder in (*folders, group):
        try:
            folder.rmdir()
        except OSError:
            return False
    return True


@dataclass(frozen=True)
class Booted:
    """A machine whose systemd runs below the process `outside`."""

    outside: subprocess.Popen[bytes]

    def command(self, *command: str) -> list[str]:
        """The command line that runs another one in the machine."""
        [first, *_] = self._children()
        return ["nsenter", f"--target={first}", "--all", "--root", "--wd=/", *command]

    def run(self, *command: str) -> str:
        """What a command in the machine says."""
        return _run(*self.command(*command))

    def is_up(self) -> bool:
        """Whether its systemd has started all that it starts, and nothing of it failed."""
        assert self.outside.poll() is None, "the machine has ended"
        if not self._children():
            return False
        done = subprocess.run(
            self.command("systemctl", "is-system-running"), capture_output=True, text=True, check=False
        )
        return done.stdout.strip() == "running"

    def property(self, unit: str, name: str) -> str:
        """What systemd knows of a unit."""
        return self.run("systemctl", "show", unit, "--property", name, "--value").strip()

    def _children(self) -> list[str]:
        pid = self.outside.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def make_bare_machine(base: Path, folder: Path) -> BareMachine:
    """A copy of the Debian in `base`, with systemd, which every Debian but the smallest has."""
    for program in ("unshare", "nsenter", "pivot_root", "chroot", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    _run("cp", "-a", base, folder)
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    machine = BareMachine(folder)
    machine.run(_INSTALL)
    return machine
