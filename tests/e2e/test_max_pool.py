"""Max pools, functions and products through a real server, against the float network and whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
import trained_models
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
