"""How well answers fit labels: the numbers of each task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve import _tasks
from spikeserve._tasks import Truth

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What one output of a network is judged by. Fractions are 0..1; None where they are not of the task.

    `task`: "classes" (the largest value wins), "binary" (one value, against `threshold`), "labels" (several
    values, each against `threshold`) or "regression". Of a map, every position counts as a sample. `float_*`
    are those of the float network, where its answers are given.
    """

    task: str = _tasks.CLASSES
    threshold: float | None = None  # binary, labels: an output above it means that it holds
    accuracy: float | None = None  # labels: of all labels of all samples
    float_accuracy: float | None = None
    agreement: float | None = None  # same class, or labels, as the float network
    exact_match: float | None = None  # labels: samples of which all labels are right
    float_exact_match: float | None = None
    auc: float | None = None  # binary, labels (the mean): area under the ROC curve
    float_auc: float | None = None
    mean_iou: float | None = None  # maps of classes: mean of intersection/union over the classes that occur
    float_mean_iou: float | None = None
    rmse: float | None = None  # regression: root mean square of outputs - labels
    mae: float | None = None  # regression: mean of |outputs - labels|
    r2: float | None = None  # regression: share of the labels' variance that is explained, at most 1
    float_rmse: float | None = None
    float_mae: float | None = None
    float_r2: float | None = None
    rmse_to_float: float | None = None  # regression: of outputs - float outputs

    def score_rows(self) -> list[tuple[str, str]]:
        """Names and values for people."""
        shares = {
            "accuracy": self.accuracy, "float accuracy": self.float_accuracy,
            "agreement with float": self.agreement, "exact match": self.exact_match,
            "float exact match": self.float_exact_match, "mean IoU": self.mean_iou,
            "float mean IoU": self.float_mean_iou,
        }  # fmt: skip
        numbers = {
            "AUC": self.auc, "float AUC": self.float_auc, "RMSE": self.rmse, "MAE": self.mae, "R2": self.r2,
            "float RMSE": self.float_rmse, "float MAE": self.float_mae, "float R2": self.float_r2,
            "RMSE to float": self.rmse_to_float,
        }  # fmt: skip
        rows = [(name, f"{value:.2%}") for name, value in shares.items() if value is not None]
        rows += [(name, f"{value:.4g}") for name, value in numbers.items() if value is not None]
        return rows + ([("threshold", f"{self.threshold:g}")] if self.threshold is not None else [])


@dataclass(frozen=True)
class Given:
    """What was answered for one output: values [n, outputs...] with their activation, and before it."""

    outputs: Array
    logits: Array
    kind: str  # of the outputs, as NetworkInfo.output_kind
    floats: Array | None = None  # the float network's outputs, likewise
    float_classes: Array | None = None  # or its classes [n]


def scores(truth: Truth, given: Given, threshold: float | None) -> Scores:
    """Compares. ValueError where classes of the float network are given for values."""
    if truth.task == _tasks.REGRESSION:
        if given.float_classes is not None:
            raise ValueError(
                "the labels are values, which have no classes: give float_outputs, not float_classes"
            )
        return _regression(truth.labels, given)
    if truth.task == _tasks.CLASSES:
        return _classes(truth.labels, given)
    return _thresholds(truth, given, _tasks.threshold_of(given.outputs, given.kind, threshold))


def _classes(labels: Array, given: Given) -> Scores:
    """Labels [n] of one class, or [n, ...] of one at each position of a map."""
    found = _largest(given.logits, labels)
    wanted = given.float_classes if given.floats is None else _largest(given.floats, labels)
    number = given.outputs.shape[-1]
    maps = labels.ndim > 1
    return Scores(
        task=_tasks.CLASSES,
        accuracy=_share(found, labels),
        float_accuracy=_share(wanted, labels),
        agreement=_share(found, wanted),
        mean_iou=mean_iou(found, labels, number) if maps else None,
        float_mean_iou=mean_iou(wanted, labels, number) if maps and wanted is not None else None,
    )


