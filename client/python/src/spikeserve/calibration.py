"""Which margin to end runs at early, so that accuracy stays within a given loss."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spikeserve import _probes
from spikeserve._requests import RunOptions
from spikeserve.client import Client
from spikeserve.recording import EarlyExit

if TYPE_CHECKING:
    from typing_extensions import Unpack

_CANDIDATES = 200


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


def calibrate_early_exit(
    client: Client,
    name: str,
    samples: npt.NDArray[Any],
    labels: npt.ArrayLike,
    *,
    max_loss: float = 0.005,
    min_steps: int = 0,
    check_every: int = 1,
    **options: Unpack[RunOptions],
) -> ExitCalibration:
    """Finds the margin with the fewest mean steps whose accuracy is at most `max_loss` below the full run's.

    Runs `samples` [n, shape...] once with every step of the first output probe, and looks at the running mean
    as the server would. `labels` [n] are class indices. Options as in `Client.simulate`, with a mean readout.
    ValueError where counts differ, `max_loss` is negative, steps are beyond the run or the readout is no
    plain mean; TypeError for an AsyncClient.
    """
    if inspect.iscoroutinefunction(client.simulate):
        raise TypeError(f"client is an {type(client).__name__}, wanted a Client, which waits for its answers")
    if not max_loss >= 0:
        raise ValueError(f"max_loss is {max_loss}, wanted at least 0")
    labels = np.asarray(labels)
    if labels.shape != (len(samples),):
        raise ValueError(f"{len(samples)} samples, but labels of shape {list(labels.shape)}")
    options["trajectories"], options["statistics"] = True, False
    result = client.simulate(name, samples, **options)
    settings = result.settings
    if settings.readout != "mean":
        raise ValueError(f"readout is {settings.readout}, calibration knows mean only")
    _probes.check_classes(result.classes, len(samples), name)
    _check_steps(min_steps, check_every, settings.steps)
    first = max(min_steps, settings.skip_steps + 1)
    checks = np.unique([*range(first, settings.steps + 1, check_every), settings.steps])
    trajectory = _probes.first(result.trajectories).reshape(len(samples), settings.steps, -1)
    margins, correct = _running(trajectory, labels, settings.skip_steps, checks)
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
    if means.shape[2] == 1:
        return np.full(best.shape, np.inf), means.argmax(axis=2) == labels[:, None]
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
