"""What the calls of the client return."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spikeserve import _probes
from spikeserve.v1 import network_pb2 as network_pb

Values = npt.NDArray[np.floating]


@dataclass(frozen=True)
class ProbeValues:
    """What one probe answered.

    `outputs` is [batch, shape...]: the readout, in the unit of the probe (network outputs, spikes per step or
    voltage). `trajectory` is [batch, steps, shape...] where it was asked for.
    """

    name: str
    outputs: Values
    trajectory: Values | None = None


@dataclass(frozen=True)
class TopK:
    """The k best classes per sample, best first: `classes` and their outputs `values`, both [batch, k]."""

    classes: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True)
class LayerStatistics:
    """Activity of one spiking layer over all samples and steps of a call."""

    layer: str
    neurons: int
    spikes: int  # total over samples, neurons and steps
    mean_rate_hz: float
    max_rate_hz: float  # of the busiest neuron of any sample
    silent_fraction: float  # neurons of a sample that never spiked, 0..1
    synaptic_operations: int  # sum over the spikes of the weights they reached


@dataclass(frozen=True)
class Timing:
    """Seconds by the server's clock. Sums over the requests of a call that was split."""

    queue_s: float  # accepted until a worker took it
    compute_s: float  # in the engine
    total_s: float  # received until answered
    batch_size: int  # samples of the run it was part of; the largest where the call was split


@dataclass(frozen=True)
class Settings:
    """What was in force for a run."""

    network: str
    version: int
    dt: float  # s
    steps: int
    seed: int  # 0 unless the call set one
    mode: str  # "exact", "fast" or "reference"
    backend: str
    readout: str  # "mean", "last" or "corrected_mean"
    skip_steps: int
    encodings: dict[str, str] = field(default_factory=dict)  # by input, as "poisson:max_rate_hz=1000"
    early_exit: tuple[float, int, int] | None = None  # margin, min_steps, check_every
    initial_voltage: float | tuple[str, int] | None = None  # ("uniform", seed); None: each layer's own


@dataclass(frozen=True)
class Progress:
    """A running answer of a stream, over the first `steps_done` steps."""

    steps_done: int
    probes: dict[str, ProbeValues]
    classes: npt.NDArray[np.int64]  # [batch]; empty where no output probe was answered
    margins: npt.NDArray[np.float64]  # [batch]: best minus second-best output

    @property
    def outputs(self) -> Values:
        """[batch, outputs...] of the first answered probe."""
        return _probes.first(self.probes).outputs


@dataclass(frozen=True)
class SimulationResult:
    """The answer for a batch.

    `classes` [batch] is the argmax of the first output probe (ties: the lower index), `margins` [batch] the
    best minus the second-best output (+inf with one output). Both are empty without an output probe.
    """

    probes: dict[str, ProbeValues]
    classes: npt.NDArray[np.int64]
    margins: npt.NDArray[np.float64]
    top_k: TopK | None  # where top_k was asked for
    scores: Values | None  # softmax(outputs) [batch, outputs], where it was asked for
    stats: tuple[LayerStatistics, ...]  # per spiking layer, where statistics were asked for
    timing: Timing
    settings: Settings
    steps_used: npt.NDArray[np.int64] | None = None  # [batch], with early_exit
    records: dict[str, Values] = field(default_factory=dict)  # of `record`, by name

    @property
    def samples(self) -> int:
        """Size of the batch."""
        return len(self.outputs)

    @property
    def outputs(self) -> Values:
        """[batch, outputs...]: the readout of the first answered probe."""
        return _probes.first(self.probes).outputs

    @property
    def trajectories(self) -> dict[str, Values]:
        """By probe [batch, steps, shape...]; empty unless trajectories were asked for."""
        return {name: p.trajectory for name, p in self.probes.items() if p.trajectory is not None}


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
    state: str  # "loading", "ready" or "unloading"
    mode: str  # "exact", "fast" or "reference"
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
