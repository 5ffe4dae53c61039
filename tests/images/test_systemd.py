"""The unit for systemd, by what the page tells a reader to type, on a Debian that has nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import servers
from bare_machine import BareMachine, Booted, make_bare_machine
from containers import ROOT, Engine
from page import commands

import spikeserve

SYSTEMD = ROOT / "deploy" / "systemd"
UNIT = "spikeserve.service"
MAX_EXPOSURE = 2.0  # of 10, as systemd counts

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def machine(engine: Engine, server_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> BareMachine:
    """A bare Debian with a checkout in which the server was compiled, where the page begins."""
    machine = make_bare_machine(ROOT / "build/image/base", tmp_path_factory.mktemp("machine") / "root")
    checkout = machine.folder / "checkout"
    shutil.copytree(SYSTEMD, checkout / "deploy/systemd")
    (checkout / "build/release/server/app").mkdir(parents=True)
    shutil.copy(server_binary, checkout / "build/release/server/app/spikeserve-server")
    return machine


def test_the_unit_is_right_and_locked_in(machine: BareMachine) -> None:
    first, *_ = commands("systemd")
    machine.run(f"cd /checkout; {first}")
    assert machine.run(f"systemd-analyze verify --man=no {UNIT} 2>&1") == ""
    said = machine.run(f"systemd-analyze security --offline=true --no-pager {UNIT}")
    [exposure] = re.findall(r"Overall exposure level for spikeserve.service: ([0-9.]+)", said)
    print(f"exposure by systemd-analyze: {exposure} of 10")
    assert float(exposure) <= MAX_EXPOSURE


def test_it_has_longer_to_stop_than_the_server_takes(server_binary: Path) -> None:
    help_text = subprocess.run([server_binary, "--help"], capture_output=True, text=True, check=True).stdout
    takes = sum(
        int(re.findall(rf"--{flag} INT:INT in \[[0-9 -]+\]=(\d+)", help_text)[0])
        for flag in ("lame-duck-seconds", "drain-seconds")
    )
    [timeout] = re.findall(r"^TimeoutStopSec=(\d+)$", (SYSTEMD / UNIT).read_text(), re.MULTILINE)
    assert int(timeout) > takes + 2


def test_from_nothing_to_a_served_network(
    machine: BareMachine, network: spikeserve.Network, tmp_path: Path
) -> None:
    install, start, reload, upgrade = commands("systemd")
    machine.run(f"cd /checkout; {install}")
    settings = machine.folder / "etc/spikeserve/spikeserve.env"
    with machine.booted() as booted:
        booted.run("sh", "-euc", f"cd /checkout; systemctl daemon-reload; {start}")
        servers.eventually(lambda: healthy(booted), "the server is healthy", timeout=60)
        assert booted.property(UNIT, "User") == "spikeserve"
        # Its network is its own, so it is called over a socket in a folder that both see.
        settings.write_text("SPIKESERVE_LISTEN=unix:/var/lib/spikeserve/socket\n")
        booted.run("systemctl", "restart", UNIT)
        socket = machine.folder / "var/lib/spikeserve/socket"
        servers.eventually(socket.exists, "the server listens", timeout=60)
        with spikeserve.Client(f"unix:{shorter(socket, tmp_path)}", timeout=120) as client:
            client.load("digits", network)
            assert client.simulate("digits", servers.samples(4, 64).reshape(4, 8, 8), steps=8).samples == 4
        settings.write_text("")
        booted.run("systemctl", "restart", UNIT)
        servers.eventually(lambda: healthy(booted), "the server is healthy", timeout=60)
        reloads(machine, booted, reload)
        booted.run("sh", "-euc", f"cd /checkout; {upgrade}")
        servers.eventually(lambda: healthy(booted), "the new server is healthy", timeout=60)
        booted.run("systemctl", "stop", UNIT)
        assert booted.property(UNIT, "Result") == "success"
        assert booted.property(UNIT, "ExecMainStatus") == "0"
    stored = machine.folder / "var/lib/spikeserve/digits/1/network.spk"
    assert stored.is_file()


def healthy(booted: Booted) -> bool:
    probe = booted.command("spikeserve-server", "--healthcheck", "127.0.0.1:8001")
    done = subprocess.run(probe, capture_output=True, check=False)
    return done.returncode == 0


def shorter(path: Path, folder: Path) -> Path:
    """A path to the same socket that fits into the address of one."""
    link = folder / "s"
    os.symlink(path, link)
    return link


def reloads(machine: BareMachine, booted: Booted, script: str) -> None:
    """A token that is added is taken up by a reload, and the server stays the same process."""
    booted.run("sh", "-euc", script)
    servers.eventually(lambda: healthy(booted), "the server with tokens is healthy", timeout=60)
    before = booted.property(UNIT, "MainPID")
    booted.run("systemctl", "reload", UNIT)
    servers.eventually(
        lambda: "reloaded" in booted.run("journalctl", "--unit", UNIT, "--no-pager"), "it has reloaded"
    )
    assert booted.property(UNIT, "MainPID") == before
    assert (machine.folder / "etc/spikeserve/tokens").stat().st_mode & 0o007 == 0
