"""How well a network on a server answers for labelled samples, and what that costs in spikes."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spikeserve import _arrays, _probes, _show, _tasks
from spikeserve._keywords import with_options
from spikeserve._requests import RUN_PARAMETERS, RunOptions
from spikeserve._upload import OnProgress
from spikeserve.client import Client
from spikeserve.convert.definition.forward import run_rates
from spikeserve.network import Network
from spikeserve.results import LayerStatistics, Settings, SimulationResult, statistics_table
from spikeserve.v1 import network_pb2 as pb

if TYPE_CHECKING:
    from typing_extensions import Unpack

_FORWARD_BATCH = 250  # samples of one float pass, so that its memory stays small


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`. Fractions are 0..1; None where they are not of the task, or nothing is known.

    `task`: "classes" (the largest output), "binary" (one output, against `threshold`) or "regression".
    """

    samples: int
    accuracy: float | None
    float_accuracy: float | None
    agreement: float | None  # same class as the float network
    mean_rate_hz: float  # over all spiking neurons
    spikes_per_inference: float
    synaptic_operations_per_inference: float
    inferences_per_second: float  # seen by this client
    layers: tuple[LayerStatistics, ...]
    settings: Settings
    mean_steps: float  # per sample; below the steps of the run with early_exit
    task: str = _tasks.CLASSES
    threshold: float | None = None  # binary: an output above it means class 1
    rmse: float | None = None  # regression: root mean square of outputs - labels
    r2: float | None = None  # regression: share of the labels' variance that is explained, at most 1
    float_rmse: float | None = None
    float_r2: float | None = None
    rmse_to_float: float | None = None  # regression: of outputs - float outputs

    def rows(self) -> list[tuple[str, str]]:
        """What was found, as names and values for people."""
        rows = [("accuracy", self.accuracy), ("float accuracy", self.float_accuracy)]
        rows += [("agreement with float", self.agreement)]
        shown = [(name, f"{value:.2%}") for name, value in rows if value is not None]
        errors = [("RMSE", self.rmse), ("R2", self.r2), ("float RMSE", self.float_rmse)]
        errors += [("float R2", self.float_r2), ("RMSE to float", self.rmse_to_float)]
        shown += [(name, f"{value:.4g}") for name, value in errors if value is not None]
        shown += [("threshold", f"{self.threshold:g}")] if self.threshold is not None else []
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
        return f"<Evaluation ({self.task}): {self.title()}\n {rows}>"

    def _repr_html_(self) -> str:
        """In a notebook: what was found, and the activity per layer."""
        return _show.table(self.title(), (), self.rows()) + statistics_table("Activity", self.layers)


@with_options(RUN_PARAMETERS)
def evaluate(
    client: Client,
    name: str,
    samples: _arrays.Given,
    labels: npt.ArrayLike,
    *,
    float_classes: npt.ArrayLike | None = None,
    float_outputs: npt.ArrayLike | None = None,
    threshold: float | None = None,
    on_progress: OnProgress | None = None,
    timeout: float | None = None,
    **options: Unpack[RunOptions],
) -> Evaluation:
    """Runs `samples` on the server and compares the answers with `labels`.

    `samples` as the inputs of `Client.simulate`. `labels` are classes [n] or one-hot rows where the network
    has several outputs, and 0 or 1 where it has one: there an output above `threshold` (default: 0.5 for
    probabilities, 0 for logits) means 1. All others, [n] or [n, outputs...], are the values of a regression.
    `float_classes` [n] or `float_outputs` [n, outputs...] are the float network's, see the functions
    `classify_float` and `float_outputs`. Options as in `Client.simulate`. ValueError where the counts differ
    or labels are neither; TypeError for an AsyncClient.
    """
    check_waits(client)
    given = _tasks.numbers(labels, _tasks.count(samples))
    start = time.monotonic()
    result = client.simulate(name, samples, on_progress=on_progress, timeout=timeout, **options)
    seconds = time.monotonic() - start
    _probes.check_classes(result.classes, result.samples, name)
    given = _tasks.numbers(given, result.samples)
    kind = ""
    if _size(result) == 1 or given.ndim > 1:
        kind = client.get(result.settings.network, result.settings.version).output_kind
    truth = _tasks.read_labels(given, result.outputs.shape[1:], kind)
    floats = None if float_outputs is None else _same(float_outputs, result.outputs.shape, "float outputs")
    classes = None if float_classes is None else _same(float_classes, (result.samples,), "float classes")
    if truth.task == _tasks.REGRESSION:
        if classes is not None:
            raise ValueError(
                "the labels are values, which have no classes: give float_outputs, not float_classes"
            )
        found = _regression(result, truth.labels, floats)
    else:
        found = _classification(result, truth, kind, threshold, floats, classes)
    return Evaluation(**_activity(result), **found, inferences_per_second=result.samples / seconds)


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


