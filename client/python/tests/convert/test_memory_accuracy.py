"""What the presets with memory promise, on real networks and images that no recipe has seen.

Judged by whole-number simulation. The bounds leave three standard errors of so few images, or more.
"""

from __future__ import annotations

import numpy as np
import pytest
from keras_files import outputs, quiet
from memory_simulation import MemorySimulation
from test_convert_accuracy import accuracy, load, model_path

import spikeserve

# Synaptic operations per image of the preset "spikeserve" in 8 steps, on all test images.
OPERATIONS = {"fashion_mlp": 2165.0, "fashion_lenet": 3.66e6}
IMAGES = {"fashion_mlp": 2000, "fashion_lenet": 800, "fashion_cnn": 200}


class Judged:
    """A network under a preset, on the first test images."""

    def __init__(self, name: str, preset: str, samples: int) -> None:
        data = load(name, samples, IMAGES[name])
        self.network = spikeserve.convert(model_path(name), preset=preset, sample_data=data.train)
        (floats,) = outputs(quiet(model_path(name), sample_data=data.train[:100]), data.test)
        whole = np.rint(data.test * 255).astype(np.uint8)
        steps = self.network.definition.defaults.steps
        parts = [
            MemorySimulation(self.network.definition, whole[i : i + 200]) for i in range(0, len(whole), 200)
        ]
        found = np.concatenate([part.output(steps) for part in parts])
        self.operations = float(np.mean([part.operations(steps) for part in parts]))
        self.agreement = accuracy(found, floats.argmax(axis=-1))
        self.points = accuracy(found, data.labels) - accuracy(floats, data.labels)


@pytest.mark.parametrize("name", IMAGES)
def test_accurate_is_the_float_network_in_8_steps(name: str) -> None:
    judged = Judged(name, "accurate", 500)
    assert judged.network.definition.defaults.steps == 8
    assert judged.agreement >= 98.4
    assert judged.network.report.max_error is not None
    assert judged.network.report.max_error < 1e-6


@pytest.mark.parametrize("name", ["fashion_mlp", "fashion_lenet"])
def test_balanced_keeps_the_accuracy_in_2_steps(name: str) -> None:
    judged = Judged(name, "balanced", 500)
    assert judged.points >= -1.5
    assert judged.agreement >= 96


@pytest.mark.parametrize("name", OPERATIONS)
def test_sparse_keeps_the_accuracy_with_a_third_of_the_operations(name: str) -> None:
    judged = Judged(name, "sparse", 3000)
    assert judged.network.definition.defaults.steps == 1
    assert judged.operations <= 0.33 * OPERATIONS[name]
    assert judged.points >= -2
    assert judged.agreement >= 94
    assert not judged.network.report.warnings