def _thresholds(truth: Truth, given: Given, threshold: float) -> Scores:
    """Labels 0 and 1 for each output: [n], [n, labels] or maps of them."""
    labels, several = truth.labels, truth.task == _tasks.LABELS
    found = _above(given.outputs, labels, threshold)
    wanted = given.float_classes if given.floats is None else _above(given.floats, labels, threshold)
    maps = labels.ndim > 1 and not several
    return Scores(
        task=truth.task,
        threshold=threshold,
        accuracy=_share(found, labels),
        float_accuracy=_share(wanted, labels),
        agreement=_share(found, wanted),
        exact_match=_exact(found, labels) if several else None,
        float_exact_match=_exact(wanted, labels) if several and wanted is not None else None,
        auc=mean_auc(given.logits, labels, several),
        float_auc=None if given.floats is None else mean_auc(given.floats, labels, several),
        mean_iou=mean_iou(found, labels, 2) if maps else None,
        float_mean_iou=mean_iou(wanted, labels, 2) if maps and wanted is not None else None,
    )


def _regression(labels: Array, given: Given) -> Scores:
    outputs = given.outputs.reshape(labels.shape)
    floats = None if given.floats is None else given.floats.reshape(labels.shape)
    return Scores(
        task=_tasks.REGRESSION,
        rmse=_tasks.root_mean_square(outputs - labels),
        mae=_mean_magnitude(outputs - labels),
        r2=_tasks.explained(outputs, labels),
        float_rmse=None if floats is None else _tasks.root_mean_square(floats - labels),
        float_mae=None if floats is None else _mean_magnitude(floats - labels),
        float_r2=None if floats is None else _tasks.explained(floats, labels),
        rmse_to_float=None if floats is None else _tasks.root_mean_square(outputs - floats),
    )


def mean_iou(found: Array, labels: Array, classes: int) -> float:
    """Mean over the classes, of 0 to `classes` - 1, that are found or wanted anywhere."""
    both = np.bincount(labels[found == labels].ravel(), minlength=classes)
    either = (
        np.bincount(labels.ravel(), minlength=classes) + np.bincount(found.ravel(), minlength=classes) - both
    )
    return float(np.mean(both[either > 0] / either[either > 0]))


def auc(values: Array, labels: Array) -> float | None:
    """How often a 1 has a larger value than a 0, ties counting half; None where one of them is missing."""
    ones = int(labels.sum())
    zeros = labels.size - ones
    if ones == 0 or zeros == 0:
        return None
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of equal values their mean, from 1
    total = float(ranks[place.ravel()][labels.ravel() == 1].sum())
    return (total - ones * (ones + 1) / 2) / (ones * zeros)


def mean_auc(values: Array, labels: Array, several: bool) -> float | None:
    """Of all positions as one, or the mean over the labels of the last axis that have one."""
    if not several:
        return auc(values.reshape(-1), labels.reshape(-1))
    rows = values.reshape(-1, labels.shape[-1])
    found = [auc(*pair) for pair in zip(rows.T, labels.reshape(rows.shape).T, strict=True)]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _largest(values: Array, labels: Array) -> Array:
    """The classes of values [n, ..., classes], in the shape of the labels."""
    if labels.ndim == 1:
        values = values.reshape(len(values), -1)
    return np.asarray(values.argmax(axis=-1), np.int64).reshape(labels.shape)


def _above(values: Array, labels: Array, threshold: float) -> Array:
    return np.asarray(values.reshape(labels.shape) > threshold, np.int64)


def _share(found: Array | None, wanted: Array | None) -> float | None:
    """Of elements that are the same; None where one side is not known."""
    return None if found is None or wanted is None else float(np.mean(found == wanted))


def _exact(found: Array, labels: Array) -> float:
    return float(np.mean((found == labels).all(axis=-1)))


def _mean_magnitude(difference: Array) -> float:
    return float(np.mean(np.abs(difference.astype(np.float64))))
