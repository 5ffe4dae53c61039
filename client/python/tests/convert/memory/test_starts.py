"""What populations start from, in networks with more than one way through them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import h5_file, quiet

import spikeserve
from spikeserve.convert.definition.forward import run_rates
from spikeserve.convert.memory.counts import run_counts

RNG = np.random.default_rng(8)
SAMPLES = RNG.uniform(size=(130, 4)).astype("f4")  # two blocks and a part of one
# Name of each layer, the one that it reads, and its activation: two branches behind `first`.
LAYERS = [
    ("first", "x", "relu"),
    ("side", "first", "relu"),
    ("main", "first", "relu"),
    ("out", "main", "linear"),
]


def branched(folder: Path, outputs: list[str]) -> Path:
    records: list[dict[str, Any]] = [
        {
            "class_name": "InputLayer",
            "name": "x",
            "config": {"name": "x", "batch_input_shape": [None, 4]},
            "inbound_nodes": [],
        }
    ]
    weights = {}
    for name, source, activation in LAYERS:
        settings = {"name": name, "units": 4, "activation": activation}
        calls = [[[source, 0, 0, {}]]]
        records.append({"class_name": "Dense", "name": name, "config": settings, "inbound_nodes": calls})
        kernel, bias = RNG.normal(size=(4, 4)).astype("f4"), RNG.normal(size=4).astype("f4")
        weights[name] = {f"{name}/kernel:0": kernel, f"{name}/bias:0": bias}
    config = {
        "name": "model",
        "layers": records,
        "input_layers": [["x", 0, 0]],
        "output_layers": [[name, 0, 0] for name in outputs],
    }
    return h5_file(folder, {"class_name": "Functional", "config": config}, weights)


def converted(folder: Path, outputs: list[str]) -> spikeserve.Network:
    return quiet(branched(folder, outputs), sample_data=SAMPLES, steps=2)


@pytest.mark.parametrize("outputs", [["out", "side"], ["side", "out"], ["out"]])
def test_every_population_behind_another_starts_from_what_it_lacks(
    tmp_path: Path, outputs: list[str]
) -> None:
    definition = converted(tmp_path, outputs).definition
    started = {op.name for op in definition.operations if op.neuron.initial_voltage.tensor}
    assert started == {"main/neuron", "side/neuron"} & {op.name for op in definition.operations}


@pytest.mark.parametrize("outputs", [["out", "side"], ["side", "out"]])
def test_with_its_start_the_drive_of_a_population_is_right_in_the_mean(
    tmp_path: Path, outputs: list[str]
) -> None:
    """What the linear map in front of it gives, with what it starts from, is what the model gives."""
    definition = converted(tmp_path, outputs).definition
    tensors = {tensor.id: np.frombuffer(tensor.data, "<f4") for tensor in definition.tensors}
    exact = run_rates(definition, {"x": SAMPLES})
    counted = run_counts(definition, {"x": SAMPLES}, 2)
    for name in ("main", "side"):
        neuron = next(op.neuron for op in definition.operations if op.name == f"{name}/neuron")
        moved = tensors[neuron.initial_voltage.tensor] - 0.5
        gain = tensors[neuron.gain.tensor] if neuron.gain.tensor else neuron.gain.scalar
        lacking = (exact[name] - counted[name]).mean(axis=0) * gain * 2 * definition.defaults.dt
        assert moved == pytest.approx(lacking, abs=1e-4)
