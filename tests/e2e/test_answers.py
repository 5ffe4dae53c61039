"""Answers that are no class among many, several inputs, and two servers behind one address."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import servers
from click.testing import CliRunner

import spikeserve
from spikeserve.cli import main
from spikeserve.v1 import network_pb2 as pb

RNG = np.random.default_rng(5)
X = RNG.normal(size=(200, 3)).astype(np.float32)
SIDE = RNG.normal(size=(200, 2)).astype(np.float32)
WEIGHTS = np.array([[1, -2, 0.5, 1, -1]], np.float32)
TRUTH = (np.concatenate([X, SIDE], axis=1) @ WEIGHTS.T)[:, 0]


def network(kind: Any) -> spikeserve.Network:
    """Inputs [3] and [2, 1] -> Concat -> Affine: their weighted sum, by spikes that are exact in the mean."""
    definition = pb.NetworkDefinition(format_version=1)
    definition.operations.add(name="main").input.shape.extend([3])
    definition.operations.add(name="side").input.shape.extend([2, 1])
    definition.operations.add(name="flat").reshape.shape.extend([2])
    definition.operations.add(name="both").concat.axis = 0
    definition.operations.add(name="sum").affine.weight = "w"
    for source, target in (("main", "both"), ("side", "flat"), ("flat", "both"), ("both", "sum")):
        definition.connections.add(source=source, target=target)
    definition.tensors.add(
        id="w", shape=WEIGHTS.shape, data_type=pb.DATA_TYPE_FLOAT32, data=WEIGHTS.tobytes()
    )
    definition.probes.add(name="output", target="sum", quantity=pb.PROBE_QUANTITY_OUTPUT)
    definition.defaults.output_kind = kind
    definition.defaults.steps = 4
    return spikeserve.Network(definition)


def test_the_server_hands_on_what_the_outputs_say(client: spikeserve.Client) -> None:
    client.load("logit", network(pb.OUTPUT_KIND_LOGIT))
    assert client.get("logit").output_kind == "logit"
    assert client.list()[0].name in repr(client.list())


@pytest.mark.parametrize("samples", [[X, SIDE], {"main": X, "side": SIDE[:, :, None]}], ids=["list", "dict"])
def test_one_output_is_binary_or_a_regression(client: spikeserve.Client, samples: Any) -> None:
    made = network(pb.OUTPUT_KIND_LOGIT)
    client.load("binary", made)
    labels = (TRUTH > 0).astype(np.float32)
    found = spikeserve.evaluate(
        client, "binary", samples, labels, float_classes=spikeserve.classify_float(made, samples)
    )
    assert (found.accuracy, found.float_accuracy, found.agreement) == (1, 1, 1)
    client.load("value", network(pb.OUTPUT_KIND_VALUE))
    values = spikeserve.evaluate(
        client, "value", samples, TRUTH, float_outputs=spikeserve.float_outputs(made, samples)
    )
    assert (values.task, values.accuracy) == ("regression", None)
    assert values.r2 == pytest.approx(1, abs=1e-6)
    assert values.rmse == pytest.approx(0, abs=1e-5)
    with pytest.raises(ValueError, match="early_exit: its margin is that between two outputs"):
        client.simulate("binary", samples, early_exit=1.0)
    with client.session("binary", 200) as session:
        np.testing.assert_allclose(session.advance(samples, 3).outputs[:, 0], TRUTH, atol=1e-5)


def test_the_commands_say_the_same(server: spikeserve.LocalServer, tmp_path: Path) -> None:
    network(pb.OUTPUT_KIND_LOGIT).save(tmp_path / "n.spk")
    np.save(tmp_path / "main.npy", X)
    np.save(tmp_path / "side.npy", SIDE)
    (tmp_path / "y.csv").write_text("label\n" + "\n".join(str(int(one)) for one in TRUTH > 0))
    files = [f"{name}={tmp_path / name}.npy" for name in ("main", "side")]

    def say(*arguments: object) -> str:
        result = CliRunner().invoke(main, [*map(str, arguments), "--server", server.address])
        assert result.exit_code == 0, result.output
        return result.stdout

    say("load", "table", tmp_path / "n.spk")
    shown = json.loads(say("classify", "table", *files, "--json"))
    assert shown["classes"] == (TRUTH > 0).astype(int).tolist()
    text = say("evaluate", "table", *files, tmp_path / "y.csv", "--model", tmp_path / "n.spk")
    assert "accuracy              100.00%" in text
    assert "agreement with float  100.00%" in text


@pytest.mark.client("Python", "round robin")
def test_servers_behind_one_address_share_the_calls_and_one_that_stopped_gets_none(tmp_path: Path) -> None:
    started = [spikeserve.serve(backend="cpu", network_repository=tmp_path / str(n)) for n in (0, 1)]
    try:
        for server in started:
            with spikeserve.Client(server.address) as one:
                one.load("net", servers.small_network())
        address = "ipv4:" + ",".join(server.address for server in started)
        with spikeserve.Client(address, timeout=60) as client:
            client.simulate("net", servers.samples(1))

            def counts() -> list[float]:
                name = "spikeserve_requests_total"
                return [servers.counter(servers.metrics(one), name, method="Simulate") for one in started]

            def both_are_asked() -> bool:
                client.simulate("net", servers.samples(1))
                return min(counts()) > 0

            servers.eventually(both_are_asked, "both servers get calls")
            started[0].stop()
            for _ in range(10):
                assert client.simulate("net", servers.samples(1)).samples == 1
    finally:
        for server in started:
            server.stop()


NO_HTTP = ("--metrics-listen", "none", "--http-listen", "none")


def test_a_server_in_the_background_prints_where_it_listens_and_no_calls(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spikeserve.cli", "serve", "--listen", f"unix:{tmp_path}/s"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen([*command, *NO_HTTP], stdout=said, stderr=said)
    try:
        with spikeserve.Client(f"unix:{tmp_path}/s", timeout=60) as client:
            client.wait_until_reached(60)
            client.load("net", servers.small_network())
            for _ in range(5):
                client.simulate("net", servers.samples(1))
    finally:
        process.terminate()
        process.wait(60)
    assert (tmp_path / "said").read_text().splitlines() == [f"listening on unix:{tmp_path}/s"]