def _classification(
    result: SimulationResult,
    truth: _tasks.Truth,
    kind: str,
    threshold: float | None,
    floats: npt.NDArray[Any] | None,
    classes: npt.NDArray[Any] | None,
) -> dict[str, Any]:
    found = result.classes
    edge = None
    if truth.task == _tasks.BINARY:
        edge = _tasks.threshold_of(result.outputs, kind, threshold)
        found = _tasks.classes_of(result.outputs, edge)
    if floats is not None and edge is not None:
        classes = _tasks.classes_of(floats, edge)
    elif floats is not None:
        classes = floats.reshape(len(floats), -1).argmax(axis=1)
    return {
        "task": truth.task,
        "threshold": edge,
        "accuracy": float(np.mean(found == truth.labels)),
        "float_accuracy": None if classes is None else float(np.mean(classes == truth.labels)),
        "agreement": None if classes is None else float(np.mean(found == classes)),
    }


def _regression(
    result: SimulationResult, labels: _tasks.Labels, floats: npt.NDArray[Any] | None
) -> dict[str, Any]:
    outputs = result.outputs.reshape(labels.shape)
    found: dict[str, Any] = {"task": _tasks.REGRESSION}
    found |= dict.fromkeys(("accuracy", "float_accuracy", "agreement"))
    found["rmse"] = _tasks.root_mean_square(outputs - labels)
    found["r2"] = _tasks.explained(outputs, labels)
    if floats is not None:
        wanted = floats.reshape(labels.shape)
        found["float_rmse"] = _tasks.root_mean_square(wanted - labels)
        found["float_r2"] = _tasks.explained(wanted, labels)
        found["rmse_to_float"] = _tasks.root_mean_square(outputs - wanted)
    return found


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


def float_outputs(network: Network, samples: _arrays.Given) -> npt.NDArray[np.float32]:
    """The outputs [n, outputs...] of the network with its neurons as rates: the model it was converted from.

    `samples` as for the server, but without steps: an array [n, shape...], for several inputs a dict by name
    or a list in the network's order. Bytes are scaled where the network says how. ValueError for others.
    """
    definition = network.definition
    bodies = {item.name: item.input for item in definition.operations if item.HasField("input")}
    shapes = {name: tuple(body.shape) for name, body in bodies.items()}
    arrays = _arrays.fit(samples, shapes, "of this file")
    if len(bodies) == 1 and "" in arrays:
        arrays = {next(iter(bodies)): arrays[""]}
    if arrays.keys() != bodies.keys():
        raise ValueError(f"the network has the inputs {', '.join(bodies)}, got {', '.join(arrays) or 'one'}")
    values = {name: _values(name, array, bodies[name]) for name, array in arrays.items()}
    target = _probes.answer_target(definition)
    outputs = []
    for start in range(0, len(next(iter(values.values()))), _FORWARD_BATCH):
        batch = {name: array[start : start + _FORWARD_BATCH] for name, array in values.items()}
        outputs.append(run_rates(definition, batch, np.float32)[target])
    return np.concatenate(outputs)


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
    kind = _probes.output_kind(network.definition.defaults)
    if kind == "value" and threshold is None:
        raise ValueError("the network gives values, which have no classes: use float_outputs, or a threshold")
    return _tasks.classes_of(outputs, _tasks.threshold_of(outputs, kind, threshold))
