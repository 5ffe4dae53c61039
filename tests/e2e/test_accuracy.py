"""The goals of docs/accuracy.md on every trained network, over 1,000 test images through the server.

A run of 64 steps contains the shorter ones: its outputs at step T are the mean over the first T steps of the
trajectory. That this is what a run of T steps answers has a test of its own.
"""

from __future__ import annotations

from typing import Any

import accuracy_table
import mode_table
import numpy as np
import numpy.typing as npt
import pytest
import trained_models
from trained_models import TrainedModel

import spikeserve
from spikeserve.evaluation import classify_float

# Steps: the most points of accuracy below the float network.
MAX_LOSS = {8: 0.01, 16: 0.005, 64: 0.003}
MIN_AGREEMENT_AT_16 = 0.985
# Of the default preset: steps, loss of accuracy, agreement. Over the 5,000 images of docs/accuracy.md it is
# half a point in 2 steps and 99 % in 8; so few images leave two standard errors.
DEFAULT_GOALS = {2: (0.01, 0.96), 8: (0.005, 0.985)}
MAX_LOSS_OF_NENGO_DL = 0.01  # at 100 steps
# Points of accuracy between a mode and reference mode at 16 steps, either way.
MAX_DISTANCE = {"exact": 0.001, "fast": 0.003}

models = pytest.mark.parametrize("model", trained_models.ALL, ids=lambda model: model.name)


@pytest.fixture
def client(server: spikeserve.LocalServer) -> Any:
    with spikeserve.Client(server.address, timeout=1200, max_batch=100) as client:
        yield client


def classes_after(result: spikeserve.SimulationResult, steps: int) -> npt.NDArray[np.int64]:
    means = result.trajectories["output"][:, :steps].mean(axis=1, dtype=np.float64)
    return np.asarray(means.argmax(axis=1))


@models
@pytest.mark.timeout(1200)
def test_spikeserve_preset(client: spikeserve.Client, model: TrainedModel) -> None:
    prepared = accuracy_table.prepare(client, model, "spikeserve")
    result = client.simulate(prepared.name, prepared.samples, steps=64, trajectories=True, statistics=False)
    client.unload(prepared.name)
    best = np.mean(prepared.float_classes == prepared.labels)
    assert len(prepared.labels) == min(1000, len(model.images.test))
    if recorded := model.facts():
        assert best == pytest.approx(recorded["float_accuracy_first_1000"], abs=0.0011)
    for steps, loss in MAX_LOSS.items():
        accuracy = np.mean(classes_after(result, steps) == prepared.labels)
        assert accuracy >= best - loss - 1e-9, f"{steps} steps: {accuracy:.2%}, float {best:.2%}"
    agreement = np.mean(classes_after(result, 16) == prepared.float_classes)
    assert agreement >= MIN_AGREEMENT_AT_16, f"agreement {agreement:.2%}"


@models
@pytest.mark.timeout(1200)
def test_default_preset(client: spikeserve.Client, model: TrainedModel) -> None:
    """In its own 2 steps, and in 8."""
    shape = accuracy_table.input_shape(model)
    network = spikeserve.convert(
        model.path, sample_data=model.sample_data(1000, shape), uint8_scale=model.images.uint8_scale
    )
    assert network.definition.defaults.steps == 2
    assert not network.report.warnings
    samples, labels = model.test_samples(1000, shape)
    floats = classify_float(network, samples)
    client.load(model.name, network)
    for steps, (loss, agreement) in DEFAULT_GOALS.items():
        classes = client.simulate(model.name, samples, steps=steps, statistics=False).classes
        assert np.mean(classes == labels) >= np.mean(floats == labels) - loss - 1e-9, f"{steps} steps"
        assert np.mean(classes == floats) >= agreement, f"{steps} steps"
    client.unload(model.name)


@models
@pytest.mark.timeout(1200)
def test_nengo_dl_preset(client: spikeserve.Client, model: TrainedModel) -> None:
    """With scale 100, or 500 where the converter warns that a layer would hardly spike at 100."""
    prepared = accuracy_table.prepare(client, model, accuracy_table.best_nengo_dl(model))
    outcome = accuracy_table.measure(client, prepared, 100)
    client.unload(prepared.name)
    assert outcome.accuracy is not None
    assert outcome.float_accuracy is not None
    assert outcome.accuracy >= outcome.float_accuracy - MAX_LOSS_OF_NENGO_DL - 1e-9


@models
@pytest.mark.timeout(1200)
def test_modes_have_one_accuracy(client: spikeserve.Client, model: TrainedModel) -> None:
    """Reference mode, where 1,000 images do not take minutes; else exact mode stands for it."""
    wanted = "exact" if model.name.endswith("_cnn") else "reference"
    labels, classes = mode_table.classify(client, model, 1000, ("exact", "fast", wanted))
    accuracy = mode_table.accuracies(labels, classes)
    for mode, distance in MAX_DISTANCE.items():
        assert abs(accuracy[mode] - accuracy[wanted]) <= distance + 1e-9, accuracy


def test_the_page_keeps_one_chapter_about_modes() -> None:
    page = (trained_models.ROOT / "docs" / "accuracy.md").read_text()
    assert page.count(mode_table.TITLE) == 1
    for model in trained_models.ALL:
        assert f"| {model.name} | " in page.split(mode_table.TITLE)[1]
    once = mode_table.with_chapter("# A\n", f"{mode_table.TITLE}\nb\n")
    assert mode_table.with_chapter(once, f"{mode_table.TITLE}\nc\n") == f"# A\n\n{mode_table.TITLE}\nc\n"


def test_a_long_run_contains_the_shorter_ones(client: spikeserve.Client) -> None:
    model = trained_models.ALL[0]
    prepared = accuracy_table.prepare(client, model, "spikeserve")
    long = client.simulate(prepared.name, prepared.samples, steps=64, trajectories=True)
    for steps in (8, 16, 64):
        short = client.simulate(prepared.name, prepared.samples, steps=steps)
        means = long.trajectories["output"][:, :steps].mean(axis=1)
        np.testing.assert_allclose(short.logits, means, rtol=1e-4, atol=1e-4)
        assert np.mean(short.classes == classes_after(long, steps)) >= 0.999
    client.unload(prepared.name)


def test_the_page_has_every_network_and_every_number_of_steps(client: spikeserve.Client) -> None:
    """The committed page, and a page made of a few samples of the smallest network."""
    page = (trained_models.ROOT / "docs" / "accuracy.md").read_text()
    for model in trained_models.ALL:
        assert f"\n## {model.name}\n" in page
    rows = [line for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert len(rows) >= len(trained_models.ALL) * 2 * len(accuracy_table.STEPS)
    part = accuracy_table.chapter(client, trained_models.ALL[0], 50, lambda: None)
    assert part.count("\n| ") == 2 * (1 + len(accuracy_table.STEPS))
    assert client.list() == () or all("digits_mlp." not in info.name for info in client.list())
