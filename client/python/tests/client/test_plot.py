"""The pictures show what they were given."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import spikeserve
from spikeserve import plot
from spikeserve.v1 import network_pb2 as pb


def stats(name: str, mean: float, largest: float) -> spikeserve.LayerStatistics:
    return spikeserve.LayerStatistics(name, 10, 100, mean, largest, 0.25, 1000)


def png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def points(axes: Any) -> list[tuple[float, float]]:
    return sorted(tuple(point) for dots in axes.collections for point in dots.get_offsets().tolist())


def test_raster_has_a_dot_per_neuron_and_step() -> None:
    counts = np.zeros((4, 3), int)
    counts[0, 1], counts[3, 2] = 1, 2
    figure = plot.spike_raster(counts, dt=0.002)
    axes = figure.axes[0]
    assert points(axes) == [(2.0, 1.0), (8.0, 2.0)]
    assert axes.get_xlabel() == "time (ms)"
    assert axes.get_legend() is not None
    assert png(figure).startswith(b"\x89PNG")


def test_raster_shows_negative_counts_as_such() -> None:
    """Neurons with memory take spikes back."""
    counts = np.array([[1, 2, 0, 3], [0, -1, -2, -4], [0, 0, 1, 1]], float)
    axes = plot.spike_raster(counts).axes[0]
    groups: list[Any] = list(axes.collections)
    drawn = {dots.get_label(): sorted(map(tuple, dots.get_offsets().tolist())) for dots in groups}
    assert drawn == {
        "1 spike": [(1.0, 0.0), (3.0, 2.0), (3.0, 3.0)],
        "2 or more": [(1.0, 1.0), (1.0, 3.0)],
        "1 negative": [(2.0, 1.0)],
        "2 or more negative": [(2.0, 2.0), (2.0, 3.0)],
    }
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(drawn)
    assert len({tuple(dots.get_edgecolor()[0]) for dots in groups}) == 4
    only = plot.spike_raster(np.array([[1.0], [-1.0]])).axes[0].get_legend()
    assert only is not None


def test_raster_thins_out_large_layers_and_says_so() -> None:
    figure = plot.spike_raster(np.ones((2, 900)))
    axes = figure.axes[0]
    assert len(points(axes)) == 2 * 256
    assert axes.get_ylabel() == "neuron (256 of 900, at random)"
    assert points(axes) == points(plot.spike_raster(np.ones((2, 900))).axes[0])


@pytest.mark.parametrize("channels", [3, 16, 64])
def test_raster_of_a_large_layer_shows_all_its_channels(channels: int) -> None:
    figure = plot.spike_raster(np.ones((1, 32, 32, channels)))
    seen = {int(neuron) % channels for _, neuron in points(figure.axes[0])}
    assert len(seen) > 0.9 * channels


def test_raster_of_a_batch_wants_to_know_which_sample() -> None:
    batch = np.zeros((10, 20, 64))
    batch[3, 5, 7] = 1
    with pytest.raises(ValueError, match=r"shape \[10, 20, 64\], wanted \[steps, neurons\].* give sample=0"):
        plot.spike_raster(batch)
    for figure in (plot.spike_raster(batch, sample=3), plot.spike_raster(batch[3])):
        assert points(figure.axes[0]) == [(6.0, 7.0)]
    with pytest.raises(ValueError, match="with sample 10"):
        plot.spike_raster(batch, sample=10)


def test_a_new_figure_shows_itself_in_a_notebook() -> None:
    figure: Any = plot.spike_raster(np.eye(20))
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_ipython_makes_a_picture_of_a_figure_without_any_setup() -> None:
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    shown, _ = formatters.DisplayFormatter().format(plot.spike_raster(np.eye(20)))
    assert "image/png" in shown


def test_raster_without_spikes() -> None:
    assert png(plot.spike_raster(np.zeros((5, 2)))).startswith(b"\x89PNG")


def test_evidence_is_the_running_mean_and_names_the_best() -> None:
    trajectory = np.array([[1.0, 0.0, 5.0, 0.0], [1.0, 4.0, 1.0, 0.5]])
    figure = plot.evidence(trajectory, labels=["a", "b", "c", "d"])
    axes = figure.axes[0]
    lines = {str(line.get_label()): np.asarray(line.get_ydata(), float) for line in axes.get_lines()}
    np.testing.assert_allclose(lines["c"], [5, 3])
    np.testing.assert_allclose(lines["b"], [0, 2])
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["c", "b", "a", "others"]
    assert axes.get_xlabel() == "time (ms)"


def test_rates_show_every_layer() -> None:
    figure = plot.layer_rates([stats("first", 20, 80), stats("second", 30, 300)])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["first", "second"]
    assert axes.get_xlabel() == "firing rate (Hz)"
    bars: Any = axes.patches
    assert [bar.get_width() for bar in bars] == [20, 30]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot.spike_raster(np.zeros(3)),
        lambda: plot.spike_raster(np.zeros((2, 3)), sample=0),
        lambda: plot.evidence(np.zeros((2, 2, 2))),
        lambda: plot.evidence(np.zeros((0, 3))),
        lambda: plot.evidence(np.zeros((4, 0))),
        lambda: plot.layer_rates([]),
    ],
)
def test_wrong_shapes_are_refused(draw: Any) -> None:
    with pytest.raises(ValueError, match=r"wanted|statistics=True"):
        draw()


def test_spike_probes_go_on_spiking_layers_once() -> None:
    definition = pb.NetworkDefinition(format_version=1)
    definition.operations.add(name="spiking").neuron.integrate_and_fire.amplitude = 1
    definition.operations.add(name="rate").neuron.rectified_linear.amplitude = 1
    network = spikeserve.Network(definition)
    probed = plot.add_spike_probes(plot.add_spike_probes(network))
    assert [(probe.name, probe.target) for probe in probed.definition.probes] == [
        ("spiking:spikes", "spiking")
    ]
    assert probed.definition.probes[0].quantity == pb.PROBE_QUANTITY_SPIKES
    assert not network.definition.probes
