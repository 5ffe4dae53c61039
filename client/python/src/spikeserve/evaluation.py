"""How well a network on a server answers for labelled samples, and what that costs in spikes."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spikeserve import _arrays, _probes, _show, _tasks
from spikeserve._keywords import with_options
from spikeserve._requests import RUN_PARAMETERS, RunOptions
from spikeserve._tasks import Labels
from spikeserve._upload import OnProgress
from spikeserve.client import Client
from spikeserve.convert.definition.forward import run_rates
from spikeserve.network import Network
from spikeserve.outputs import activations
from spikeserve.outputs.scores import Given, Scores, scores
from spikeserve.results import LayerStatistics, Settings, SimulationResult, statistics_table
from spikeserve.v1 import network_pb2 as pb

if TYPE_CHECKING:
    from typing_extensions import Unpack

_FORWARD_BATCH = 250  # samples of one float pass, so that its memory stays small


@dataclass(frozen=True, kw_only=True)
class Evaluation(Scores):
    """The result of `evaluate`: the scores of the answers, of the first head where there are several."""

    samples: int
    mean_rate_hz: float  # over all spiking neurons
    spikes_per_inference: float
    synaptic_operations_per_inference: float
    inferences_per_second: float  # seen by this client
    layers: tuple[LayerStatistics, ...]
    settings: Settings
    mean_steps: float  # per sample; below the steps of the run with early_exit
    heads: dict[str, Scores] = field(default_factory=dict)  # by probe, where labels were given by probe
    warnings: tuple[str, ...] = ()  # of the run: what is probably wrong, and what to do

    def rows(self) -> list[tuple[str, str]]:
        """What was found, as names and values for people."""
        shown = [] if self.heads else self.score_rows()
        for head, found in self.heads.items():
            shown += [(f"{head} {name}", value) for name, value in found.score_rows()]
        shown += [("mean rate", f"{self.mean_rate_hz:.4g} Hz")]
        shown += [("spikes", f"{self.spikes_per_inference:,.1f} per inference")]
        shown += [("synaptic operations", f"{self.synaptic_operations_per_inference:,.0f} per inference")]
        return [*shown, ("speed", f"{self.inferences_per_second:,.1f} inferences/s")]

    def title(self) -> str:
        """Which run it was, in a line."""
        run = self.settings
        return (
            f"{_show.count(self.samples, 'sample')}, {_show.count(run.steps, 'step')} of {run.dt:g} s, "
            f"{run.network} version {run.version} ({run.mode}, {run.backend})"
        )

    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {value}" for name, value in self.rows())
        tasks = ", ".join(dict.fromkeys(one.task for one in self.heads.values())) or self.task
        said = "".join(f"\n warning: {text}" for text in self.warnings)
        return f"<Evaluation ({tasks}): {self.title()}\n {rows}{said}>"

    def _repr_html_(self) -> str:
        """In a notebook: what was found, and the activity per layer."""
        rows = [*self.rows(), *(("warning", text) for text in self.warnings)]
        return _show.table(self.title(), (), rows) + statistics_table("Activity", self.layers)


@with_options(RUN_PARAMETERS)
def evaluate(
    client: Client,
    name: str,
    samples: _arrays.Given,
    labels: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    *,
    float_classes: npt.ArrayLike | None = None,
    float_outputs: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
    threshold: float | None = None,
    on_progress: OnProgress | None = None,
    timeout: float | None = None,
    **options: Unpack[RunOptions],
) -> Evaluation:
    """Runs `samples` on the server and compares the answers with `labels`.

    `samples` as the inputs of `Client.simulate`. `labels` are classes [n] or one-hot rows where the network
    has several outputs, 0 or 1 where it has one or where several labels may hold at once (an output above
    `threshold` means 1; default: 0.5 for probabilities, 0 for logits), and classes, one-hot rows, 0 or 1 for
    each position of a map. All others, [n] or [n, outputs...], are the values of a regression. For several
    heads a dict by probe. `float_classes` [n] or `float_outputs` [n, outputs...], also by probe, are the
    float network's, see the functions `classify_float` and `float_outputs`. Options as in `Client.simulate`.
    ValueError where the counts differ or labels are neither; TypeError for an AsyncClient.
    """
    check_waits(client)
    number = _tasks.count(samples)
    wanted = {name: _tasks.numbers(one, number) for name, one in _by_head(labels).items()}
    start = time.monotonic()
    result = client.simulate(name, samples, on_progress=on_progress, timeout=timeout, **options)
    seconds = time.monotonic() - start
    _probes.check_classes(result.classes, result.samples, name)
    heads = {
        head: _tasks.numbers(one, result.samples) for head, one in _answered(wanted, result, name).items()
    }
    kinds = _kinds(client, result, heads)
    floats = _floats(float_outputs, result, heads)
    classes = None if float_classes is None else _same(float_classes, (result.samples,), "float classes")
    found = {}
    for head, truth in heads.items():
        probe = result.probes[head]
        given = Given(probe.outputs, probe.logits, kinds.get(head, ""), floats.get(head), classes)
        found[head] = scores(_tasks.read_labels(truth, probe.outputs.shape[1:], given.kind), given, threshold)
        classes = None  # of the first head
    return Evaluation(
        **_activity(result),
        **vars(next(iter(found.values()))),
        heads=found if isinstance(labels, Mapping) else {},
        warnings=result.warnings,
        inferences_per_second=result.samples / seconds,
    )


def _by_head(labels: Any) -> dict[str, Any]:
    """Labels by probe; "" for the first one."""
    return dict(labels) if isinstance(labels, Mapping) else {"": labels}


def _answered(wanted: Mapping[str, Labels], result: SimulationResult, network: str) -> dict[str, Labels]:
    """The labels by the names of probes that were answered; ValueError for others."""
    if not wanted:
        raise ValueError("labels is empty, wanted labels for one head or more")
    found = {name or next(iter(result.probes)): one for name, one in wanted.items()}
    for name in found:
        if name not in result.probes:
            raise ValueError(f"labels for '{name}', network '{network}' answers {', '.join(result.probes)}")
    return found


def _kinds(client: Client, result: SimulationResult, heads: Mapping[str, Labels]) -> dict[str, str]:
    """What the outputs of each head say; asked for only where labels leave it open."""
    first = next(iter(result.probes))
    if set(heads) == {first} and _size(result) > 1 and heads[first].ndim == 1:
        return {}
    info = client.get(result.settings.network, result.settings.version)
    probes = {probe.name: probe for probe in info.message.probes}
    kinds = {
        name: _probes.kind_of(probes[name], int(np.prod(probes[name].shape, dtype=int)))
        for name in heads
        if name in probes
    }
    return kinds | {first: info.output_kind}


def _floats(given: Any, result: SimulationResult, heads: Mapping[str, Labels]) -> dict[str, npt.NDArray[Any]]:
    """The float network's outputs by head, each of the shape of the answer."""
    if given is None:
        return {}
    by_head = given if isinstance(given, Mapping) else {next(iter(heads)): given}
    return {
        head: _same(values, result.probes[head].outputs.shape, "float outputs")
        for head, values in by_head.items()
        if head in heads
    }


