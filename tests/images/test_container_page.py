"""What the page tells a reader to type for a container, from nothing to a served network and to the next version.

Here it is run on this machine, with images that take the server and the wheels of other tests. On a Debian that
has nothing, everything installed by the page itself: SPIKESERVE_BARE_MACHINE=1, as `make try-deployment` does.
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

pytestmark = pytest.mark.timeout(3600 if BARE else 1200)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's wheel and all that it depends on, for the Python of Debian 12."""
    folder = tmp_path_factory.mktemp("wheels")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", folder, ROOT / "client/python"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"the wheels cannot be had: {done.stderr.strip().splitlines()[-1]}")
    return folder


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


@pytest.mark.skipif(BARE, reason="it is run on a bare machine instead")
def test_from_nothing_to_a_served_network(
    engine: Engine, cpu_image: str, wheels: Path, tmp_path: Path
) -> None:
    engine.build("client", WHEELS=str(wheels))
    _, start, use, upgrade = commands("container")
    for name in ("tests", "VERSION"):
        (tmp_path / name).symlink_to(ROOT / name)
    # The folder of the page is root's own; here it is one of the test.
    script = "\n".join((start, asked(use), upgrade, again(use))).replace(VOLUME, str(tmp_path / "volume"))
    with network_of_its_own() as network:
        try:
            done = engine.run(
                "nsenter", network, f"--wd={tmp_path}", "bash", "-euc", f"{script}\npodman stop spikeserve",
                seconds=900,
            )  # fmt: skip
            exit_status = engine.run("podman", "inspect", "-f", "{{.State.ExitCode}}", "spikeserve").stdout
        finally:
            engine.run("podman", "rm", "--force", "--time", "0", "spikeserve", check=False)
    checks(done.stdout)
    assert exit_status.strip() == "0"
    assert (tmp_path / "volume.before/digits/1/network.spk").is_file()


def asked(use: str) -> str:
    """The commands of the page, with the last one's figures as JSON."""
    assert use.rstrip().endswith("--limit 500")
    return f"{use.rstrip()} --json"


def again(use: str) -> str:
    """What is asked of the next version: the network is there, and answers."""
    [function] = re.findall(r"^client\(\) \{.*?^\}\n", use, re.DOTALL | re.MULTILINE)
    return f"{function}client list | grep digits\nclient simulate digits digits.npz:images --limit 3 >/dev/null"


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
        (given, install, "apt-get install -y debootstrap", f"tools/image-base.sh {BASE}", f"make image{build}",
         start, asked(use), upgrade, again(use), "podman stop spikeserve")
    )  # fmt: skip
    (checkout / "script.sh").write_text(script)
    checks(machine.run("cd /checkout; bash -eu script.sh", own_network=True))
