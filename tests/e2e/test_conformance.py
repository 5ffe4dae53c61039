"""Every golden run through the wire, in every mode."""

from __future__ import annotations

import golden_rules
import pytest
import vectors

import spikeserve


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


def test_only_what_the_server_lacks_is_skipped() -> None:
    runnable = 0
    for name in vectors.names():
        try:
            vectors.read(name)
        except vectors.MissingPartError:
            continue
        runnable += 1
    assert runnable >= 24
