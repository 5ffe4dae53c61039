"""Time and memory of a conversion, beside one pass of the samples and the bytes of the weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from keras_files import input_layer, keras_file, quiet, random_dense
from large_models import chain_of_convolutions, dense_chain

from spikeserve.convert.definition import work

PROGRAM = Path(__file__).parents[2] / "support" / "cost_of_conversion.py"
RNG = np.random.default_rng(5)

pytestmark = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux says how much memory it was at most"
)


def cost(model: Path, shape: tuple[int, ...], samples: int, **environment: str) -> dict[str, float]:
    """On one thread, so that processor seconds say how much was computed, whoever else computes."""
    given = model.with_name("samples.npy")
    np.save(given, RNG.uniform(size=(samples, *shape)).astype("f4"))
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(model), str(given)],
        env={**os.environ, **threads, **path, **environment}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def convolutions(folder: Path) -> Path:
    """For images of 16x16: 4.7 million parameters, 64 million multiplications."""
    return chain_of_convolutions(folder, 16, [(64, 64), (128, 128), (256, 256), (512, 512)], [])


def dense_layers(folder: Path) -> Path:
    """5.8 million parameters."""
    return dense_chain(folder, 784, [2048, 2048])


def test_convolutions_take_few_passes(tmp_path: Path) -> None:
    found = cost(convolutions(tmp_path), (16, 16, 3), 100)
    # Two passes, the check, and what is no product of matrices: about 5 in all, where it was 15 before.
    assert found["seconds"] < 9 * found["pass_seconds"] + 0.4, found


@pytest.mark.parametrize(
    ("make", "shape", "samples"), [(convolutions, (16, 16, 3), 100), (dense_layers, (784,), 200)]
)
def test_memory_is_below_three_times_the_weights(
    tmp_path: Path, make: Callable[[Path], Path], shape: tuple[int, ...], samples: int
) -> None:
    """The C library gives arrays back at once, which those of these small models are not large enough for."""
    found = cost(make(tmp_path), shape, samples, MALLOC_MMAP_THRESHOLD_=str(1 << 17))
    assert found["bytes"] < 3 * found["weight_bytes"], found


def test_of_a_larger_network_fewer_samples_are_measured_and_corrected_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = random_dense(4, 6, "relu"), random_dense(6, 5, "relu", seed=1), random_dense(5, 3, seed=2)
    model, samples = keras_file(tmp_path, input_layer(4), *layers), RNG.uniform(size=(300, 4)).astype("f4")
    monkeypatch.setattr(work, "_MULTIPLICATIONS", 69 * 120)  # of one sample there are 69
    heard: list[tuple[str, int, int]] = []
    network = quiet(
        model, sample_data=samples, class_labels=["a", "b", "c"], progress=lambda *said: heard.append(said)
    )
    assert ("measuring activations", 120, 120) in heard
    assert any(note.endswith("from 120 samples") for note in network.report.notes), network.report.notes
