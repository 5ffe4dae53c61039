"""The demo, the article's example and the command line, run as a person runs them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trained_models
from trained_models import ROOT, TrainedModel

import spikeserve

MLP = TrainedModel("fashion_mlp.keras", "fashion")
CLI = [sys.executable, "-m", "spikeserve.cli"]


def run(*command: object, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_demo() -> None:
    picture = ROOT / "build" / "demo.png"
    picture.unlink(missing_ok=True)
    last = run(sys.executable, "tools/demo.py").splitlines()[-1]
    match = re.fullmatch(
        r"demo: ok accuracy=(0\.\d+) float_accuracy=(0\.\d+) agreement=([01]\.\d+) "
        r"inferences_per_second=([\d.]+)",
        last,
    )
    assert match, last
    accuracy, expected, agreement, speed = map(float, match.groups())
    assert expected == pytest.approx(0.871, abs=0.0011)
    assert accuracy >= expected - 0.005
    assert agreement >= 0.98
    assert speed > 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_article(tmp_path: Path) -> None:
    images = trained_models.fashion_mnist()
    np.save(tmp_path / "images.npy", images.test[:1000] / np.float32(255))
    np.save(tmp_path / "labels.npy", images.test_labels[:1000])
    out = run(
        sys.executable, ROOT / "docs/examples/article.py", MLP.path, "images.npy", "labels.npy", cwd=tmp_path
    )
    match = re.search(r"accuracy (0\.\d+), ([\d.]+) Hz", out)
    assert match, out
    assert float(match[1]) >= 0.871 - 0.01
    assert 20 < float(match[2]) < 200


def test_article_without_arguments_says_how_it_is_used() -> None:
    command = [sys.executable, str(ROOT / "docs/examples/article.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (1, "usage: article.py model.keras images.npy labels.npy\n")


def test_the_article_word_for_word_does_not_work(client: spikeserve.Client) -> None:
    """Why the example has one more argument than the article: without it the classes are lost."""
    samples, labels = MLP.test_samples(500, (28, 28))
    with pytest.warns(spikeserve.ConversionWarning, match="fewer than one expected spike"):
        network = spikeserve.convert(
            MLP.path,
            preset="nengo_dl",
            synapse=0.005,
            probe_synapse=0.01,
            initial_voltage=0,
            sample_data=MLP.sample_data(200, (28, 28)),
        )
    client.load("word-for-word", network)
    result = client.simulate("word-for-word", samples / np.float32(255), steps=100, dt=0.001)
    client.unload("word-for-word")
    assert np.mean(result.classes == labels) < 0.6


@pytest.mark.client("CLI", "load", "unload", "list", "statistics", "classes as text", "IDX files", "uint8")
def test_the_command_line(server: spikeserve.LocalServer, tmp_path: Path) -> None:
    data = trained_models.FASHION_MNIST
    images, labels = data / "t10k-images-idx3-ubyte.gz", data / "t10k-labels-idx1-ubyte.gz"
    names = ",".join(trained_models.FASHION_LABELS)
    here = ["--server", server.address]
    output = tmp_path / "mlp.spk"
    run(
        *CLI, "convert", MLP.path, output, "--sample-data", data / "train-images-idx3-ubyte.gz",
        "--uint8-scale", "1/255", "--class-labels", names,
    )  # fmt: skip
    assert "neuron memory_rectified_linear" in run(*CLI, "inspect", output)
    assert json.loads(run(*CLI, "load", "cli", output, "--json", *here)) == {"name": "cli", "version": 1}
    listed = json.loads(run(*CLI, "list", "--json", *here))["networks"]
    assert [item["neurons"] for item in listed if item["name"] == "cli"] == [128]
    table = run(*CLI, "classify", "cli", images, "--limit", 3, *here).splitlines()
    assert table[1].split()[:4] == ["0", "9", "Ankle", "boot"]
    arguments = ["evaluate", "cli", images, labels, "--limit", 500, "--json", *here]
    outcome = json.loads(run(*CLI, *arguments, "--model", MLP.path, "--uint8-scale", "1/255"))
    again = json.loads(run(*CLI, *arguments, "--model", output))
    assert outcome["float_accuracy"] == again["float_accuracy"] > 0.85
    assert outcome["samples"] == 500
    assert outcome["accuracy"] > 0.85
    assert outcome["agreement"] > 0.95  # in 2 steps
    assert outcome["layers"][0]["spikes"] > 0
    assert run(*CLI, "unload", "cli", *here) == "unloaded cli version 1\n"


def test_serve_command(tmp_path: Path) -> None:
    quiet = ("--metrics-listen", "none", "--http-listen", "none")
    command = [*CLI, "serve", "--backend", "cpu", "--listen", "127.0.0.1:0", *quiet]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as server:
        assert server.stdout is not None
        address = server.stdout.readline().removeprefix("listening on ").strip()
        try:
            with spikeserve.Client(address) as client:
                assert client.list() == ()
        finally:
            server.terminate()
            server.communicate(timeout=30)
    assert server.returncode == 0
