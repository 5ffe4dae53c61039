"""The picture of the report."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from loadtesting import ghz, sweep
from loadtesting.measure import Outcome

_COLOURS = {50.0: "#2c7fb8", 90.0: "#41ab5d", 99.0: "#e6850e", 99.9: "#c0392b"}
_INK, _PALE, _KNEE = "#333333", "#9a9a9a", "#6a3d9a"
_POINTS: dict[str, Any] = {"marker": "o", "markersize": 4}


def latency_against_load(result: sweep.Sweep, title: str) -> bytes:
    """A PNG: latency, answered calls and batches against the rate that calls were sent at."""
    figure = Figure(figsize=(9, 9.5), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(5, 3, 2.4))
    _latency(top, result)
    _served(middle, result)
    _batches(bottom, result)
    for axes in (top, middle, bottom):
        axes.grid(True, which="major", color="#e4e4e4")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(left=0)
        if result.knee is not None:
            axes.axvline(_load(result.knee), color=_KNEE, linewidth=1.2, linestyle="--")
    bottom.set_xlabel("load: calls per second that ghz is asked to send, whatever the answers do")
    figure.suptitle(title, fontsize=11)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _load(step: Outcome) -> float:
    return step.rate or 0.0


def _latency(axes: Axes, result: sweep.Sweep) -> None:
    for percentage in ghz.PERCENTILES:
        points = [
            (_load(step), value * 1e3)
            for step in result.steps
            if step.run is not None and (value := step.run.percentile(percentage)) is not None
        ]
        if points:
            axes.plot(
                *zip(*points, strict=True), color=_COLOURS[percentage], label=f"p{percentage:g}", **_POINTS
            )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("latency of answered calls (ms)")
    if axes.lines:
        axes.legend(loc="upper left", frameon=False)
    if result.knee is not None:
        left = _load(result.knee) > max(map(_load, result.steps)) / 3  # where there is room for the words
        axes.annotate(
            f"knee: {_load(result.knee):,.0f} calls/s",
            (_load(result.knee), 1.0), xycoords=("data", "axes fraction"),
            xytext=(-6 if left else 6, -4), textcoords="offset points", color=_KNEE,
            ha="right" if left else "left", va="top",
        )  # fmt: skip


def _served(axes: Axes, result: sweep.Sweep) -> None:
    steps = [(step, step.run) for step in result.steps if step.run is not None]
    load = [_load(step) for step, _ in steps]
    axes.plot([0, max(load)], [0, max(load)], color=_PALE, linestyle=":", label="load")
    axes.plot(load, [run.sent for _, run in steps], color=_COLOURS[90.0], label="sent by ghz", **_POINTS)
    axes.plot(load, [run.served for _, run in steps], color=_INK, label="answered", **_POINTS)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("calls/s")
    axes.legend(loc="upper left", frameon=False)


def _batches(axes: Axes, result: sweep.Sweep) -> None:
    points = [
        (_load(step), step.batch.mean, step.queue.mean * 1e3)
        for step in result.steps
        if step.batch and step.queue and step.batch.mean and step.queue.mean is not None
    ]
    if not points:
        axes.text(0.5, 0.5, "no metrics port", transform=axes.transAxes, ha="center", color=_PALE)
        return
    load, batch, queue = zip(*points, strict=True)
    axes.plot(load, batch, color=_COLOURS[50.0], **_POINTS)
    axes.set_ylabel("images per run", color=_COLOURS[50.0])
    axes.set_ylim(bottom=0)
    right = axes.twinx()
    right.plot(load, queue, color=_COLOURS[99.0], **_POINTS)
    right.set_ylabel("wait in queue (ms)", color=_COLOURS[99.0])
    right.set_ylim(bottom=0)
    right.spines["top"].set_visible(False)
