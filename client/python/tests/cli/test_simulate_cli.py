"""spikeserve simulate, serve and inspect on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from conv_network import conv_network
from fake_server import FakeServer
from test_cli import error_line, run

import spikeserve


def test_bytes_and_numbers_are_not_mixed(fake: FakeServer, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 2), np.float32))
    np.save(tmp_path / "b.npy", np.ones((2, 2), np.uint8))
    files = [tmp_path / "a.npy", tmp_path / "b.npy"]
    line = error_line(run("classify", "net", *files, "--server", fake.address))
    assert f"{files[0]} (float32), {files[1]} (uint8)" in line


def test_inputs_per_step(fake: FakeServer, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 5, 2), np.float32))
    arguments = ["simulate", "net", tmp_path / "x.npy", "--server", fake.address]
    assert run(*arguments, "--per-step").exit_code == 0
    (request,) = fake.requests
    assert list(request.inputs[0].shape) == [3, 5, 2]
    assert request.steps == 5
    assert "the network takes [batch, 2]" in error_line(run(*arguments))
    np.save(tmp_path / "x.npy", np.ones((3, 2), np.float32))
    assert "--per-step takes [batch, steps, 2]" in error_line(run(*arguments, "--per-step"))


def test_energy_is_of_the_network_on_the_server(
    fake: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "sha256", "12" * 32)
    conv_network().save(tmp_path / "other.spk")
    np.save(tmp_path / "x.npy", np.ones((3, 2), np.float32))
    result = run(
        "simulate", "net", tmp_path / "x.npy", "--energy", "loihi", "--network", tmp_path / "other.spk",
        "--server", fake.address,
    )  # fmt: skip
    assert "is another network than 'net' version 3 on the server" in error_line(result)


def test_inspect_shows_what_windows_and_inputs_are(tmp_path: Path) -> None:
    conv_network().save(tmp_path / "net.spk")
    lines = run("inspect", tmp_path / "net.spk").stdout.splitlines()
    assert "in: takes bytes as 0.5 * byte + -1" in lines
    assert "conv: stride 2x1, padding 1x0 before and 0x1 after, dilation 1x1, groups 2" in lines
    assert "pool: window 2x2, stride 2x2, padding 0x0 before and 0x0 after" in lines
    assert "class labels: left, right" in lines


LISTEN = ("--listen", "127.0.0.1:8001")
METRICS = ("--metrics-listen", "127.0.0.1:8002")
HTTP = ("--http-listen", "127.0.0.1:8000")
QUIET = ("--log-level", "warn")


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], [*LISTEN, *METRICS, *HTTP, *QUIET]),
        (["--listen", "a:1"], [*METRICS, *HTTP, *QUIET]),
        (["--metrics-listen=none"], [*LISTEN, *HTTP, *QUIET]),
        (["--http-listen=none"], [*LISTEN, *METRICS, *QUIET]),
        (["--log-level", "info"], [*LISTEN, *METRICS, *HTTP]),
    ],
)
def test_serve_is_for_this_machine_only_and_quiet_unless_told(
    given: list[str], added: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    binary = tmp_path / "server"
    binary.write_text("")
    binary.chmod(0o755)
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: commands.append(command))
    assert run("serve", "--binary", binary, *given).exit_code == 0
    assert commands == [[str(binary), *given, *added]]
    monkeypatch.setenv("SPIKESERVE_METRICS_LISTEN", "none")
    run("serve", "--binary", binary, *given)
    assert "127.0.0.1:8002" not in commands[1]


def test_options_of_the_wrong_type_are_refused_before_the_call(fake: FakeServer) -> None:
    with spikeserve.Client(fake.address) as client:
        with pytest.raises(ValueError, match=r"give a list of names: \['output'\]"):
            client.simulate("net", np.ones((1, 2)), probes="output")
        for record in (spikeserve.Record("dense"), {"spikes": spikeserve.Record("dense")}, ["dense"]):
            with pytest.raises(ValueError, match="give a list of spikeserve"):
                client.simulate("net", np.ones((1, 2)), record=record)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="float32 ends at"):
            client.simulate("net", np.full((1, 2), 1e300))
