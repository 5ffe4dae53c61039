"""Commands on networks whose answer is no class among many, on several inputs, and on tables."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_server import FakeServer
from test_cli import error_line, run

import spikeserve
from spikeserve.samples import SampleFileError, read_array
from spikeserve.v1 import network_pb2 as pb


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.array([[1, 2], [-3, 1], [0.25, 0.25]], np.float32))  # sums 3, -2, 0.5
    return tmp_path / "x.npy"


@pytest.mark.parametrize(
    ("kind", "options", "classes", "heading"),
    [
        ("LOGIT", [], [1, 0, 1], "LOGIT"),
        ("PROBABILITY", [], [1, 0, 0], "PROBABILITY"),
        ("LOGIT", ["--threshold", "1"], [1, 0, 0], "LOGIT"),
        ("VALUE", [], None, "VALUE"),
        ("UNSPECIFIED", [], None, "OUTPUT"),
        ("UNSPECIFIED", ["--threshold", "0"], [1, 0, 1], "OUTPUT"),
    ],
)
def test_classify_one_output(
    fake: FakeServer, samples: Path, kind: str, options: list[str], classes: Any, heading: str
) -> None:
    fake.outputs, fake.output_kind = (1,), getattr(pb, f"OUTPUT_KIND_{kind}")
    arguments = ["classify", "net", samples, "--server", fake.address, *options]
    answer = json.loads(run(*arguments, "--json").stdout)
    assert answer["classes"] == classes
    assert answer["outputs"] == [[3], [-2], [0.5]]
    assert answer["margins"] is None
    head, *rows = (line.split() for line in run(*arguments).stdout.splitlines())
    assert head == ["SAMPLE", *(["CLASS", "LABEL"] if classes else []), heading]
    assert [row[-1] for row in rows] == ["3", "-2", "0.5"]
    if classes:
        assert [int(row[1]) for row in rows] == classes


def test_classify_values_of_a_regression(fake: FakeServer, samples: Path) -> None:
    fake.output_kind = pb.OUTPUT_KIND_VALUE
    rows = run("classify", "net", samples, "--steps", 2, "--server", fake.address).stdout.splitlines()
    assert rows[1].split() == ["0", "3", "6"]
    line = error_line(run("classify", "net", samples, "--threshold", 1, "--server", fake.address))
    assert line == "error: --threshold is for one output, network 'net' has 2"


def test_simulate_says_the_same(fake: FakeServer, samples: Path, tmp_path: Path) -> None:
    fake.outputs, fake.output_kind = (1,), pb.OUTPUT_KIND_LOGIT
    out = tmp_path / "out.npz"
    result = run("simulate", "net", samples, "--npz", out, "--json", "--server", fake.address)
    assert json.loads(result.stdout)["classes"] == [1, 0, 1]
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays["classes"], [1, 0, 1])
        assert "margins" not in arrays
    line = error_line(run("simulate", "net", samples, "--exit-margin", 1, "--server", fake.address))
    assert "network 'net' has one output" in line


def test_evaluate_a_regression_and_a_binary_network(fake: FakeServer, samples: Path, tmp_path: Path) -> None:
    fake.outputs = (1,)
    np.save(tmp_path / "y.npy", np.array([3.5, -2, 0.5]))
    arguments = ["evaluate", "net", samples, tmp_path / "y.npy", "--server", fake.address]
    answer = json.loads(run(*arguments, "--json").stdout)
    assert (answer["task"], answer["accuracy"]) == ("regression", None)
    assert answer["rmse"] == pytest.approx(0.5 / np.sqrt(3))
    text = run(*arguments).stdout
    assert "RMSE                  0.2887" in text
    assert "accuracy" not in text
    np.save(tmp_path / "y.npy", np.array([1.0, 0.0, 0.0]))
    text = run(*arguments).stdout
    assert "accuracy              66.67%" in text
    assert "threshold             0\n" in text
    assert "accuracy              100.00%" in run(*arguments, "--threshold", 1).stdout


def test_fractions_are_no_classes(fake: FakeServer, samples: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.array([0.5, 1.5, 1.2]))
    line = error_line(run("evaluate", "net", samples, tmp_path / "y.npy", "--server", fake.address))
    assert "labels such as 0.5 are no classes, and the network has 2 outputs" in line


def test_several_inputs(fake: FakeServer, samples: Path, tmp_path: Path) -> None:
    fake.inputs = {"imu": (2,), "audio": (4, 1)}
    audio, labels = tmp_path / "audio.npy", tmp_path / "y.npy"
    np.save(audio, np.ones((3, 4), np.float32))
    np.save(labels, np.array([1, 0, 1]))
    np.savez(tmp_path / "both.npz", imu=np.load(samples), audio=np.load(audio))
    for files in ([f"imu={samples}", f"audio={audio}"], [tmp_path / "both.npz"]):
        for command in (
            ["classify", "net", *files],
            ["simulate", "net", *files],
            ["evaluate", "net", *files, labels],
        ):
            result = run(*command, "--limit", 2 if command[0] != "evaluate" else 3, "--server", fake.address)
            assert result.exit_code == 0, result.stderr
            sent = {item.name: list(item.shape[1:]) for item in fake.requests[-1].inputs}
            assert sent == {"imu": [2], "audio": [4, 1]}
    line = error_line(run("classify", "net", samples, "--server", fake.address))
    assert line.endswith("got a file without a name: give imu=FILE audio=FILE")
    line = error_line(run("classify", "net", f"imu={samples}", "--server", fake.address))
    assert "has the inputs imu, audio, got imu" in line


def test_convert_takes_samples_of_several_inputs(tmp_path: Path) -> None:
    models = Path(__file__).parents[4] / "tests" / "data" / "models" / "layers"
    with np.load(models / "branches.npz") as data:
        for name in ("left", "right"):
            np.save(tmp_path / f"{name}.npy", data[f"input_{name}"])
    files = [f"--sample-data={name}={tmp_path / name}.npy" for name in ("left", "right")]
    result = run("convert", models / "branches.keras", tmp_path / "n.spk", *files)
    assert result.exit_code == 0, result.stderr
    assert "no sample_data" not in result.stderr
    assert spikeserve.load_network(tmp_path / "n.spk").report.layers
    mixed = [files[0], f"--sample-data={tmp_path / 'right.npy'}"]
    assert run("convert", models / "branches.keras", tmp_path / "n.spk", *mixed).exit_code == 2


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_tables(tmp_path: Path) -> None:
    plain = table(tmp_path / "plain.csv", "1,2.5\n3,4\n")
    np.testing.assert_array_equal(read_array(plain), [[1, 2.5], [3, 4]])
    named = table(tmp_path / "named.csv", '\ufeff"a",b,label\n1,2,0\n3,4,1\n\n')
    assert read_array(named).dtype == np.int64
    np.testing.assert_array_equal(read_array(f"{named}:label"), [0, 1])
    np.testing.assert_array_equal(read_array(f"{named}:-label"), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(read_array(f"{named}:b,a"), [[2, 1], [4, 3]])
    semicolons = table(tmp_path / "S.CSV", "x;y\n1e-3;-2\n")
    np.testing.assert_array_equal(read_array(semicolons), [[0.001, -2]])
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(named.read_bytes()))
    np.testing.assert_array_equal(read_array(f"{tmp_path / 'packed.csv.gz'}:a"), [1, 3])


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("", "", "it is empty"),
        ("a,b\n", "", "it has no rows"),
        ("1,2\n3\n", "", "not a usable .csv file"),
        ("1,2\nx,3\n", "", "not a usable .csv file: could not convert string 'x'"),
        ("a,b\n1,2\n", ":c", "there is no column 'c', it has a, b"),
        ("1,2\n", ":a", "no row of names"),
        ("\udcff", "", "not a usable .csv file"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, key: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    with pytest.raises(SampleFileError, match=message) as caught:
        read_array(f"{path}{key}")
    assert str(path) in str(caught.value)


def test_commands_take_tables(fake: FakeServer, tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "a,b,label\n1,2,1\n-3,1,0\n")
    result = run("evaluate", "net", f"{path}:-label", f"{path}:label", "--json", "--server", fake.address)
    assert json.loads(result.stdout)["accuracy"] == 1
    answer = json.loads(run("classify", "net", f"{path}:a,b", "--json", "--server", fake.address).stdout)
    assert answer["classes"] == [1, 0]
