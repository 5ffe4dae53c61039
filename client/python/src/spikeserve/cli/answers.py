"""What the outputs of a run say, as a command shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from spikeserve import _probes, _tasks
from spikeserve.results import NetworkInfo, SimulationResult

_SHOWN = 8  # values of one sample

threshold_option = click.option(
    "--threshold",
    type=float,
    help="For one output: class 1 above this. Default: 0.5 for probabilities, 0 for logits.",
)


@dataclass(frozen=True)
class Answers:
    """Classes [n] with how clear they are, or values [n, outputs]."""

    kind: str  # of the outputs, as NetworkInfo.output_kind
    classes: npt.NDArray[np.int64] | None
    values: npt.NDArray[Any]  # margins [n] of classes; else the outputs [n, outputs]
    labels: tuple[str, ...]

    def label(self, index: int) -> str:
        """The name of a class; of two classes the one that the output is the chance of may have it."""
        if len(self.labels) == 1 and self.kind != "classes":
            return self.labels[0] if index == 1 else ""
        return self.labels[index] if index < len(self.labels) else ""

    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Columns and rows for people."""
        heading = {"classes": "MARGIN", "": "OUTPUT"}.get(self.kind, self.kind.upper())
        cells = [_text(row) for row in self.values.reshape(len(self.values), -1)]
        if self.classes is None:
            return (">SAMPLE", f">{heading}"), list(enumerate(cells))
        rows: list[tuple[object, ...]] = [
            (number, index, self.label(int(index)), cell)
            for number, (index, cell) in enumerate(zip(self.classes, cells, strict=True))
        ]
        return (">SAMPLE", ">CLASS", "LABEL", f">{heading}"), rows

    def as_json(self) -> dict[str, Any]:
        """Classes, labels, margins and outputs; null for what the network does not give."""
        found: dict[str, Any] = {"output_kind": self.kind or None, "classes": None, "labels": None}
        found |= {"margins": None, "outputs": None}
        if self.classes is not None:
            found["classes"] = self.classes.tolist()
            found["labels"] = [self.label(index) for index in found["classes"]] if self.labels else None
        values = [[_finite(value) for value in row] for row in self.values.reshape(len(self.values), -1)]
        if self.kind == "classes":
            found["margins"] = [row[0] for row in values]
        else:
            found["outputs"] = values
        return found


def answers(info: NetworkInfo, result: SimulationResult, threshold: float | None) -> Answers:
    """What a run answered. ValueError where the network has no output probe, or no one output to compare."""
    _probes.check_classes(result.classes, result.samples, info.name)
    outputs, kind, labels = result.outputs, info.output_kind, info.class_labels
    if outputs[0].size > 1:
        if threshold is not None:
            raise ValueError(f"--threshold is for one output, network '{info.name}' has {outputs[0].size}")
        if kind in ("value", "labels", "label logits"):
            return Answers(kind, None, outputs, labels)
        if outputs[0].size != outputs.shape[-1]:  # a map, whose classes are those of its positions
            return Answers("", None, outputs, labels)
        return Answers("classes", result.classes, result.margins, labels)
    if threshold is None and kind not in ("probability", "logit"):
        return Answers(kind if kind == "value" else "", None, outputs, labels)
    classes = _tasks.classes_of(outputs, _tasks.threshold_of(outputs, kind, threshold))
    return Answers("" if kind in ("classes", "value") else kind, classes, outputs, labels)


def _text(row: npt.NDArray[Any]) -> str:
    shown = " ".join(f"{value:.4g}" for value in row[:_SHOWN])
    return shown + (" ..." if len(row) > _SHOWN else "")


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
