"""What a conversion did, for people; a network carries it along."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from spikeserve import _show
from spikeserve.v1 import network_pb2 as pb
from spikeserve.v1 import neuron_pb2 as neuron_pb


@dataclass(frozen=True)
class LayerReport:
    """What the conversion chose for one population: of neurons, of a product, or the units of a max pool."""

    name: str  # the operation
    layer: str  # the Keras layer it comes from
    model: str  # field name of the neuron model, "product" or "pool.max"
    neurons: int
    scale: float  # gain of the neuron, firing rate in Hz per unit of activation; of several channels the mean
    mean_activation: float | None  # mean positive float activation of the sample data
    expected_rate_hz: float | None  # mean over all neurons and samples
    expected_spikes: float | None  # per active neuron and run of the default length
    suggested_scale: float | None = None  # where the expected spikes are too few to work

    def over(self, times: float) -> LayerReport:
        """The same for runs so many times as long."""
        spikes = None if self.expected_spikes is None else times * self.expected_spikes
        return replace(self, expected_spikes=spikes)

    def line(self) -> str:
        """As a line for a terminal."""
        rate = "" if self.expected_rate_hz is None else f", {self.expected_rate_hz:.4g} Hz"
        spikes = "" if self.expected_spikes is None else f", {self.expected_spikes:.3g} spikes per run"
        return f"{self.name}: scale {self.scale:.6g}{rate}{spikes}"


@dataclass
class ConversionReport:
    """Per-layer choices, warnings and notes of one conversion."""

    layers: list[LayerReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    max_error: float | None = None  # of the rate check, relative to the largest output

    def text(self) -> str:
        """The report as lines for a terminal."""
        lines = [item.line() for item in self.layers]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def __repr__(self) -> str:
        error = "" if self.max_error is None else f"largest error {self.max_error:.2g}"
        return _show.line(
            "ConversionReport",
            _show.count(len(self.layers), "layer"),
            _show.count(len(self.warnings), "warning"),
            _show.count(len(self.notes), "note"),
            error,
        )

    def _repr_html_(self) -> str:
        """In a notebook: a row for each layer, then what there is to say."""
        columns = ("layer", "neuron", "neurons", "scale", "expected Hz", "expected spikes per run")
        rows = [
            (one.layer, one.model, one.neurons, one.scale, one.expected_rate_hz, one.expected_spikes)
            for one in self.layers
        ]
        said = [("warning", text) for text in self.warnings] + [("note", text) for text in self.notes]
        html = _show.table("Conversion", columns, rows)
        return html + (_show.table("", (), said) if said else "")


def write_report(report: ConversionReport, provenance: pb.Provenance) -> None:
    """Puts the report into a definition."""
    provenance.notes[:] = report.notes
    provenance.warnings[:] = report.warnings
    if report.max_error is not None:
        provenance.max_error = report.max_error
    del provenance.layers[:]
    for item in report.layers:
        provenance.layers.add(
            name=item.name, layer=item.layer, model=item.model, neurons=item.neurons, scale=item.scale,
            mean_activation=item.mean_activation, expected_rate_hz=item.expected_rate_hz,
            expected_spikes=item.expected_spikes, suggested_scale=item.suggested_scale,
        )  # fmt: skip


def read_report(provenance: pb.Provenance) -> ConversionReport:
    """The report of a definition; empty but for the notes where there is none."""
    return ConversionReport(
        layers=[_read_layer(item) for item in provenance.layers],
        warnings=[*provenance.warnings],
        notes=[*provenance.notes],
        max_error=provenance.max_error if provenance.HasField("max_error") else None,
    )


def _read_layer(item: neuron_pb.LayerReport) -> LayerReport:
    return LayerReport(
        item.name, item.layer, item.model, item.neurons, item.scale,
        mean_activation=item.mean_activation if item.HasField("mean_activation") else None,
        expected_rate_hz=item.expected_rate_hz if item.HasField("expected_rate_hz") else None,
        expected_spikes=item.expected_spikes if item.HasField("expected_spikes") else None,
        suggested_scale=item.suggested_scale if item.HasField("suggested_scale") else None,
    )  # fmt: skip
