"""Max pools, functions and products through a real server, against the float network and whole numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trained_models
from keras_files import h5_file
from memory_simulation import MemorySimulation

import spikeserve

PATH = trained_models.MODELS / "digits_maxpool.keras"
IMAGES = trained_models.digits()
TEST, LABELS = IMAGES.test.reshape(-1, 8, 8, 1), IMAGES.test_labels
TRAIN = IMAGES.train.reshape(-1, 8, 8, 1) * np.float32(IMAGES.uint8_scale)


def network(**options: object) -> spikeserve.Network:
    return spikeserve.convert(
        PATH,
        sample_data=TRAIN[:500],
        uint8_scale=IMAGES.uint8_scale,
        class_labels=[str(digit) for digit in range(10)],
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("steps", [1, 3, 64])
def test_counts_are_those_of_whole_numbers(steps: int, client: spikeserve.Client) -> None:
    converted = network()
    client.load(f"whole-{steps}", converted)
    result = client.simulate(f"whole-{steps}", TEST[:40], steps=steps)
    expected = MemorySimulation(converted.definition, TEST[:40])
    wanted = expected.output(steps)
    np.testing.assert_allclose(result.outputs, wanted, atol=4e-6 * float(np.abs(wanted).max()))
    counts = expected.counts_at(steps)
    assert {layer.layer for layer in result.stats} >= {"pool_0", "pool_1"}
    for layer in result.stats:
        assert layer.spikes == int(counts[layer.layer].sum())


@pytest.mark.parametrize(
    ("preset", "agreement", "lost"),
    [("balanced", 0.975, 0.015), ("accurate", 0.985, 0.01), ("sparse", 0.93, 0.045)],
)
def test_classes_are_those_of_the_model(
    preset: str, agreement: float, lost: float, client: spikeserve.Client
) -> None:
    """Of a trained network, on images that nobody has seen."""
    converted = network(preset=preset)
    floats = spikeserve.float_outputs(network(), TEST).argmax(axis=-1)
    client.load(f"digits-{preset}", converted)
    found = client.simulate(f"digits-{preset}", TEST).outputs.argmax(axis=-1)
    assert np.mean(found == floats) >= agreement
    assert np.mean(found == LABELS) >= np.mean(floats == LABELS) - lost


def test_outputs_come_to_those_of_the_model(client: spikeserve.Client) -> None:
    converted = network()
    floats = spikeserve.float_outputs(converted, TEST)
    client.load("closer", converted)
    errors = [
        float(
            np.abs(client.simulate("closer", TEST, steps=steps).outputs - floats).max() / np.abs(floats).max()
        )
        for steps in (8, 64)
    ]
    assert errors[1] < 0.02
    assert errors[1] < errors[0] / 3


def test_steps_give_what_totals_give(client: spikeserve.Client) -> None:
    client.load("steps", network())
    whole = client.simulate("steps", TEST[:20], steps=20)
    every = client.simulate("steps", TEST[:20], steps=20, trajectories=True)
    np.testing.assert_array_equal(whole.outputs, every.outputs)


def record(class_name: str, name: str, *sources: str, **config: Any) -> dict[str, Any]:
    calls = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": calls,
    }


def everything(folder: Path, activation: str) -> Path:
    """Random weights: a convolution, a gate for each channel, a max pool, normalised rows, a Dense layer."""
    conv = {"filters": 8, "kernel_size": [3, 3], "padding": "same", "activation": activation}
    layers = [
        record("InputLayer", "x", batch_input_shape=[None, 8, 8, 1]),
        record("Conv2D", "a", "x", **conv),
        record("GlobalMaxPooling2D", "squeeze", "a"),
        record("Dense", "gate", "squeeze", units=8, activation="sigmoid"),
        record("Reshape", "spread", "gate", target_shape=[1, 1, 8]),
        record("Multiply", "excite", "a", "spread"),
        record("Conv2D", "b", "excite", **{**conv, "activation": "linear"}),
        record("MaxPooling2D", "pool", "b"),
        record("LayerNormalization", "norm", "pool", epsilon=0.01),
        record("Flatten", "flat", "norm"),
        record("Dense", "out", "flat", units=10),
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["out", 0, 0]]}
    rng = np.random.default_rng(4)
    shapes = {"a": (3, 3, 1, 8), "gate": (8, 8), "b": (3, 3, 8, 8), "out": (128, 10)}
    weights: dict[str, dict[str, Any]] = {
        name: {
            f"{name}/kernel:0": rng.normal(size=shape).astype("f4") / np.sqrt(np.prod(shape[:-1]) / 2),
            f"{name}/bias:0": rng.normal(size=shape[-1]).astype("f4") / 5,
        }
        for name, shape in shapes.items()
    }
    weights["norm"] = {"norm/gamma:0": rng.uniform(0.5, 2, 8).astype("f4"), "norm/beta:0": np.ones(8, "f4")}
    return h5_file(folder, {"class_name": "Functional", "config": config}, weights)


@pytest.mark.parametrize("activation", ["relu", "gelu", "swish", "tanh"])
def test_functions_products_and_rows_come_to_the_model(
    activation: str, tmp_path: Path, client: spikeserve.Client
) -> None:
    """Within 2 % in 64 steps, and the closer the more steps there are."""
    converted = spikeserve.convert(
        everything(tmp_path, activation),
        sample_data=TRAIN[:200],
        uint8_scale=IMAGES.uint8_scale,
        class_labels=[str(digit) for digit in range(10)],
    )
    floats = spikeserve.float_outputs(converted, TEST)
    client.load(f"all-{activation}", converted)
    errors = [
        float(np.abs(client.simulate(f"all-{activation}", TEST, steps=steps).outputs - floats).max())
        for steps in (8, 64, 512)
    ]
    largest = float(np.abs(floats).max())
    assert errors[1] < 0.02 * largest
    assert errors[2] < errors[1] / 3 < errors[0] / 9
