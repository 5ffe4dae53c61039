"""The numbers by which answers are judged, against sums that can be done by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikeserve._tasks import BINARY, CLASSES, LABELS, REGRESSION, read_labels
from spikeserve.outputs.scores import Given, Scores, auc, mean_iou, scores

RNG = np.random.default_rng(7)


def judged(labels: Any, outputs: Any, kind: str = "", **given: Any) -> Scores:
    values = np.asarray(outputs, np.float32)
    truth = read_labels(np.asarray(labels), values.shape[1:], kind)
    return scores(truth, Given(values, values, kind, **given), None)


def test_the_area_under_the_curve_is_a_share_of_pairs() -> None:
    values = RNG.integers(0, 20, 200).astype(float)
    labels = RNG.integers(0, 2, 200)
    pairs = [(a > b) + 0.5 * (a == b) for a in values[labels == 1] for b in values[labels == 0]]
    assert auc(values, labels) == pytest.approx(np.mean(pairs))
    assert auc(values, np.ones(200, int)) is None
    assert auc(np.zeros(4), np.array([0, 1, 0, 1])) == 0.5


def test_the_intersection_over_the_union_is_of_classes_that_occur() -> None:
    labels = np.array([[0, 0, 1], [1, 1, 3]])
    found = np.array([[0, 1, 1], [1, 1, 3]])
    assert mean_iou(found, labels, 5) == pytest.approx(np.mean([1 / 2, 3 / 4, 1]))


def test_several_labels_each_have_their_own_threshold() -> None:
    labels = [[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 1]]
    outputs = [[0.9, 0.2, 0.7], [0.1, 0.3, 0.6], [0.8, 0.9, 0.1], [0.2, 0.6, 0.4]]
    found = judged(labels, outputs, "labels", floats=np.asarray(labels, np.float32))
    assert (found.task, found.threshold) == (LABELS, 0.5)
    assert found.accuracy == 10 / 12
    assert found.exact_match == 2 / 4
    assert found.auc == pytest.approx(np.mean([1, 1, 3 / 4]))
    assert (found.float_accuracy, found.float_exact_match, found.float_auc) == (1, 1, 1)
    assert judged(labels, np.asarray(outputs) - 0.5, "label logits").accuracy == 10 / 12
    assert judged(np.eye(3)[[0, 1]], np.eye(3)[[0, 1]], "labels").task == LABELS  # that happen to be one-hot
    assert judged(np.eye(3)[[0, 1]], np.eye(3)[[0, 1]]).task == CLASSES


def test_a_map_has_a_class_at_each_position() -> None:
    labels = RNG.integers(0, 3, (5, 4, 6))
    outputs = np.eye(3)[labels]
    outputs[0, 0, 0] = np.roll(outputs[0, 0, 0], 1)
    for given in (labels, labels[..., None], np.eye(3)[labels]):
        found = judged(given, outputs, "classes", floats=np.eye(3)[labels])
        assert found.task == CLASSES
        assert found.accuracy == found.agreement == 1 - 1 / labels.size
        assert found.mean_iou is not None
        assert found.mean_iou < 1
        assert found.float_mean_iou == 1
    with pytest.raises(ValueError, match="labels from 0 to 5, wanted 0 to 2"):
        judged(np.where(labels == 0, 5, 0), outputs, "classes")
    with pytest.raises(ValueError, match="wanted a class for each position, or 72 values"):
        judged(labels[:, :3], outputs, "classes")


def test_a_map_of_two_classes_may_have_one_output_each() -> None:
    labels = RNG.integers(0, 2, (5, 4, 6))
    for given in (labels, labels[..., None]):
        found = judged(given, np.where(labels, 0.8, 0.3)[..., None], "labels")
        assert (found.task, found.threshold) == (BINARY, 0.5)
        assert (found.accuracy, found.mean_iou, found.auc) == (1, 1, 1)


def test_a_map_of_values_is_a_regression() -> None:
    values = RNG.normal(size=(5, 4, 6, 2))
    found = judged(values, values + 0.5)
    assert found.task == REGRESSION
    assert found.rmse == pytest.approx(0.5, rel=1e-5)
    assert found.mae == pytest.approx(0.5, rel=1e-5)
    assert "MAE" in dict(found.score_rows())
