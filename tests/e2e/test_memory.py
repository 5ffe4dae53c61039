"""Neurons with memory through a real server, against whole numbers that the tests compute themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import trained_models
from accuracy_table import input_shape
from memory_simulation import MemorySimulation

import spikeserve

ServerMaker = Callable[..., spikeserve.LocalServer]
IMAGES = 40
models = pytest.mark.parametrize("model", trained_models.ALL, ids=lambda model: model.name)


@models
@pytest.mark.parametrize("steps", [1, 2, 37, 3000])
def test_counts_and_outputs_are_those_of_whole_numbers(
    model: trained_models.TrainedModel, steps: int, start_server: ServerMaker
) -> None:
    shape = input_shape(model)
    network = spikeserve.convert(
        model.path,
        preset="balanced",
        sample_data=model.sample_data(200, shape),
        uint8_scale=model.images.uint8_scale,
    )
    samples, _ = model.test_samples(IMAGES, shape)
    expected = MemorySimulation(network.definition, samples)
    with spikeserve.Client(start_server().address) as client:
        client.load(model.name, network)
        result = client.simulate(model.name, samples, steps=steps)
    wanted = expected.output(steps)
    np.testing.assert_allclose(result.outputs, wanted, atol=4e-6 * float(np.abs(wanted).max()))
    counts = expected.counts_at(steps)
    for layer in result.stats:
        assert layer.spikes == int(counts[layer.layer].sum())
