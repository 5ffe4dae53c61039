"""What the labels of samples ask of a network: classes, one of two, or values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve import _arrays

CLASSES, BINARY, LABELS, REGRESSION = "classes", "binary", "labels", "regression"

_THRESHOLDS = {"probability": 0.5, "logit": 0.0, "labels": 0.5, "label logits": 0.0}

Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class Truth:
    """Labels as they are compared.

    Of classes [n], of a map [n, ...] without the last axis of the outputs; 0 and 1 for one of two [n] or
    [n, ...], for labels that may hold at once [n, ..., labels]; values [n, outputs...].
    """

    task: str
    labels: Labels


def count(samples: _arrays.Given) -> int | None:
    """How many samples there are; None for a list, which may be one of inputs."""
    if isinstance(samples, Mapping):
        return len(np.asarray(next(iter(samples.values())))) if samples else 0
    return None if isinstance(samples, list | tuple) else len(np.asarray(samples))


def numbers(labels: npt.ArrayLike, samples: int | None) -> Labels:
    """The labels as an array; ValueError where they are no numbers, or not one for each sample."""
    array = np.asarray(labels)
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        raise ValueError(f"labels of type {array.dtype}, wanted finite numbers")
    if array.ndim < 1 or (samples is not None and len(array) != samples):
        raise ValueError(f"{samples} samples, but labels of shape {list(array.shape)}")
    return array


def read_labels(labels: Labels, outputs: tuple[int, ...], kind: str) -> Truth:
    """What labels [n] or [n, outputs...] ask of a network with these outputs.

    `kind`: what the outputs say (NetworkInfo.output_kind). ValueError for labels that no answer can be
    compared with: fractions are never cut down to classes.
    """
    size = int(np.prod(outputs, dtype=int))
    given = labels.reshape(len(labels), -1)
    if given.shape[1] == 1:
        return _one_output(given[:, 0], kind) if size == 1 else _indices(given[:, 0], size)
    positions = outputs[:-1]
    if outputs[-1] > 1 and given.shape[1] * outputs[-1] == size and kind != "value":
        return Truth(CLASSES, _indices(given.reshape(-1), outputs[-1]).labels.reshape(-1, *positions))
    if given.shape[1] != size:
        raise ValueError(
            f"{len(labels)} samples with {size} outputs, but labels of shape {list(labels.shape)}: wanted a "
            f"class for each{' position' if len(outputs) > 1 else ''}, or {size} values"
        )
    return _each_output(given.reshape(len(given), *outputs), kind)


def _each_output(given: Labels, kind: str) -> Truth:
    """Labels [n, outputs...], a number for each output."""
    two = kind != "value" and bool(np.isin(given, (0, 1)).all())
    if two and given.shape[-1] == 1:
        return Truth(BINARY, given[..., 0].astype(np.int64))
    if two and kind not in ("labels", "label logits") and bool((given.sum(axis=-1) == 1).all()):
        return Truth(CLASSES, given.argmax(axis=-1))
    if two:
        return Truth(LABELS, given.astype(np.int64))
    return Truth(REGRESSION, given.astype(np.float64))


def _one_output(labels: Labels, kind: str) -> Truth:
    values = set(np.unique(labels).tolist())
    two = values <= {0, 1} or values == {-1, 1}
    if two and kind != "value":
        return Truth(BINARY, (labels > 0).astype(np.int64))
    if kind in _THRESHOLDS:
        raise ValueError(
            f"labels from {labels.min():g} to {labels.max():g}, wanted 0 and 1: the output is the {kind} of "
            "class 1"
        )
    return Truth(REGRESSION, labels.astype(np.float64))


def _indices(labels: Labels, size: int) -> Truth:
    whole = labels.astype(np.int64)
    different = labels[whole != labels]
    if different.size:
        raise ValueError(
            f"labels such as {different[0]:g} are no classes, and the network has {size} outputs: wanted a "
            f"class for each sample, or {size} values"
        )
    if whole.min() < 0 or whole.max() >= size:
        raise ValueError(f"labels from {whole.min()} to {whole.max()}, wanted 0 to {size - 1}, the outputs")
    return Truth(CLASSES, whole)


def threshold_of(outputs: npt.NDArray[Any], kind: str, given: float | None) -> float:
    """Above which value an output means that its class, or label, holds.

    The caller's; else 0.5 for probabilities and 0 for logits, of one class or of labels. Where nobody says
    which of them the outputs are, they are taken for probabilities if all lie between 0 and 1.
    """
    if given is not None:
        return given
    if kind in _THRESHOLDS:
        return _THRESHOLDS[kind]
    return 0.5 if outputs.size and outputs.min() >= 0 and outputs.max() <= 1 else 0.0


def classes_of(outputs: npt.NDArray[Any], threshold: float) -> npt.NDArray[np.int64]:
    """0 or 1 for each of the outputs [n, ...], which are one for each sample."""
    return (outputs.reshape(len(outputs)) > threshold).astype(np.int64)


def root_mean_square(difference: npt.NDArray[Any]) -> float:
    """Of all values."""
    return float(np.sqrt(np.mean(np.square(difference.astype(np.float64)))))


def explained(outputs: npt.NDArray[Any], labels: Labels) -> float | None:
    """R2: the share of the variance of the labels that the outputs explain; None where they do not vary."""
    spread = float(np.square(labels - labels.mean(axis=0)).sum())
    return None if spread == 0 else 1 - float(np.square(outputs.astype(np.float64) - labels).sum()) / spread
