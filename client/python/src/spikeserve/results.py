"""What the calls of the client return."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spikeserve import _probes, _show
from spikeserve.v1 import network_pb2 as network_pb

Values = npt.NDArray[np.floating]


@dataclass(frozen=True)
class ProbeValues:
    """What one probe answered.

    `outputs` is [batch, shape...]: what the model gives, or spikes per step or voltage, by the probe's
    quantity. Where the network leaves an activation to its clients, that is the `activation` of `readout`,
    the mean over the steps (or the last step). `trajectory` is [batch, steps, shape...] where it was asked
    for: always without the activation, whose mean over the steps is not the output.
    """

    name: str
    outputs: Values
    trajectory: Values | None = None
    readout: Values | None = None  # [batch, shape...]: before the activation; None where there is none
    activation: str = ""  # e.g. "sigmoid", "relu(max_value=6)"; "" where there is none

    @property
    def logits(self) -> Values:
        """[batch, shape...]: the outputs before their activation; the outputs where there is none."""
        return self.outputs if self.readout is None else self.readout

    def __repr__(self) -> str:
        steps = "" if self.trajectory is None else f"trajectory {_show.array(self.trajectory)}"
        return _show.line(f"ProbeValues '{self.name}'", f"outputs {_show.array(self.outputs)}", steps)


@dataclass(frozen=True)
class TopK:
    """The k best classes per sample, best first: `classes` and their logits `values`, both [batch, k]."""

    classes: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def __repr__(self) -> str:
        return _show.line("TopK", f"classes {_show.array(self.classes)}", f"values {_show.span(self.values)}")


@dataclass(frozen=True)
class LayerStatistics:
    """Activity of one spiking layer over all samples and steps of a call.

    Where it is `net`, that is of neurons with memory without gross_statistics, only spikes that were not
    taken back count, in all fields.
    """

    layer: str
    neurons: int
    spikes: int  # total over samples, neurons and steps
    mean_rate_hz: float
    max_rate_hz: float  # of the busiest neuron of any sample
    silent_fraction: float  # neurons of a sample without spikes, 0..1
    synaptic_operations: int  # sum over the spikes of the weights they reached
    net: bool = False


@dataclass(frozen=True)
class Timing:
    """Seconds by the server's clock. Sums over the requests of a call that was split."""

    queue_s: float  # accepted until a worker took it
    compute_s: float  # in the engine
    total_s: float  # received until answered
    batch_size: int  # samples of the run it was part of, 0 if cached; the largest where the call was split
    cached: bool = False  # kept from an equal request; of a call that was split: all parts
    coalesced: bool = False  # the run was begun for an equal request; of a call that was split: any part


@dataclass(frozen=True)
class Settings:
    """What was in force for a run."""

    network: str
    version: int
    dt: float  # s
    steps: int
    seed: int  # 0 unless the call set one
    mode: str  # "exact", "fast", "int8" or "reference"
    backend: str
    readout: str  # "mean", "last" or "corrected_mean"
    skip_steps: int
    encodings: dict[str, str] = field(default_factory=dict)  # by input, as "poisson:max_rate_hz=1000"
    early_exit: tuple[float, int, int] | None = None  # margin, min_steps, check_every
    initial_voltage: float | tuple[str, int] | None = None  # ("uniform", seed); None: each layer's own


class Answer:
    """What the answers of all kinds of runs have."""

    probes: dict[str, ProbeValues]

    @property
    def outputs(self) -> Values:
        """[batch, outputs...] of the first answered probe: what the model gives, over the steps so far."""
        return _probes.first(self.probes).outputs

    @property
    def logits(self) -> Values:
        """[batch, outputs...] of the same probe before its activation; the outputs where there is none."""
        return _probes.first(self.probes).logits


@dataclass(frozen=True)
class Progress(Answer):
    """A running answer of a stream, over the first `steps_done` steps."""

    steps_done: int
    probes: dict[str, ProbeValues]
    classes: npt.NDArray[np.int64]  # [batch]; empty where no output probe was answered
    margins: npt.NDArray[np.float64]  # [batch]: best minus second-best logit

    def __repr__(self) -> str:
        return _show.line(
            "Progress",
            f"after {_show.count(self.steps_done, 'step')}",
            f"outputs {_show.array(self.outputs)}",
            f"classes {_show.some(self.classes)}",
        )


