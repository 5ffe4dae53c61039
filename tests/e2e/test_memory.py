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
    np.testing.assert_allclose(result.logits, wanted, atol=4e-6 * float(np.abs(wanted).max()))
    counts = expected.counts_at(steps)
    for layer in result.stats:
        assert layer.spikes == int(counts[layer.layer].sum())


def test_statistics_say_whether_they_count_what_is_taken_back(server: spikeserve.LocalServer) -> None:
    model = trained_models.ALL[0]
    network = spikeserve.convert(
        model.path,
        preset="balanced",
        sample_data=model.sample_data(200, input_shape(model)),
        uint8_scale=model.images.uint8_scale,
    )
    samples, _ = model.test_samples(20, input_shape(model))
    neurons = [item.name for item in network.definition.operations if item.HasField("neuron")]
    with spikeserve.Client(server.address) as client:
        client.load("gross", network)
        spikes = [spikeserve.Record(name, "spikes", name=name) for name in neurons]
        records = client.simulate("gross", samples, steps=30, encoding="latency", record=spikes).records
        net = client.simulate("gross", samples, steps=30, encoding="latency")
        gross = client.simulate("gross", samples, steps=30, encoding="latency", gross_statistics=True)
    np.testing.assert_array_equal(gross.outputs, net.outputs)
    assert all(layer.net for layer in net.stats)
    assert not any(layer.net for layer in gross.stats)
    for one, all_of_it in zip(net.stats, gross.stats, strict=True):
        assert one.spikes == int(np.abs(records[one.layer].sum(axis=1)).sum())
        assert all_of_it.spikes == int(np.abs(records[one.layer]).sum())
    assert gross.stats[0].spikes > 1.2 * net.stats[0].spikes  # else nothing was shown
    energy = [spikeserve.estimate_energy(network, found, "spinnaker2", samples) for found in (net, gross)]
    assert [len(estimate.notes) for estimate in energy] == [1, 0]
    assert energy[1].synaptic_operations > energy[0].synaptic_operations
