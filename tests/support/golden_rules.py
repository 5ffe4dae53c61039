"""When a run passes for a golden one: the rules of tests/data/conformance/README.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from vectors import Probe, Vector

from spikeserve import SimulationResult

REFERENCE_TOLERANCE = 1e-9  # of the probe's largest value
MEAN_TOLERANCE = 1e-3  # of the probe's largest mean
VOLTAGE_TOLERANCE = 1e-4
CREEP_TOLERANCE = 1e-3  # of LIF voltages that crept over the threshold
CREEP = 1e-4  # rise in the step before a spike that is creeping
EQUAL_COUNTS = 0.999  # share of neurons and steps with the expected count

Values = npt.NDArray[Any]


def check_reference(vector: Vector, result: SimulationResult) -> None:
    """Every step of every probe."""
    for probe in vector.probes:
        got, largest = result.trajectories[probe.name], np.abs(probe.expected).max()
        assert got.shape == probe.expected.shape
        error = np.abs(got - probe.expected).max()
        assert error <= REFERENCE_TOLERANCE * largest, f"{probe.name}: {error:g} of {largest:g}"


def check_exact(vector: Vector, result: SimulationResult) -> None:
    """Cumulative spike counts, and voltages where they agree."""
    for probe in vector.probes:
        if probe.spike_height is None:
            continue
        wanted = np.cumsum(np.round(probe.expected / probe.spike_height), axis=1)
        got = np.cumsum(np.round(result.trajectories[probe.counts]), axis=1)
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= 1, f"spike counts of {probe.name}"
        if not vector.threshold_ties:
            assert np.mean(got == wanted) >= EQUAL_COUNTS, f"equal spike counts of {probe.name}"
        for other in vector.probes:
            if other.voltage:
                _check_voltages(other, result.trajectories[other.name], got, wanted)


def _check_voltages(probe: Probe, got: Values, counts: Values, wanted_counts: Values) -> None:
    """A voltage is off by a whole spike where one moved by a step, so it counts where the spikes agree."""
    expected = probe.expected
    rise = np.diff(expected, axis=1, prepend=-np.inf)  # of the step itself
    before = np.roll(rise, 1, axis=1)
    spiked = np.diff(wanted_counts, axis=1, prepend=0) > 0
    spiked[:, :3] = False
    crept = (spiked & (before > 0) & (before < CREEP)).any(axis=1, keepdims=True)
    tolerance = np.where(crept, CREEP_TOLERANCE, VOLTAGE_TOLERANCE)
    judged = counts == wanted_counts
    assert judged.mean() > 0.5
    wrong = judged & (np.abs(got - expected) > tolerance)
    assert not wrong.any(), f"{probe.name}: {np.argwhere(wrong)[:3].tolist()}"


def check_means(vector: Vector, result: SimulationResult) -> None:
    """Time means of the output probes."""
    for probe in vector.probes:
        if probe.voltage:
            continue
        wanted = probe.expected.mean(axis=1)
        tolerance = MEAN_TOLERANCE * np.abs(wanted).max()
        if vector.threshold_ties and probe.spike_height is not None:  # the last spike may be a step late
            tolerance = max(tolerance, 1.001 * probe.spike_height / vector.steps)
        error = np.abs(result.probes[probe.name].logits - wanted).max()
        assert error <= tolerance, f"time mean of {probe.name}: {error:g}"


def check_classes(vector: Vector, result: SimulationResult) -> None:
    """The expected class wherever the expected means tell two classes apart."""
    wanted = vector.probes[0].expected.mean(axis=1)
    ranked = np.sort(wanted, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > MEAN_TOLERANCE * np.abs(wanted).max()
    assert clear.any()
    np.testing.assert_array_equal(result.classes[clear], wanted.argmax(axis=1)[clear])