@dataclass(frozen=True)
class SimulationResult(Answer):
    """The answer for a batch.

    `classes` [batch] is the argmax of the logits of the first output probe (ties: the lower index), `margins`
    [batch] the best minus the second-best of them (+inf with one output). Both are empty without an output
    probe.
    """

    probes: dict[str, ProbeValues]
    classes: npt.NDArray[np.int64]
    margins: npt.NDArray[np.float64]
    top_k: TopK | None  # where top_k was asked for
    scores: Values | None  # softmax(logits) [batch, outputs], where it was asked for
    stats: tuple[LayerStatistics, ...]  # per spiking layer, where statistics were asked for
    timing: Timing
    settings: Settings
    steps_used: npt.NDArray[np.int64] | None = None  # [batch], with early_exit
    records: dict[str, Values] = field(default_factory=dict)  # of `record`, by name
    warnings: tuple[str, ...] = ()  # what is probably wrong with these inputs or the network, and what to do

    @property
    def samples(self) -> int:
        """Size of the batch."""
        return len(self.outputs)

    @property
    def trajectories(self) -> dict[str, Values]:
        """By probe [batch, steps, shape...], without activations; empty unless they were asked for."""
        return {name: p.trajectory for name, p in self.probes.items() if p.trajectory is not None}

    def __repr__(self) -> str:
        values = [f"outputs {_show.array(self.outputs)}"]
        if self.classes.size:
            values += [f"classes {_show.some(self.classes)}", f"margins {_show.span(self.margins)}"]
        if self.steps_used is not None:
            values.append(f"mean steps used {self.steps_used.mean():.4g}")
        kept = [f"trajectory of {name}" for name in self.trajectories]
        kept += [f"record {name} {_show.array(value)}" for name, value in self.records.items()]
        kept += [f"statistics of {_show.count(len(self.stats), 'layer')}"] if self.stats else []
        lines = [self._title(), ", ".join(values), _show.some_of(kept)]
        lines += [f"warning: {text}" for text in self.warnings]
        return "<SimulationResult: " + "\n".join(line for line in lines if line) + ">"

    def _title(self) -> str:
        run = self.settings
        return (
            f"{_show.count(self.samples, 'sample')}, network '{run.network}' version {run.version}, "
            f"{_show.count(run.steps, 'step')} of {run.dt:g} s ({run.mode}, {run.backend})"
        )

    def _repr_html_(self) -> str:
        """In a notebook: the first samples, and the activity per layer."""
        shown = range(min(len(self.classes), _show.MAX_ROWS // 2))
        samples = [(number, int(self.classes[number]), float(self.margins[number])) for number in shown]
        title = f"{self._title()}; outputs {_show.array(self.outputs)}"
        html = _show.table(title, ("sample", "class", "margin"), samples)
        if self.warnings:
            html += _show.table("", (), [("warning", text) for text in self.warnings])
        return html + (statistics_table("Activity", self.stats) if self.stats else "")


def statistics_table(title: str, layers: tuple[LayerStatistics, ...]) -> str:
    """The activity of layers as HTML."""
    columns = ("layer", "neurons", "spikes", "mean Hz", "max Hz", "silent")
    rows = [
        (one.layer, one.neurons, one.spikes, one.mean_rate_hz, one.max_rate_hz, f"{one.silent_fraction:.1%}")
        for one in layers
    ]
    return _show.table(title, columns, rows)


@dataclass(frozen=True)
class InputInfo:
    """One input of a network; `shape` is without the batch."""

    name: str
    shape: tuple[int, ...]
    data_types: frozenset[str]  # of "float32", "float64", "uint8"


@dataclass(frozen=True)
class ProbeInfo:
    """One probe of a network; `shape` is without the batch."""

    name: str
    target: str
    quantity: str  # "output", "spikes" or "voltage"
    shape: tuple[int, ...]
    activation: str = ""  # that clients apply to its outputs, e.g. "sigmoid"; "" where there is none


@dataclass(frozen=True)
class LayerInfo:
    """One operation of a network; `shape` is that of its output, without the batch."""

    name: str
    kind: str
    shape: tuple[int, ...]
    neurons: int
    parameters: int


@dataclass(frozen=True)
class NetworkInfo:
    """A network as the server holds it."""

    name: str
    version: int
    state: str  # "loading", "ready", "unloading" or "stored": ready, but for the time until it is in memory
    mode: str  # "exact", "fast", "int8" or "reference"
    backend: str
    resident_bytes: int
    neurons: int
    parameters: int
    dt: float  # s, default of a run
    steps: int  # default of a run
    inputs: tuple[InputInfo, ...]
    probes: tuple[ProbeInfo, ...]
    layers: tuple[LayerInfo, ...]
    class_labels: tuple[str, ...]
    sha256: str  # of the serialized definition, hex
    message: network_pb.NetworkInfo = field(repr=False, compare=False)  # everything else

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the inputs by name, in the network's order."""
        return {item.name: item.shape for item in self.inputs}

    @property
    def aliases(self) -> tuple[str, ...]:
        """Those that stand for this version, in order."""
        return tuple(self.message.aliases)

    @property
    def output_kind(self) -> str:
        """What the outputs say, with their activation.

        "classes", "probability" or "logit" (of class 1 of two), "value", "labels" (probabilities of several
        that may hold at once), "label logits", or "" where it is not known.
        """
        return _probes.output_kind(self.message.defaults, self.message.probes)

    def __repr__(self) -> str:
        shapes = [f"input {item.name} {list(item.shape)}" for item in self.inputs]
        shapes += [f"probe {item.name} {list(item.shape)}" for item in self.probes]
        return _show.line(
            f"NetworkInfo '{self.name}' version {self.version}",
            self.state,
            f"{self.mode} on {self.backend}",
            _show.some_of(shapes, 6),
            _show.count(self.neurons, "neuron"),
            _show.count(self.parameters, "parameter"),
            f"{_show.count(self.steps, 'step')} of {self.dt:g} s",
        )

    def _repr_html_(self) -> str:
        """In a notebook: the layers."""
        title = (
            f"{self.name} version {self.version}: {self.state}, {self.mode} on {self.backend}, "
            f"{_show.count(self.steps, 'step')} of {self.dt:g} s"
        )
        columns = ("layer", "kind", "shape", "neurons", "parameters")
        rows = [(one.name, one.kind, list(one.shape), one.neurons, one.parameters) for one in self.layers]
        return _show.table(title, columns, rows)


class NetworkInfos(tuple[NetworkInfo, ...]):
    """What `list` returns: the networks of a server, a tuple that shows itself as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _show.rows_as_text(_show.count(len(self), "network version"), [repr(one) for one in self])

    def _repr_html_(self) -> str:
        """In a notebook: a row for each."""
        columns = ("name", "version", "state", "mode", "backend", "neurons", "parameters", "steps")
        rows = [
            (one.name, one.version, one.state, one.mode, one.backend, one.neurons, one.parameters, one.steps)
            for one in self
        ]
        return _show.table(_show.count(len(self), "network version"), columns, rows)
