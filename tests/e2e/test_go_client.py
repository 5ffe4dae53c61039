"""The Go client gives the bytes that the Python client gives, from the same server."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import accuracy_table
import numpy as np
import numpy.typing as npt
import pytest
from trained_models import TrainedModel

import spikeserve
from spikeserve import encodings

ROOT = Path(__file__).resolve().parents[2]
DIGITS = TrainedModel("digits_mlp.keras", "digits")
STEPS = 24
# As in client/go/internal/answers.
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "settings": {"dt": 0.002, "seed": 5, "initial_voltage": ("uniform", 5), "readout": ("mean", 3)},
    "constant": {"initial_voltage": 0.25},
    "last": {"readout": "last"},
    "corrected": {"readout": "corrected_mean"},
    "more": {"trajectories": True, "softmax": True, "top_k": 3, "statistics": True},
    "poisson": {"seed": 3, "encoding": encodings.Poisson(200)},
    "burst": {"encoding": encodings.Burst(window_steps=8, max_spikes=3)},
    "early exit": {"early_exit": spikeserve.EarlyExit(0.5, 4, 2)},
    "records": {
        "record": [
            spikeserve.Record("dense/neuron", "spikes", name="spikes"),
            spikeserve.Record("dense/neuron", "voltage", reduction="max", name="voltage"),
            spikeserve.Record("dense/neuron", filter_tau=0.005, every=4, name="filtered"),
        ]
    },
    "reference": {"version": 2},
    "stream": {},
}


def build(root: Path) -> Path:
    """Builds the module of a checkout; the folder of its programs."""
    built = subprocess.run([root / "tools/go.sh", "build"], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    if "go: skipped" in built.stdout:
        pytest.skip(built.stdout.strip())
    return root / "build/go"


@pytest.fixture(scope="module")
def program() -> Path:
    return build(ROOT) / "answers"


@pytest.fixture
def network(client: spikeserve.Client) -> Iterator[str]:
    digits = accuracy_table.convert(DIGITS, "spikeserve")
    client.load("go-answers", digits)
    client.load("go-answers", digits, version=2, mode="reference")
    yield "go-answers"
    client.unload("go-answers")


def little(values: npt.ArrayLike, dtype: str) -> bytes:
    return np.asarray(values, dtype).tobytes()


def answers(result: spikeserve.SimulationResult | spikeserve.SessionProgress) -> dict[str, bytes]:
    """All that an answer holds, by the names that the Go program uses."""
    found = {"classes": little(result.classes, "<i8"), "margins": little(result.margins, "<f8")}
    for name, probe in result.probes.items():
        found[f"outputs {name}"] = probe.outputs.tobytes()
        found[f"logits {name}"] = probe.logits.tobytes()
        if probe.trajectory is not None:
            found[f"trajectory {name}"] = probe.trajectory.tobytes()
    for layer in result.stats:
        whole = (layer.neurons, layer.spikes, layer.synaptic_operations)
        rates = (layer.mean_rate_hz, layer.max_rate_hz, layer.silent_fraction)
        found[f"statistics {layer.layer}"] = little(whole, "<i8") + little(rates, "<f8")
    for name, values in result.records.items():
        found[f"record {name}"] = values.tobytes()
    if isinstance(result, spikeserve.SimulationResult):
        if result.scores is not None:
            found["scores"] = result.scores.tobytes()
        if result.top_k is not None:
            found["best classes"] = little(result.top_k.classes, "<i8")
            found["best values"] = little(result.top_k.values, "<f8")
        if result.steps_used is not None:
            found["steps used"] = little(result.steps_used, "<i8")
    return found


def expected(
    client: spikeserve.Client, network: str, images: npt.NDArray[Any]
) -> dict[str, dict[str, bytes]]:
    """What the Python client gets, case by case."""
    found = {
        case: answers(
            client.simulate(network, images, steps=STEPS, **{"version": 1, "statistics": False, **options})
        )
        for case, options in CASES.items()
    }
    with client.session(network, len(images), version=1) as session:
        session.advance(images, STEPS // 3)
        found["session"] = answers(session.advance(images, STEPS - STEPS // 3))
    return found


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_go_client_gives_the_bytes_of_the_python_client(
    program: Path, client: spikeserve.Client, network: str, dtype: str, tmp_path: Path
) -> None:
    images: npt.NDArray[Any] = DIGITS.test_samples(20, (8, 8))[0]
    if dtype == "float32":
        images = images / np.float32(16)
    samples = tmp_path / "samples"
    samples.write_bytes(images.tobytes())
    command = [str(program), client.address, network, dtype, str(samples), *map(str, images.shape)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    wanted = expected(client, network, images)
    assert got.keys() == wanted.keys()
    for case, answer in wanted.items():
        decoded = {name: base64.b64decode(data) for name, data in got[case].items()}
        for name in [name for name in answer if name.startswith("outputs ")]:  # by another exp, rounded
            kind = "<f8" if len(answer[name]) == 8 * 10 * len(images) else "<f4"
            np.testing.assert_allclose(
                np.frombuffer(decoded.pop(name), kind), np.frombuffer(answer.pop(name), kind), rtol=3e-7
            )
        assert decoded == answer, case


def test_the_path_of_the_module_can_be_changed(tmp_path: Path) -> None:
    for name in ("proto", "client/go", "tools", "docs", "README.md", "Makefile"):
        source = ROOT / name
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path / name)
    (tmp_path / "tests").mkdir()
    command = ["make", "-C", str(tmp_path), "go-module", "MODULE=example.com/you/spikeserve"]
    subprocess.run(command, check=True, capture_output=True)
    assert (build(tmp_path) / "classify").is_file()
    sources = [path for path in tmp_path.rglob("*") if path.suffix in (".go", ".mod", ".proto")]
    assert len(sources) > 30
    assert not [path for path in sources if "spikeserve.example" in path.read_text()]
    refused = subprocess.run([*command[:-1], "MODULE=NoPath"], capture_output=True, text=True)
    assert "wanted a path such as" in refused.stderr
