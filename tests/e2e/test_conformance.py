"""Every golden run through the wire, in every mode."""

from __future__ import annotations

from typing import Any

import golden_rules
import numpy as np
import pytest
import vectors

import spikeserve
from spikeserve.convert.models.neurons import set_model
from spikeserve.v1 import network_pb2


@pytest.mark.parametrize("mode", ["reference", "exact"])
@pytest.mark.parametrize("name", vectors.names())
def test_golden_run(client: spikeserve.Client, name: str, mode: str) -> None:
    try:
        vector = vectors.read(name)
    except vectors.MissingPartError as missing:
        pytest.skip(str(missing))
    client.load(name, vector.network, mode=mode)
    try:
        result = run(client, vector, trajectories=not vector.means_only)
        assert result.settings.mode == mode
        assert result.settings.dt == vector.dt
        golden_rules.check_means(vector, result)
        if vector.means_only:
            golden_rules.check_classes(vector, result)
            return
        check = golden_rules.check_reference if mode == "reference" else golden_rules.check_exact
        check(vector, result)
        golden_rules.check_means(vector, run(client, vector, trajectories=False))
    finally:
        client.unload(name)


def run(
    client: spikeserve.Client, vector: vectors.Vector, *, trajectories: bool
) -> spikeserve.SimulationResult:
    probes = [probe.name for probe in vector.network.definition.probes]
    return client.simulate(
        vector.name,
        vector.inputs,
        steps=vector.steps,
        dt=vector.dt,
        readout="mean",
        probes=probes,
        trajectories=trajectories,
        statistics=False,
    )


def test_no_case_uses_what_the_server_lacks() -> None:
    assert len(vectors.names()) >= 35
    for name in vectors.names():
        vectors.read(name)


def test_random_neurons_draw_by_seed_and_place_in_the_request(client: spikeserve.Client) -> None:
    definition = network_pb2.NetworkDefinition(format_version=1)
    definition.operations.add(name="input").input.shape.append(3)
    neuron = definition.operations.add(name="poisson").neuron
    set_model(neuron, spikeserve.PoissonSpiking(spikeserve.RectifiedLinear()))
    definition.connections.add(source="input", target="poisson")
    definition.probes.add(name="spikes", target="poisson", quantity=network_pb2.PROBE_QUANTITY_SPIKES)
    definition.probes.add(name="out", target="poisson", quantity=network_pb2.PROBE_QUANTITY_OUTPUT)
    client.load("poisson", spikeserve.Network(definition))
    inputs = np.full((4, 3), 300.0, np.float32)

    def counts(batch: int, seed: int) -> Any:
        result = client.simulate(
            "poisson", inputs[:batch], steps=50, seed=seed, probes=["spikes"], trajectories=True
        )
        return result.trajectories["spikes"]

    try:
        four = counts(4, 1)
        np.testing.assert_array_equal(counts(4, 1), four)
        np.testing.assert_array_equal(counts(2, 1), four[:2])  # not by the size of the batch
        assert (four[0] != four[1]).any()
        assert (counts(4, 2) != four).any()
    finally:
        client.unload("poisson")
