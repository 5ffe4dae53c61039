"""The command line: output, exit status, and errors that are one clear line."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import click
import grpc
import numpy as np
import pytest
from click.testing import CliRunner, Result
from fake_server import FakeServer

import spikeserve
from spikeserve.cli import convert_command, main
from spikeserve.v1 import network_pb2 as pb

COMMANDS = [
    *("convert", "export-nir", "inspect", "load", "unload", "alias", "list"),
    *("classify", "simulate", "evaluate", "serve"),
]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="spikeserve")


def error_line(result: Result, status: int = 1) -> str:
    """The one line on stderr of a command that failed."""
    assert result.exit_code == status, (result.stdout, result.stderr)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.strip()


def test_a_call_without_a_token_names_the_option_for_it(fake: FakeServer) -> None:
    fake.failures = [(grpc.StatusCode.UNAUTHENTICATED, "this server wants a token")]
    line = error_line(run("list", "--server", fake.address))
    assert "this server wants a token (--token-file FILE" in line


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    """A small network: Affine 2 -> 2 and neurons."""
    definition = pb.NetworkDefinition(format_version=1)
    definition.operations.add(name="input").input.shape.extend([2])
    affine = definition.operations.add(name="dense").affine
    affine.weight = "w"
    definition.operations.add(name="neurons").neuron.integrate_and_fire.amplitude = 1.0
    definition.connections.add(source="input", target="dense")
    definition.connections.add(source="dense", target="neurons")
    definition.probes.add(name="output", target="dense", quantity=pb.PROBE_QUANTITY_OUTPUT)
    weights = np.array([[1, 0], [0, 2]], "<f4")
    definition.tensors.add(id="w", shape=[2, 2], data_type=pb.DATA_TYPE_FLOAT32, data=weights.tobytes())
    definition.provenance.notes.append("made by hand")
    path = tmp_path / "model.spk"
    spikeserve.Network(definition).save(path)
    return path


@pytest.fixture
def samples_file(tmp_path: Path) -> Path:
    path = tmp_path / "samples.npy"
    np.save(path, np.array([[1, 2], [-3, 1], [0.5, 0.5]], np.float32))
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"spikeserve {command}" in result.stdout


def test_help_lists_the_commands() -> None:
    assert isinstance(main, click.Group)
    assert main.list_commands(click.Context(main)) == COMMANDS
    assert run("nonsense").exit_code == 2


def test_inspect(network_file: Path) -> None:
    result = run("inspect", network_file)
    assert result.exit_code == 0
    assert "neuron integrate_and_fire" in result.stdout
    assert "note: made by hand" in result.stdout
    definition = json.loads(run("inspect", network_file, "--json").stdout)
    assert definition["operations"][0]["name"] == "input"
    assert "data" not in definition["tensors"][0]


def test_load_list_unload(fake: FakeServer, network_file: Path) -> None:
    assert run("load", "net", network_file, "--server", fake.address).stdout == "loaded net version 1\n"
    loaded = run("load", "net", network_file, "--version", 4, "--json", "--server", fake.address)
    assert json.loads(loaded.stdout) == {"name": "net", "version": 4}
    listed = json.loads(run("list", "--json", "--server", fake.address).stdout)
    assert [(item["name"], item["version"]) for item in listed["networks"]] == [("net", 1), ("net", 4)]
    table = run("list", "--server", fake.address).stdout.splitlines()
    assert table[0].split()[:2] == ["NAME", "VERSION"]
    assert table[2].split()[:3] == ["net", "4", "ready"]
    assert run("unload", "net", "--server", fake.address).stdout == "unloaded net version 1, 4\n"
    assert run("list", "--server", fake.address).stdout == "no networks are loaded\n"


def test_a_table_in_a_pipe_has_whole_names(fake: FakeServer, network_file: Path) -> None:
    name = "network-" + "x" * 120
    run("load", name, network_file, "--server", fake.address)
    assert name in run("list", "--server", fake.address).stdout


def test_alias(fake: FakeServer, network_file: Path) -> None:
    server = ("--server", fake.address)
    for _ in range(2):
        run("load", "net", network_file, *server)
    assert run("alias", "net", "stable", "--version", 1, *server).stdout == "net@stable is version 1\n"
    moved = run("alias", "net", "stable", "--json", *server)
    assert json.loads(moved.stdout) == {"name": "net", "alias": "stable", "version": 2, "deleted": False}
    assert run("list", *server).stdout.splitlines()[2].split()[-1] == "stable"
    wrong = run("alias", "net", "stable", "--delete", "--version", 1, *server)
    assert (wrong.exit_code, "--delete takes no --version" in wrong.stderr) == (2, True)
    gone = run("alias", "net", "stable", "--delete", *server)
    assert gone.stdout == "deleted net@stable, which was version 2\n"


def test_classify(fake: FakeServer, samples_file: Path) -> None:
    result = run("classify", "net", samples_file, "--steps", 2, "--server", fake.address, "--json")
    answer = json.loads(result.stdout)
    assert answer["classes"] == [1, 0, 1]
    assert answer["margins"] == [3.0, 2.0, 1.0]
    assert fake.requests[0].steps == 2
    table = run("classify", "net", samples_file, "--limit", 1, "--server", fake.address).stdout.splitlines()
    assert len(table) == 2
    assert table[1].split() == ["0", "1", "27"]


def test_classify_in_batches(fake: FakeServer, samples_file: Path) -> None:
    run("classify", "net", samples_file, "--batch", 2, "--server", fake.address)
    assert [request.inputs[0].shape[0] for request in fake.requests] == [2, 1]


def test_evaluate(fake: FakeServer, samples_file: Path, network_file: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.npy"
    np.save(labels, np.array([1, 1, 1], np.uint8))
    arguments = ["evaluate", "net", samples_file, labels, "--server", fake.address, "--model", network_file]
    answer = json.loads(run(*arguments, "--json").stdout)
    assert answer["accuracy"] == pytest.approx(2 / 3)
    assert answer["float_accuracy"] == 1.0  # outputs [1, 4], [-3, 2], [0.5, 1]
    assert answer["agreement"] == pytest.approx(2 / 3)
    assert answer["spikes_per_inference"] == 10
    assert answer["synaptic_operations_per_inference"] == 20
    assert answer["mean_rate_hz"] == pytest.approx(10 / (4 * 0.01))
    text = run(*arguments).stdout
    assert "accuracy              66.67%" in text
    assert "agreement with float  66.67%" in text


def test_evaluate_bytes_wants_to_know_their_scale(
    fake: FakeServer, samples_file: Path, network_file: Path, tmp_path: Path
) -> None:
    np.save(samples_file, np.array([[1, 2], [3, 1], [5, 5]], np.uint8))
    np.save(tmp_path / "labels.npy", np.array([1, 1, 1], np.uint8))
    arguments = ["evaluate", "net", samples_file, tmp_path / "labels.npy", "--server", fake.address]
    line = error_line(run(*arguments, "--model", network_file))
    assert "does not say how it takes them: give --uint8-scale" in line
    assert run(*arguments).exit_code == 0


def test_the_environment_names_the_server(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKESERVE_SERVER", fake.address)
    assert run("list").exit_code == 0


@pytest.mark.client("CLI", "token")
def test_the_token_comes_from_a_file(fake: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    assert run("list", "--server", fake.address, "--token-file", tmp_path / "token").exit_code == 0
    assert fake.metadata["authorization"] == "Bearer secret"


def idx(array: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.client("CLI", "IDX files", "numpy files")
@pytest.mark.parametrize("suffix", ["idx", "idx.gz", "npz", "npz:x", "png"])
def test_classify_reads_every_format(fake: FakeServer, tmp_path: Path, suffix: str) -> None:
    array = np.array([[[7, 9]]], np.uint8)
    path = tmp_path / f"data.{suffix.partition(':')[0]}"
    if suffix == "idx":
        path.write_bytes(idx(array))
    elif suffix == "idx.gz":
        path.write_bytes(gzip.compress(idx(array)))
    elif suffix == "png":
        from PIL import Image

        Image.fromarray(array[0]).save(path)
    else:
        np.savez(path, x=array, **({"y": array[0]} if suffix == "npz:x" else {}))
    name = f"{path}:x" if suffix == "npz:x" else path
    result = run("classify", "net", name, "--server", fake.address, "--json")
    assert result.exit_code == 0, result.stderr
    assert fake.requests[0].inputs[0].data == bytes([7, 9])
    assert fake.requests[0].inputs[0].shape == [1, 2]


BAD_FILES = {
    "text": (b"hello world", "not a .npy, .npz, IDX, IDX.gz, PNG or .csv file"),
    "empty": (b"", "not a .npy"),
    "npy": (b"\x93NUMPY\x01\x00garbage", "not a usable .npy file"),
    "pickle": (
        b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(118),
        "not a usable .npy file",
    ),
    "npz": (b"PK\x03\x04garbage", "not a usable .npz file"),
    "png": (b"\x89PNG\r\n\x1a\ngarbage", "not a usable PNG file"),
    "idx-short": (idx(np.zeros((2, 3), np.uint8))[:-1], "the header promises 6 bytes"),
    "idx-long": (idx(np.zeros((2, 3), np.uint8)) + b"x", "the header promises 6 bytes"),
    "idx-huge": (struct.pack(">HBB3I", 0, 8, 3, 1 << 31, 1 << 31, 1 << 31), "the limit is"),
    "idx-bomb": (gzip.compress(idx(np.zeros((2, 3), np.uint8)) + bytes(1 << 24)), "the header promises"),
    "gz-cut": (gzip.compress(idx(np.zeros((2, 3), np.uint8)))[:-9], "damaged"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_sample_files(fake: FakeServer, tmp_path: Path, kind: str) -> None:
    content, message = BAD_FILES[kind]
    (tmp_path / "data").write_bytes(content)
    line = error_line(run("classify", "net", tmp_path / "data", "--server", fake.address))
    assert message in line
    assert str(tmp_path / "data") in line


def test_wrong_shape(fake: FakeServer, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 3), np.float32))
    line = error_line(run("classify", "net", tmp_path / "x.npy", "--server", fake.address))
    assert line == "error: the samples have shape [4, 3], the network takes [batch, 2]"


def test_missing_file_names_it(fake: FakeServer) -> None:
    line = error_line(run("classify", "net", "nowhere.npy", "--server", fake.address))
    assert line == "error: nowhere.npy: No such file or directory"


def test_not_a_network_file(fake: FakeServer, samples_file: Path) -> None:
    line = error_line(run("load", "net", samples_file, "--server", fake.address))
    assert "not a .spk file" in line


def test_not_a_model_file(samples_file: Path, tmp_path: Path) -> None:
    line = error_line(run("convert", samples_file, tmp_path / "out.spk"))
    assert str(samples_file) in line
    assert not (tmp_path / "out.spk").exists()


def test_warnings_of_convert_name_options_of_the_command() -> None:
    text = "few spikes; give scale_firing_rates={'a b': 12.5, 'c': 3} or more steps, or sample_data"
    wanted = "few spikes; give --layer-scale 'a b=12.5' --layer-scale c=3 or more steps, or --sample-data"
    assert convert_command._in_options(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "train with relu, or give swap_activations={'gelu': 'Tanh'} (or {'gelu': None} to leave it out)",
            "train with relu, or give --swap gelu=Tanh (or --swap gelu=none to leave it out)",
        ),
        ("swap_activations={'softmax': None} to", "--swap softmax=none to"),
        ("delays take 2; give steps=4 or more", "delays take 2; give --steps 4 or more"),
        ("target_rate_hz sets the scales", "--target-rate sets the scales"),
        ("sample_data.keras: layer 'sample_data'", "sample_data.keras: layer 'sample_data'"),
    ],
)
def test_messages_of_convert_name_options_of_the_command(text: str, wanted: str) -> None:
    assert convert_command._in_options(text) == wanted


def test_refusals_of_convert_name_its_options(tmp_path: Path) -> None:
    model = Path(__file__).parents[4] / "tests" / "data" / "models" / "digits_mlp.keras"
    samples = f"{model.with_name('digits.npz')}:images"
    arguments = ["convert", model, tmp_path / "n.spk", "--sample-data", samples]
    line = error_line(run(*arguments, "--preset", "sparse", "--sample-limit", 100))
    assert "--sample-data has 100 samples (--sample-limit is 100), preset 'sparse' wants" in line
    line = error_line(run(*arguments, "--swap", "relu=MemoryRectifiedLinear(max=2)"))
    assert "MemoryRectifiedLinear() has no option 'max'; did you mean 'max_value'?" in line
    result = run(*arguments, "--swap", "relu=MemoryRectifiedLinear", "--steps", 1)
    assert result.exit_code == 0, result.stderr
    assert "; 1 step of 0.001 s" in result.stdout


def test_help_of_convert_says_what_presets_are() -> None:
    text = " ".join(run("convert", "--help").stdout.split())
    wanted = ("balanced (2 steps; up to 16", "accurate (8 steps), sparse (1", "[default: balanced]")
    for part in (*wanted, "only preset sparse uses more than 1,000"):
        assert part in text


def test_no_server() -> None:
    line = error_line(run("list", "--server", "127.0.0.1:1", "--connect-timeout", "0.1"), status=3)
    assert "server 127.0.0.1:1 cannot be reached" in line


def test_refusals_keep_the_message_of_the_server(fake: FakeServer) -> None:
    fake.failures = [(grpc.StatusCode.NOT_FOUND, "network 'x' is not loaded")]
    assert error_line(run("unload", "x", "--server", fake.address)) == "error: network 'x' is not loaded"


def test_labels_of_another_length(fake: FakeServer, samples_file: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.zeros(2, np.uint8))
    line = error_line(run("evaluate", "net", samples_file, tmp_path / "labels.npy", "--server", fake.address))
    assert line == "error: 3 samples, but labels of shape [2]"


def test_serve_without_a_binary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPIKESERVE_SERVER_BINARY", str(tmp_path / "missing"))
    assert "is not an executable file" in error_line(run("serve"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "MODEL", "out.spk", "--synapse", "fast"],
        ["convert", "MODEL", "out.spk", "--layer-scale", "dense"],
        ["convert", "MODEL", "out.spk", "--layer-scale", "dense=x"],
        ["convert", "MODEL", "out.spk", "--layer-scale", "dense=1", "--scale-firing-rates", "2"],
        ["convert", "MODEL", "out.spk", "--uint8-scale", "1/0"],
        ["classify", "net"],
        ["classify", "net", "MODEL", "--steps", "0"],
        ["load", "net", "missing.spk"],
        ["list", "--timeout", "0"],
        ["convert", "MODEL", "nowhere/out.spk"],
        ["simulate", "net", "MODEL", "--encoding", "morse"],
        ["simulate", "net", "MODEL", "--readout", "median"],
        ["simulate", "net", "MODEL", "--readout", "mean:x"],
        ["simulate", "net", "MODEL", "--readout", "last:3"],
        ["simulate", "net", "MODEL", "--probe", "dense:speed=4"],
        ["simulate", "net", "MODEL", "--probe", "dense:reduction=min"],
        ["simulate", "net", "MODEL", "--exit-min-steps", "4"],
        ["simulate", "net", "MODEL", "--npz", "nowhere/out.npz"],
        ["list", "--server", "localhost"],
        ["list", "--server", "host:99999"],
        ["list", "--token-file", "missing"],
        ["list", "--token-file", "EMPTY"],
        ["list", "--token-file", "MODEL"],
        ["list", "--root-cert", "missing.pem"],
        ["list", "--root-cert", "MODEL"],
        ["list", "--client-cert", "MODEL", "--client-key", "MODEL"],
    ],
    ids=" ".join,
)
def test_wrong_use(arguments: list[str], samples_file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    files = {"MODEL": str(samples_file), "EMPTY": str(tmp_path / "empty")}
    result = run(*[files.get(item, item) for item in arguments])
    assert result.exit_code == 2
    if arguments[0] == "list":
        assert f"'{arguments[1]}'" in result.stderr  # the option by its name
    assert "Usage: spikeserve" in result.stderr
    assert "Traceback" not in result.stderr
