"""NIR files from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from nir_files import affine, chain, neuron, write_nir

import spikeserve
from spikeserve.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def nir_file(tmp_path: Path) -> Path:
    return write_nir(tmp_path / "net.nir", chain([3], affine(np.eye(3)), neuron("LIF", 3)))


def test_there_and_back(tmp_path: Path, nir_file: Path) -> None:
    result = run("convert", nir_file, "-o", tmp_path / "n.spk", "--dt", "0.001", "--integration", "exact")
    assert result.exit_code == 0, result.output
    assert "leaks decay by exp(-dt/tau) per step" in result.stdout
    assert run("export-nir", tmp_path / "n.spk", tmp_path / "back.nir").exit_code == 0
    network = spikeserve.read_nir(tmp_path / "back.nir", dt=1e-3)
    assert (
        network.definition.connections == spikeserve.load_network(tmp_path / "n.spk").definition.connections
    )


def test_refusals_name_the_options_of_the_shell(tmp_path: Path, nir_file: Path) -> None:
    short = run("convert", nir_file, tmp_path / "n.spk", "--dt", "0.1")
    assert short.exit_code == 1
    assert "or --integration exact" in short.output
    assert "reset" in run("convert", nir_file, tmp_path / "n.spk", "--reset", "subtract").output
    assert "not for a NIR file" in run("convert", nir_file, tmp_path / "n.spk", "--preset", "sparse").output


@pytest.mark.parametrize("outputs", [[], ["a.spk", "-o", "b.spk"]])
def test_one_output_is_wanted(nir_file: Path, outputs: list[str]) -> None:
    result = run("convert", nir_file, *outputs)
    assert result.exit_code == 2
    assert "give OUTPUT or -o OUTPUT" in result.output


def test_options_of_nir_for_another_model(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"PK\x03\x04")
    result = run("convert", tmp_path / "m.keras", tmp_path / "m.spk", "--reset", "value")
    assert result.exit_code == 2
    assert "--reset: only for a NIR file" in result.output
