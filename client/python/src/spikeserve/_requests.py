"""Simulation requests: options, messages of a session, the parts of a batch that is too large for one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, get_type_hints

import numpy as np
import numpy.typing as npt

from spikeserve import _arrays, _probes, encodings
from spikeserve._keywords import parameters
from spikeserve.encodings import Encodings
from spikeserve.recording import EarlyExit, Record
from spikeserve.results import (
    LayerStatistics,
    NetworkInfo,
    ProbeValues,
    SimulationResult,
    Timing,
    TopK,
    Values,
)
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import simulation_pb2 as pb

Readout = str | tuple[str, int]
InitialVoltage = float | str | tuple[str, int]

_OVERHEAD_BYTES = 16 << 10  # of a message besides the data of its arrays


@dataclass(frozen=True)
class Limits:
    """What one request may be at most."""

    message_bytes: int
    batch: int

    def __post_init__(self) -> None:
        if self.message_bytes <= _OVERHEAD_BYTES:
            raise ValueError(f"max_message_bytes is {self.message_bytes}, wanted above {_OVERHEAD_BYTES}")
        if self.batch < 1:
            raise ValueError(f"max_batch is {self.batch}, wanted at least 1")


class SessionOptions(TypedDict, total=False):
    """The keyword options of `session`; what is left out is the network's own."""

    version: int  # 0, the default, is the highest that is ready
    dt: float | None  # s, > 0
    seed: int | None  # replaces the seed of uniform initial voltages; of random encodings, where it is 0
    readout: Readout | None  # "mean", "last", "corrected_mean" or (one of them, skip_steps)
    initial_voltage: InitialVoltage | None  # a number, "uniform" or ("uniform", seed), for all layers
    probes: Sequence[str]  # names; default: all that read outputs
    trajectories: bool  # also every step of the probes
    statistics: bool  # the activity per layer; default True
    gross_statistics: bool  # it counts what neurons with memory take back too: every step is taken
    softmax: bool  # also softmax(logits) as `scores`
    top_k: int  # also the k best classes; 0, the default: none
    record: Sequence[Record]  # probes on neurons, or on what a probe of the network reads


class RunOptions(SessionOptions, total=False):
    """The keyword options of `simulate` and `stream`: those of SessionOptions, and these."""

    steps: int | None  # >= 1
    encoding: Encodings | None  # a kind such as "poisson", one of spikeserve.encodings, or a dict by input
    early_exit: EarlyExit | float | None  # a float is the margin


@dataclass(frozen=True)
class Options:
    """RunOptions with their defaults, in the order in which signatures show them."""

    steps: int | None = None
    version: int = 0
    dt: float | None = None
    seed: int | None = None
    readout: Readout | None = None
    initial_voltage: InitialVoltage | None = None
    probes: Sequence[str] = ()
    trajectories: bool = False
    statistics: bool = True
    gross_statistics: bool = False
    softmax: bool = False
    top_k: int = 0
    encoding: Encodings | None = None
    early_exit: EarlyExit | float | None = None
    record: Sequence[Record] = ()

    def __post_init__(self) -> None:
        if isinstance(self.probes, str):
            raise ValueError(f"probes is {self.probes!r}, give a list of names: [{self.probes!r}]")
        listed = isinstance(self.record, Sequence) and all(isinstance(item, Record) for item in self.record)
        if not listed:
            raise ValueError(f"record is {self.record!r:.80}, give a list of spikeserve.Record")

    def resolved(self, info: NetworkInfo | None) -> Options:
        """The options with records on the operations of this network; `info` is needed for records."""
        return self if info is None else replace(self, record=[item.resolved(info) for item in self.record])

    def request(self, network: str, inputs: _arrays.Inputs, first_sample: int = 0) -> pb.SimulateRequest:
        """The message for these samples, which begin with number `first_sample` of the batch."""
        request = pb.SimulateRequest(
            network=network,
            version=self.version,
            inputs=[_arrays.encode(name, value) for name, value in inputs.items()],
            steps=self.steps,
            dt=self.dt,
            seed=self.seed,
            probes=self.probes,
            trajectories=self.trajectories,
            statistics=self.statistics,
            gross_statistics=self.gross_statistics,
            softmax=self.softmax,
            top_k=self.top_k,
            encodings=encodings.messages(self.encoding),
            first_sample=first_sample,
            request_probes=[item.message() for item in self.record],
        )
        if self.early_exit is not None:
            exit_ = self.early_exit if isinstance(self.early_exit, EarlyExit) else EarlyExit(self.early_exit)
            request.early_exit.CopyFrom(exit_.message())
        if self.readout is not None:
            request.readout.CopyFrom(readout_message(self.readout))
        if self.initial_voltage is not None:
            request.initial_voltage.CopyFrom(_initial_voltage(self.initial_voltage))
        return request