def check_waits(client: Client) -> None:
    """TypeError for a client whose calls are awaited."""
    if inspect.iscoroutinefunction(client.simulate):
        raise TypeError(f"client is an {type(client).__name__}, wanted a Client, which waits for its answers")


def _size(result: SimulationResult) -> int:
    return int(result.outputs[0].size)


def _same(values: npt.ArrayLike, shape: tuple[int, ...], what: str) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.shape != shape:
        raise ValueError(f"{shape[0]} samples, but {what} of shape {list(array.shape)}, wanted {list(shape)}")
    return array


def _activity(result: SimulationResult) -> dict[str, Any]:
    """What the spikes of a run say, whatever its task."""
    count = result.samples
    neurons = sum(layer.neurons for layer in result.stats)
    spikes = sum(layer.spikes for layer in result.stats)
    steps = float(result.settings.steps if result.steps_used is None else result.steps_used.mean())
    simulated_s = steps * result.settings.dt
    return {
        "samples": count,
        "mean_rate_hz": spikes / (count * neurons * simulated_s) if neurons else 0.0,
        "spikes_per_inference": spikes / count,
        "synaptic_operations_per_inference": sum(one.synaptic_operations for one in result.stats) / count,
        "layers": result.stats,
        "settings": result.settings,
        "mean_steps": steps,
    }


