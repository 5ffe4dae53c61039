"""What a network leaves to its clients they apply; what the server warns of they show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from fake_server import FakeServer

import spikeserve
from spikeserve.cli import main
from spikeserve.v1 import network_pb2 as pb

X = np.array([[1, 2], [-3, 1], [0.25, 0.25], [-0.5, 0.25]], np.float32)  # sums 3, -2, 0.5, -0.25
SUMS = X.sum(axis=1, keepdims=True)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))


@pytest.fixture
def squashed(fake: FakeServer) -> FakeServer:
    """Its one output is the logit of class 1, and is left with a sigmoid."""
    fake.outputs, fake.output_kind = (1,), pb.OUTPUT_KIND_LOGIT
    fake.activation = pb.OutputActivation(function=pb.OUTPUT_FUNCTION_SIGMOID)
    return fake


@pytest.fixture
def client(squashed: FakeServer) -> Iterator[spikeserve.Client]:
    with spikeserve.Client(squashed.address, timeout=20, max_batch=3) as client:
        yield client


def test_outputs_are_with_the_activation_and_logits_without(client: spikeserve.Client) -> None:
    result = client.simulate("net", X, trajectories=True, steps=5)  # two requests
    np.testing.assert_array_equal(result.logits, SUMS)
    np.testing.assert_allclose(result.outputs, sigmoid(SUMS), rtol=1e-6)
    assert result.outputs.dtype == np.float32
    assert result.probes["output"].activation == "sigmoid"
    np.testing.assert_array_equal(result.trajectories["output"], np.repeat(SUMS[:, None], 5, axis=1))


def test_without_one_both_are_the_same(fake: FakeServer) -> None:
    with spikeserve.Client(fake.address, timeout=20) as client:
        result = client.simulate("net", X)
        assert result.logits is result.outputs
        assert (result.probes["output"].activation, client.get("net").output_kind) == ("", "")


def test_streams_and_sessions_have_both_too(client: spikeserve.Client) -> None:
    for event in client.stream("net", X[:3], report_every=4, steps=10):
        np.testing.assert_array_equal(event.logits, SUMS[:3])
        np.testing.assert_allclose(event.outputs, sigmoid(SUMS[:3]), rtol=1e-6)


def test_sessions_have_both_too(fake: FakeServer) -> None:
    fake.activation = pb.OutputActivation(function=pb.OUTPUT_FUNCTION_SOFTMAX)
    fake.warnings = ["the inputs are odd"]
    with spikeserve.Client(fake.address, timeout=20) as client, client.session("net", 4) as session:
        progress = session.advance(X, 1)
        np.testing.assert_array_equal(progress.logits, np.repeat(SUMS, 2, axis=1))
        np.testing.assert_allclose(progress.outputs, np.full((4, 2), 0.5), rtol=1e-6)
        assert progress.warnings == ("the inputs are odd",)


def test_the_outputs_of_a_sigmoid_are_probabilities(client: spikeserve.Client) -> None:
    info = client.get("net")
    assert (info.output_kind, info.probes[0].activation) == ("probability", "sigmoid")
    found = spikeserve.evaluate(client, "net", X, [1, 0, 1, 0])
    assert (found.task, found.threshold, found.accuracy, found.auc) == ("binary", 0.5, 1.0, 1.0)


def test_a_function_of_a_newer_server_is_not_passed_over(squashed: FakeServer) -> None:
    squashed.activation.ParseFromString(b"\x08\x63")
    with (
        spikeserve.Client(squashed.address, timeout=20) as client,
        pytest.raises(ValueError, match="activation 99, which this version of spikeserve does not know"),
    ):
        client.simulate("net", X)


def test_warnings_of_a_run_are_shown(squashed: FakeServer, client: spikeserve.Client, tmp_path: Path) -> None:
    assert client.simulate("net", X).warnings == ()
    squashed.warnings = ["values reach 255"]
    result = client.simulate("net", X)
    assert result.warnings == ("values reach 255",)  # once, of two requests
    assert "warning: values reach 255" in repr(result)
    assert "values reach 255" in result._repr_html_()
    found = spikeserve.evaluate(client, "net", X, [1, 0, 1, 0])
    assert found.warnings == result.warnings
    assert "values reach 255" in repr(found)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", [1, 0, 1, 0])
    for command in (["classify", "net"], ["simulate", "net"], ["evaluate", "net"]):
        arguments = [*command, str(tmp_path / "x.npy")]
        arguments += [str(tmp_path / "y.npy")] if command[0] == "evaluate" else []
        shown = CliRunner().invoke(main, [*arguments, "--json", "--server", squashed.address])
        assert shown.stderr == "warning: values reach 255\n"
        assert json.loads(shown.stdout)


def test_the_file_of_a_run_has_both(squashed: FakeServer, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    out = tmp_path / "out.npz"
    arguments = ["simulate", "net", str(tmp_path / "x.npy"), "--npz", str(out), "--server", squashed.address]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    with np.load(out) as arrays:
        np.testing.assert_allclose(arrays["output/output"], sigmoid(SUMS), rtol=1e-6)
        np.testing.assert_array_equal(arrays["logits/output"], SUMS)