# For the signatures of what takes **options. Their types are those of the fields, not the names of them.
_HINTS = get_type_hints(Options)
RUN_PARAMETERS = [one.replace(annotation=_HINTS[one.name]) for one in parameters(Options)]
SESSION_PARAMETERS = [one for one in RUN_PARAMETERS if one.name in SessionOptions.__annotations__]


def opening(batch: int, options: Options, info: NetworkInfo) -> pb.SessionOpen:
    """The first message of a session with the network and version that `info` describes."""
    chosen = replace(options.resolved(info), version=info.version)
    return pb.SessionOpen(settings=chosen.request(info.name, {}), batch=batch, goaway=True)


def advance(
    info: NetworkInfo,
    inputs: _arrays.Given,
    steps: int,
    encoding: Encodings | None,
) -> pb.SessionRequest:
    """The message for the next steps of a session of the network that `info` describes."""
    arrays = _arrays.fit(inputs, info.input_shapes, repr(info.name))
    _arrays.check_batches(arrays)
    arrays = _arrays.choose_types(arrays, info)
    message = pb.SessionAdvance(
        steps=steps,
        inputs=[_arrays.encode(name, value) for name, value in arrays.items()],
        encodings=encodings.messages(encoding),
    )
    return pb.SessionRequest(advance=message)


def reset(samples: Sequence[int]) -> pb.SessionRequest:
    """The message that puts these samples of a session back, all where there are none."""
    return pb.SessionRequest(reset=pb.SessionReset(samples=samples))


def readout_message(value: Readout) -> network_pb.Readout:
    """As it goes onto the wire. ValueError for unknown kinds, and for steps that a last step cannot skip."""
    kind, skip = (value, 0) if isinstance(value, str) else value
    if kind not in _probes.READOUTS:
        raise ValueError(f"readout is {value!r}, give 'mean', 'last', 'corrected_mean' or (one, skip_steps)")
    if kind == "last" and skip:
        raise ValueError(f"readout is {value!r}: the last step skips none")
    return network_pb.Readout(kind=_probes.READOUTS[kind], skip_steps=skip)


def _initial_voltage(value: InitialVoltage) -> network_pb.InitialVoltage:
    kind, seed = value if isinstance(value, tuple) else (value, 0)
    if kind == "uniform":
        return network_pb.InitialVoltage(uniform=network_pb.InitialVoltage.Uniform(seed=seed))
    if isinstance(kind, str):
        raise ValueError(f"initial_voltage is {value!r}, give a number, 'uniform' or ('uniform', seed)")
    if kind == 0:
        return network_pb.InitialVoltage(zero=network_pb.InitialVoltage.Zero())
    return network_pb.InitialVoltage(constant=kind)


def batch_size(inputs: _arrays.Inputs) -> int:
    """Samples in the arrays, which all have the same number."""
    return len(next(iter(inputs.values())))