def float_outputs(
    network: Network, samples: _arrays.Given, probe: str | None = None
) -> npt.NDArray[np.float32]:
    """The outputs [n, outputs...] of the network with its neurons as rates: the model it was converted from.

    `samples` as for the server, but without steps: an array [n, shape...], for several inputs a dict by name
    or a list in the network's order. Bytes are scaled where the network says how. `probe`: by name, default
    the first. ValueError for others.
    """
    definition = network.definition
    read = definition.probes[0] if probe is None else _named(definition, probe)
    bodies = {item.name: item.input for item in definition.operations if item.HasField("input")}
    shapes = {name: tuple(body.shape) for name, body in bodies.items()}
    arrays = _arrays.fit(samples, shapes, "of this file")
    if len(bodies) == 1 and "" in arrays:
        arrays = {next(iter(bodies)): arrays[""]}
    if arrays.keys() != bodies.keys():
        raise ValueError(f"the network has the inputs {', '.join(bodies)}, got {', '.join(arrays) or 'one'}")
    values = {name: _values(name, array, bodies[name]) for name, array in arrays.items()}
    outputs = []
    for start in range(0, len(next(iter(values.values()))), _FORWARD_BATCH):
        batch = {name: array[start : start + _FORWARD_BATCH] for name, array in values.items()}
        outputs.append(run_rates(definition, batch, np.float32)[read.target])
    return activations.apply(read.activation, np.concatenate(outputs))


def _named(definition: pb.NetworkDefinition, name: str) -> pb.Probe:
    for probe in definition.probes:
        if probe.name == name:
            return probe
    names = ", ".join(probe.name for probe in definition.probes)
    raise ValueError(f"probe is '{name}', the network has {names}")


def _values(name: str, array: npt.NDArray[Any], body: pb.InputOperation) -> npt.NDArray[np.float32]:
    if array.shape[1:] != tuple(body.shape):
        raise ValueError(
            f"input '{name}' has shape {list(array.shape)}, wanted [n, {', '.join(map(str, body.shape))}]"
        )
    values = array.astype(np.float32)
    if array.dtype == np.uint8 and body.HasField("uint8_scale"):
        values = values * np.float32(body.uint8_scale) + np.float32(body.uint8_offset)
    return values


def classify_float(
    network: Network, samples: _arrays.Given, *, threshold: float | None = None
) -> npt.NDArray[np.int64]:
    """The classes [n] of `float_outputs`: the largest output, for one output whether it is above `threshold`.

    `threshold`: default 0.5 for probabilities, 0 for logits. ValueError where the one output is a value.
    """
    outputs = float_outputs(network, samples)
    if outputs[0].size > 1:
        return np.asarray(outputs.reshape(len(outputs), -1).argmax(axis=1), np.int64)
    kind = _probes.output_kind(network.definition.defaults, network.definition.probes)
    if kind == "value" and threshold is None:
        raise ValueError("the network gives values, which have no classes: use float_outputs, or a threshold")
    return _tasks.classes_of(outputs, _tasks.threshold_of(outputs, kind, threshold))
