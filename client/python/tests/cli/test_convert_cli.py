"""`spikeserve convert` with models of other frameworks."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from onnx_files import graph, model, node

import spikeserve
from spikeserve.cli import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="spikeserve")


@pytest.fixture
def open_model(tmp_path: Path) -> Path:
    """A model of two inputs whose sizes are open."""
    inputs = {"left": ("N", 2, None), "right": ("N", 2, "length")}
    path = tmp_path / "open.onnx"
    path.write_bytes(model(graph([node("Add", "left right", "y")], inputs, ["y"], {})))
    return path


@pytest.mark.parametrize(
    "options",
    [
        ("--input-shape", "2,5"),
        ("--input-shape", "left=2,5", "--input-shape", "right=2, 5"),
    ],
)
def test_open_sizes_are_given(open_model: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    result = run("convert", open_model, tmp_path / "n.spk", *options)
    assert result.exit_code == 0, result.stderr
    network = spikeserve.load_network(tmp_path / "n.spk")
    assert [list(op.input.shape) for op in network.definition.operations if op.HasField("input")] == [
        [2, 5]
    ] * 2


def test_open_sizes_that_are_not_given(open_model: Path, tmp_path: Path) -> None:
    result = run("convert", open_model, tmp_path / "n.spk")
    assert result.exit_code == 1
    assert "the input 'left' has the open shape (2, ?); give --input-shape=(...)" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--input-shape", "2,x"), "'2,x' is not a list of sizes such as 3,32,32"),
        (("--input-shape", "left="), "'' is not a list of sizes"),
        (("--input-shape", "2,5", "--input-shape", "left=2,5"), "give INPUT=SIZE,... for every one"),
    ],
)
def test_shapes_that_are_none(
    open_model: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = run("convert", open_model, tmp_path / "n.spk", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "n.spk").exists()


def test_a_saved_model_comes_with_the_lines_that_convert_it(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    result = run("convert", tmp_path, tmp_path / "n.spk")
    assert result.exit_code == 1
    assert f"python -m tf2onnx.convert --opset 18 --saved-model {tmp_path}" in result.stderr
