"""Which margin to end runs at early, so that accuracy stays within a given loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spikeserve import _arrays, _probes, _show, _tasks
from spikeserve._keywords import with_options
from spikeserve._requests import RUN_PARAMETERS, RunOptions
from spikeserve.client import Client
from spikeserve.evaluation import check_waits
from spikeserve.recording import EarlyExit
from spikeserve.results import SimulationResult

if TYPE_CHECKING:
    from typing_extensions import Unpack

_CANDIDATES = 200
_OWN = frozenset({"trajectories", "statistics", "early_exit"})  # options that calibration sets itself


@dataclass(frozen=True)
class ExitPoint:
    """What one margin gives on the calibration samples."""

    margin: float
    accuracy: float
    mean_steps: float


@dataclass(frozen=True)
class ExitCalibration:
    """The margin that was found, and the choices it was found among, by rising margin."""

    early_exit: EarlyExit
    accuracy: float  # with it
    mean_steps: float  # with it
    full_accuracy: float  # without
    steps: int  # without
    curve: tuple[ExitPoint, ...]

    def __repr__(self) -> str:
        return _show.line(
            "ExitCalibration",
            repr(self.early_exit),
            f"accuracy {self.accuracy:.2%} in {self.mean_steps:.4g} steps",
            f"{self.full_accuracy:.2%} in all {self.steps}",
            f"found among {len(self.curve)} margins",
        )

    def _repr_html_(self) -> str:
        """In a notebook: some points of the curve."""
        every = -(-len(self.curve) // _show.MAX_ROWS)
        rows = [(one.margin, f"{one.accuracy:.2%}", one.mean_steps) for one in self.curve[:: every or 1]]
        return _show.table(repr(self)[1:-1], ("margin", "accuracy", "mean steps"), rows)


@with_options([one for one in RUN_PARAMETERS if one.name not in _OWN])
def calibrate_early_exit(
    client: Client,
    name: str,
    samples: _arrays.Given,
    labels: npt.ArrayLike,
    *,
    max_loss: float = 0.005,
    min_steps: int = 0,
    check_every: int = 1,
    **options: Unpack[RunOptions],
) -> ExitCalibration:
    """Finds the margin with the fewest mean steps whose accuracy is at most `max_loss` below the full run's.

    Runs `samples`, which are as the inputs of `Client.simulate`, once with every step of the first output
    probe, and looks at the running mean as the server would. `labels` [n] are class indices, or one-hot rows.
    Options as in `Client.simulate`, with a mean readout.
    ValueError where counts differ, `max_loss` is negative, steps are beyond the run, the readout is no plain
    mean or the network has one output; TypeError for an AsyncClient.
    """
    check_waits(client)
    if not max_loss >= 0:
        raise ValueError(f"max_loss is {max_loss}, wanted at least 0")
    given = _tasks.numbers(labels, _tasks.count(samples))
    options["trajectories"], options["statistics"] = True, False
    result = client.simulate(name, samples, **options)
    settings = result.settings
    if settings.readout != "mean":
        raise ValueError(f"readout is {settings.readout}, calibration knows mean only")
    count = len(result.classes)
    truth = _truth(given, result, name)
    _check_steps(min_steps, check_every, settings.steps)
    first = max(min_steps, settings.skip_steps + 1)
    checks = np.unique([*range(first, settings.steps + 1, check_every), settings.steps])
    trajectory = _probes.first(result.trajectories).reshape(count, settings.steps, -1)
    margins, correct = _running(trajectory, truth, settings.skip_steps, checks)
    curve = tuple(
        _point(float(margin), margins, correct, checks)
        for margin in np.unique(np.quantile(margins, np.linspace(0, 1, _CANDIDATES)))
    )
    full = float(correct[:, -1].mean())
    never = ExitPoint(float("inf"), full, float(settings.steps))
    good = [point for point in (*curve, never) if point.accuracy >= full - max_loss]
    best = min(good, key=lambda point: (point.mean_steps, point.margin))
    return ExitCalibration(
        EarlyExit(best.margin, first, check_every),
        best.accuracy,
        best.mean_steps,
        full,
        settings.steps,
        curve,
    )


def _truth(labels: npt.NDArray[Any], result: SimulationResult, name: str) -> npt.NDArray[np.int64]:
    """The classes of the labels; ValueError where an early exit has no classes to tell apart."""
    outputs = _probes.first(result.trajectories).shape[2:]
    _probes.check_classes(result.classes, len(_probes.first(result.trajectories)), name)
    if math.prod(outputs) == 1:
        raise ValueError(
            f"network '{name}' has one output: the margin of an early exit is that between two, so there is "
            "none to find"
        )
    truth = _tasks.read_labels(_tasks.numbers(labels, len(result.classes)), outputs, "")
    if truth.task != _tasks.CLASSES:
        raise ValueError(f"labels of shape {list(labels.shape)} are values, calibration wants classes")
    return truth.labels


def _check_steps(min_steps: int, check_every: int, steps: int) -> None:
    for name, value, least in (("min_steps", min_steps, 0), ("check_every", check_every, 1)):
        if not least <= value <= steps:
            raise ValueError(f"{name} is {value}, wanted {least} to {steps}, the steps of the run")


def _running(
    trajectory: npt.NDArray[Any], labels: npt.NDArray[Any], skip: int, checks: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Margins and whether the class is right, [n, checks], of the running mean."""
    sums = np.cumsum(trajectory[:, skip:], axis=1, dtype=np.float64)[:, checks - skip - 1]
    means = sums / (checks - skip)[None, :, None]
    best = means.max(axis=2)
    second = np.partition(means, -2, axis=2)[:, :, -2]
    return best - second, means.argmax(axis=2) == labels[:, None]


def _point(
    margin: float,
    margins: npt.NDArray[np.float64],
    correct: npt.NDArray[np.bool_],
    checks: npt.NDArray[np.int64],
) -> ExitPoint:
    passed = margins >= margin
    passed[:, -1] = True
    at = passed.argmax(axis=1)
    rows = np.arange(len(at))
    return ExitPoint(margin, float(correct[rows, at].mean()), float(checks[at].mean()))