def samples_per_request(inputs: _arrays.Inputs, limits: Limits, answer_bytes: int = 0) -> int:
    """How many samples fit into one request, and their answers into one message.

    `answer_bytes` are those of one sample. ValueError where not even one sample fits.
    """
    sample_bytes = sum(value.nbytes // len(value) for value in inputs.values())
    room = limits.message_bytes - _OVERHEAD_BYTES
    for size, what in ((sample_bytes, "one sample"), (answer_bytes, "the answer for one sample")):
        if size > room:
            raise ValueError(f"{what} has {size:,} bytes, a message takes {room:,} (max_message_bytes)")
    return min(room // max(sample_bytes, answer_bytes, 1), limits.batch)


def answer_bytes(options: Options, info: NetworkInfo | None) -> int:
    """Bytes of the trajectories and records of one sample; 0 for none. `info` is needed for them."""
    if info is None:
        return 0
    steps = options.steps or info.steps
    values = sum(item.values(info, steps) for item in options.record)
    if options.trajectories:
        wanted = options.probes or [probe.name for probe in info.probes if _probes.is_default(probe.quantity)]
        values += steps * sum(math.prod(probe.shape) for probe in info.probes if probe.name in wanted)
    return values * (8 if info.mode == "reference" else 4)


def check_one_request(inputs: _arrays.Inputs, fitting: int) -> None:
    """ValueError where the batch has more samples than fit into one request."""
    samples = batch_size(inputs)
    if samples > fitting:
        raise ValueError(
            f"a stream takes one request: the batch has {samples} samples, at most {fitting} fit "
            "(max_message_bytes, max_batch)"
        )


def parts(inputs: _arrays.Inputs, size: int) -> Iterator[_arrays.Inputs]:
    """The batch in slices of at most `size` samples."""
    for start in range(0, batch_size(inputs), size):
        yield {name: value[start : start + size] for name, value in inputs.items()}


def join(results: Sequence[SimulationResult]) -> SimulationResult:
    """The answers of the parts, in order, as the answer for the whole batch."""
    first = results[0]
    if len(results) == 1:
        return first
    return replace(
        first,
        probes={name: _join_probe([r.probes[name] for r in results]) for name in first.probes},
        classes=np.concatenate([r.classes for r in results]),
        margins=np.concatenate([r.margins for r in results]),
        top_k=_join_top_k([r.top_k for r in results if r.top_k is not None]),
        scores=_concatenate([r.scores for r in results]),
        stats=_join_statistics(results),
        records={name: np.concatenate([r.records[name] for r in results]) for name in first.records},
        steps_used=_join_steps(results),
        warnings=_join_warnings(results),
        timing=Timing(
            queue_s=sum(r.timing.queue_s for r in results),
            compute_s=sum(r.timing.compute_s for r in results),
            total_s=sum(r.timing.total_s for r in results),
            batch_size=max(r.timing.batch_size for r in results),
            cached=all(r.timing.cached for r in results),
            coalesced=any(r.timing.coalesced for r in results),
        ),
    )


def _concatenate(values: Sequence[Values | None]) -> Values | None:
    present = [value for value in values if value is not None]
    return np.concatenate(present) if present else None


def _join_probe(values: Sequence[ProbeValues]) -> ProbeValues:
    return replace(
        values[0],
        outputs=np.concatenate([value.outputs for value in values]),
        trajectory=_concatenate([value.trajectory for value in values]),
        readout=_concatenate([value.readout for value in values]),
    )


def _join_top_k(values: Sequence[TopK]) -> TopK | None:
    if not values:
        return None
    return TopK(np.concatenate([v.classes for v in values]), np.concatenate([v.values for v in values]))


def _join_statistics(results: Sequence[SimulationResult]) -> tuple[LayerStatistics, ...]:
    """Sums and largest values; means weighted by the samples they are over."""
    samples = np.asarray([r.samples for r in results], float)
    steps = np.asarray([r.settings.steps if r.steps_used is None else r.steps_used.mean() for r in results])
    weights = samples / samples.sum()
    durations = samples * steps / (samples * steps).sum()
    return tuple(
        _join_layer(layers, weights, durations) for layers in zip(*(r.stats for r in results), strict=True)
    )


def _join_steps(results: Sequence[SimulationResult]) -> npt.NDArray[np.int64] | None:
    used = [r.steps_used for r in results if r.steps_used is not None]
    return np.concatenate(used) if used else None


def _join_warnings(results: Sequence[SimulationResult]) -> tuple[str, ...]:
    """Those of the first part that has any: those of the others say the same with other numbers."""
    return next((r.warnings for r in results if r.warnings), ())


def _join_layer(
    layers: Sequence[LayerStatistics],
    weights: npt.NDArray[np.float64],
    durations: npt.NDArray[np.float64],
) -> LayerStatistics:
    return replace(
        layers[0],
        spikes=sum(item.spikes for item in layers),
        mean_rate_hz=float(durations @ [item.mean_rate_hz for item in layers]),
        max_rate_hz=max(item.max_rate_hz for item in layers),
        silent_fraction=float(weights @ [item.silent_fraction for item in layers]),
        synaptic_operations=sum(item.synaptic_operations for item in layers),
    )
