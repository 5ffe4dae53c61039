"""Pictures of a run: spike raster, firing rates per layer, evidence per class. Needs spikeserve[plot].

Functions draw into `axes`, or into a new figure, and return the figure: a notebook shows it, and
`figure.savefig(path)` writes it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from spikeserve._keywords import checked
from spikeserve.convert.definition.units import has_units
from spikeserve.convert.models.neurons import is_rate
from spikeserve.network import Network
from spikeserve.results import LayerStatistics
from spikeserve.v1 import network_pb2 as pb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of the Okabe-Ito palette, which colour-blind people can tell apart, also in grey.
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#B0B0B0"
_PURPLE, _BLACK = "#CC79A7", "#000000"
_MAX_NEURONS = 256


def spike_probe_name(layer: str) -> str:
    """The name of the probe that `add_spike_probes` adds for a layer."""
    return f"{layer}:spikes"


def add_spike_probes(network: Network) -> Network:
    """A copy of the network with a probe of the spike counts per step on every spiking layer.

    A run answers them only where it names them: `probes=["output", "LAYER:spikes"], trajectories=True`.
    """
    definition = pb.NetworkDefinition()
    definition.CopyFrom(network.definition)
    existing = {probe.name for probe in definition.probes}
    for operation in definition.operations:
        name = spike_probe_name(operation.name)
        spiking = has_units(operation) and not is_rate(operation.neuron)
        if spiking and name not in existing:
            definition.probes.add(name=name, target=operation.name, quantity=pb.PROBE_QUANTITY_SPIKES)
    return Network(definition, network.report)


@checked
def spike_raster(
    counts: npt.ArrayLike,
    dt: float = 0.001,
    *,
    sample: int | None = None,
    title: str = "Spikes",
    axes: Axes | None = None,
) -> Figure:
    """A mark per neuron and step with spikes, of another colour where a step has several.

    Negative counts are dashes: spikes that a neuron with memory takes back, or of a neuron or input that has
    both signs.

    `counts` are spikes per step: [steps, neurons], or [steps, height, width, channels] of one sample; with
    `sample` those of a batch, of which it draws this one. `dt` is in seconds. Of large layers some neurons
    are shown, drawn at random but always the same ones, and the label says how many. ValueError for three
    axes without `sample`, which are most often a batch.
    """
    values = _of_one_sample(np.asarray(counts), sample)
    values = values.reshape(len(values), -1)
    chosen = _shown_neurons(values.shape[1])
    steps, places = np.nonzero(values[:, chosen])
    found = values[steps, chosen[places]]
    back, several = found < 0, found > 1
    figure, axes = _axes(axes)
    time = (steps + 1) * dt * 1000
    kinds = (
        (~several & ~back, "|", _BLUE, "1 spike"),
        (several, "|", _ORANGE, "2 or more"),
        (back & (found >= -1), "_", _PURPLE, "1 negative"),
        (found < -1, "_", _BLACK, "2 or more negative"),
    )
    for dots, marker, colour, label in kinds:
        if dots.any():
            index = chosen[places[dots]]
            axes.scatter(time[dots], index, s=14, marker=marker, linewidths=1.0, color=colour, label=label)
    count = values.shape[1]
    shown = "neuron" if len(chosen) == count else f"neuron ({len(chosen)} of {count:,}, at random)"
    axes.set(xlabel="time (ms)", ylabel=shown, title=title)
    axes.set_xlim(0, (len(values) + 1) * dt * 1000)
    axes.set_ylim(-1, count)
    if several.any() or back.any():
        axes.legend(
            title="in one step", markerscale=2, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False
        )
    return figure


def _of_one_sample(counts: npt.NDArray[Any], sample: int | None) -> npt.NDArray[Any]:
    """[steps, neurons...] of the sample that is asked for."""
    shape = list(counts.shape)
    if sample is not None:
        if counts.ndim < 3 or not -len(counts) <= sample < len(counts):
            raise ValueError(
                f"counts has shape {shape}, wanted [batch, steps, neurons...] with sample {sample}"
            )
        one: npt.NDArray[Any] = counts[sample]
        return one
    if counts.ndim < 2:
        raise ValueError(f"counts has shape {shape}, wanted [steps, neurons...]")
    if counts.ndim in (3, 5):
        raise ValueError(
            f"counts has shape {shape}, wanted [steps, neurons]: for one sample of a batch give sample=0 or "
            "counts[0], for a layer with several axes counts.reshape(steps, -1)"
        )
    return counts


def _shown_neurons(count: int) -> npt.NDArray[np.intp]:
    """All neurons, or some of many. A fixed step between them might meet one channel of a layer alone."""
    if count <= _MAX_NEURONS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, _MAX_NEURONS, replace=False))


@checked
def layer_rates(stats: Sequence[LayerStatistics], *, axes: Axes | None = None) -> Figure:
    """Mean and largest firing rate of every layer, in Hz, and its share of silent neurons."""
    if not stats:
        raise ValueError("stats is empty; run with statistics=True")
    figure, axes = _axes(axes)
    places = np.arange(len(stats))
    means = [layer.mean_rate_hz for layer in stats]
    peaks = [layer.max_rate_hz for layer in stats]
    axes.barh(places, means, height=0.55, color=_BLUE, label="mean")
    axes.scatter(peaks, places, marker="D", s=30, color=_ORANGE, label="busiest neuron", zorder=3)
    for place, layer in enumerate(stats):
        edge = max(layer.mean_rate_hz, layer.max_rate_hz)
        text = f"{layer.silent_fraction:.0%} silent"
        axes.annotate(text, (edge, place), (10, 0), textcoords="offset points", va="center", color="#404040")
    axes.set_yticks(places, [layer.layer for layer in stats])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25 * max([*peaks, *means, 1e-9]))
    axes.set(xlabel="firing rate (Hz)", title="Firing rates per layer")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


@checked
def evidence(
    trajectory: npt.ArrayLike,
    dt: float = 0.001,
    *,
    labels: Sequence[str] = (),
    title: str = "Evidence per class",
    axes: Axes | None = None,
) -> Figure:
    """The mean output of every class over the time so far: what the predicted class is the largest of.

    `trajectory` [steps, classes] is that of the output probe, `dt` in seconds, `labels` name the classes. The
    three best classes at the end are coloured and named.
    """
    values = np.asarray(trajectory, float)
    if values.ndim != 2:
        raise ValueError(f"trajectory has shape {list(values.shape)}, wanted [steps, classes]")
    if not values.size:
        raise ValueError(f"trajectory has shape {list(values.shape)}, wanted at least one step and class")
    running = np.cumsum(values, axis=0) / np.arange(1, len(values) + 1)[:, None]
    time = np.arange(1, len(values) + 1) * dt * 1000
    figure, axes = _axes(axes)
    order = np.argsort(-running[-1], kind="stable")
    styles = [(_BLUE, "-", 2.2), (_ORANGE, "--", 1.8), (_GREEN, "-.", 1.8)]
    for rank, index in reversed(list(enumerate(order))):
        colour, line, width = styles[rank] if rank < len(styles) else (_GREY, "-", 0.9)
        name = labels[index] if index < len(labels) else f"class {index}"
        label = name if rank < len(styles) else ("others" if rank == len(styles) else None)
        axes.plot(time, running[:, index], color=colour, linestyle=line, linewidth=width, label=label)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    axes.set(xlabel="time (ms)", ylabel="mean output so far", title=title)
    axes.set_xlim(0, time[-1])
    return figure


def _axes(axes: Axes | None) -> tuple[Figure, Axes]:
    if axes is not None:
        return cast("Figure", axes.figure), axes
    figure = _figure_type()(figsize=(8, 4), layout="constrained")  # not pyplot: no window, no global state
    return figure, figure.add_subplot()


@cache
def _figure_type() -> type[Figure]:
    """A figure that a notebook shows, whether or not it has set up matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("drawing takes matplotlib: install spikeserve[plot]") from None

    class ShownFigure(Figure):
        """A figure that shows itself as a picture."""

        def _repr_png_(self) -> bytes:
            stream = io.BytesIO()
            self.savefig(stream, format="png", bbox_inches="tight")
            return stream.getvalue()

    return ShownFigure
