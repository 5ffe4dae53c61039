"""What the page says of a container, as it stands: from nothing to a served network and to the next version.

On this machine with the server of the other tests, and the command line that is installed here for that of
the image `client`. SPIKESERVE_BARE_MACHINE=1, as `make try-deployment` sets it, runs all of it on a Debian
that has nothing: what is installed is installed by the page, the image `client` is built too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bare_machine import make_bare_machine
from containers import BASE, ROOT, Engine
from page import commands

BARE = os.environ.get("SPIKESERVE_BARE_MACHINE") == "1"
NAMESPACE = f"spikeserve-{os.getpid()}"
VOLUME = "/srv/spikeserve"
FUNCTION = re.compile(r"^client\(\) \{.*?^\}\n", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.timeout(3600 if BARE else 900)


@contextmanager
def network_of_its_own() -> Iterator[str]:
    """A network namespace, in which the ports of the page are free: nsenter's option for it."""
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        yield f"--net=/run/netns/{NAMESPACE}"
    finally:
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


def checks(said: str) -> None:
    """What a reader sees of a network that is served."""
    assert re.findall(r"^ +(\d) +\d ", said, re.MULTILINE) == list("01234")
    [evaluated] = re.findall(r"^\{.*?^\}", said, re.DOTALL | re.MULTILINE)
    assert json.loads(evaluated)["accuracy"] > 0.95


def test_from_nothing_to_a_served_network(engine: Engine, cpu_image: str, tmp_path: Path) -> None:
    _, start, use, upgrade = commands("container")
    for name in ("tests", "VERSION"):
        (tmp_path / name).symlink_to(ROOT / name)
    script = "\n".join((start, asked(use), upgrade, again(use), "podman stop spikeserve"))
    # The folders of the page are root's own or the image's; here they are those of the test.
    installed = Path(sys.executable).parent / "spikeserve"
    script = FUNCTION.sub(f'client() {{ (cd tests/data/models && {installed} "$@"); }}\n', script)
    script = script.replace(VOLUME, f"{tmp_path}/volume").replace(" /converted/", f" {tmp_path}/converted/")
    with network_of_its_own() as network:
        try:
            said = engine.run("nsenter", network, f"--wd={tmp_path}", "bash", "-euc", script).stdout
            exit_status = engine.run("podman", "inspect", "-f", "{{.State.ExitCode}}", "spikeserve").stdout
        finally:
            engine.run("podman", "rm", "--force", "--time", "0", "spikeserve", check=False)
    checks(said)
    assert exit_status.strip() == "0"
    assert (tmp_path / "volume.before/digits/1/network.spk").is_file()


def asked(use: str) -> str:
    """The commands of the page, with the last one's figures as JSON."""
    assert use.rstrip().endswith("--limit 500")
    return f"{use.rstrip()} --json"


def again(use: str) -> str:
    """What is asked of the next version: the network is there, and answers."""
    [function] = FUNCTION.findall(use)
    ask = "client classify digits digits.npz:images --limit 3"
    return f"{function}client list | grep digits\n{ask} >/dev/null"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """The client's wheel and all that it depends on, for the Python of Debian 12."""
    folder = tmp_path / "wheels"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", folder, ROOT / "client/python"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"the wheels cannot be had: {done.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.mark.skipif(not BARE, reason="SPIKESERVE_BARE_MACHINE=1 runs it: minutes, and 2 GB")
def test_on_a_bare_machine(engine: Engine, server_binary: Path, wheels: Path) -> None:
    """Images are built in it, of a Debian that it makes itself, and run by what it has installed."""
    folder = ROOT / "build" / "image" / "machine"
    shutil.rmtree(folder, ignore_errors=True)
    machine = make_bare_machine(ROOT / "build/image/base", folder)
    checkout = machine.folder / "checkout"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in tracked.decode().rstrip("\0").split("\0"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name, follow_symlinks=False)
    shutil.copytree(wheels, checkout / "build/wheels")
    shutil.copy(server_binary, checkout / "build/spikeserve-server")
    shutil.copy(engine.variables["CONTAINERS_CONF"], machine.folder / "etc/containers.conf")
    install, start, use, upgrade = commands("container")
    install, build = install.split("make image")
    # No registry, no compiler for ten minutes: what the page says of both, in the variables of `make image`.
    given = (
        f"export BASE={BASE} SERVER=build/spikeserve-server WHEELS=build/wheels BUILDAH_ISOLATION=chroot\n"
        "export CONTAINERS_CONF=/etc/containers.conf DEBIAN_FRONTEND=noninteractive\n"
    )
    script = "\n".join(
        (given, install, "apt-get install -y debootstrap", f"tools/image-base.sh {BASE}",
         f"make image{build}", start, asked(use), upgrade, again(use), "podman stop spikeserve")
    )  # fmt: skip
    (checkout / "script.sh").write_text(script)
    with network_of_its_own() as network:  # podman's; the rest needs that of this machine
        podman = machine.folder / "usr/local/bin/podman"
        podman.write_text(f'#!/bin/sh\nexec nsenter {network} /usr/bin/podman "$@"\n')
        podman.chmod(0o755)
        checks(machine.run("cd /checkout; bash -eu script.sh", seconds=3000))
    shutil.rmtree(folder)
