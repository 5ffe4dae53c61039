"""How many synaptic operations the inputs of a run cause: their events times the weights behind them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from spikeserve import _arrays, encodings
from spikeserve.convert.definition.forward import run_rates
from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.encodings import Bernoulli, Burst, Encoding, Latency, Poisson, Regular
from spikeserve.results import SimulationResult
from spikeserve.v1 import network_pb2 as pb

Counts = npt.NDArray[np.float64]

_MOVES = ("reshape", "permute", "pad")  # operations that give every event on as it is
_BLOCK = 64  # samples of one pass, so that its memory stays small


def count(
    definition: pb.NetworkDefinition,
    operations: list[pb.Operation],
    inputs: _arrays.Given,
    result: SimulationResult,
) -> tuple[float, str]:
    """Operations per inference of these Affine and Conv operations, which no neuron lies before.

    With how they are known: "counted"; "expected", for random encodings; or "upper bound", where an operation
    lies between that makes other values of zeros: then every weight counts in every step.
    """
    bodies = {item.name: tuple(item.input.shape) for item in definition.operations if item.HasField("input")}
    events = _events(definition, _arrays.fit(inputs, bodies, "given here"), result)
    steps = _steps(result)
    shapes, total, kinds = operation_shapes(definition), 0.0, {"counted"}
    for operation in operations:
        path = _path(definition, operation)
        if path is None:
            kinds.add("upper bound")
            total += _weights(definition, operation, shapes) * float(steps.mean())
            continue
        kinds.add("expected" if _is_random(result, path[0].name) else "counted")
        total += _reached(definition, path, events[path[0].name])
    return total, next(kind for kind in ("upper bound", "expected", "counted") if kind in kinds)


def _steps(result: SimulationResult) -> Counts:
    """The steps of every sample."""
    if result.steps_used is not None:
        return result.steps_used.astype(np.float64)
    return np.full(result.samples, float(result.settings.steps))


def _is_random(result: SimulationResult, name: str) -> bool:
    text = result.settings.encodings.get(name)
    return text is not None and isinstance(encodings.parse(text), Poisson | Bernoulli)


def _events(
    definition: pb.NetworkDefinition, arrays: _arrays.Inputs, result: SimulationResult
) -> dict[str, Counts]:
    """Events [n, shape...] of every element over the run, by Input operation."""
    events = {}
    for operation in [item for item in definition.operations if item.HasField("input")]:
        given = arrays.get(operation.name, arrays.get(""))
        if given is None or len(given) != result.samples:
            raise ValueError(f"inputs: '{operation.name}' has not the {result.samples} samples of the result")
        values, shape = _values(operation.input, given), tuple(operation.input.shape)
        steps = _steps(result).reshape(-1, *[1] * len(shape))
        text = result.settings.encodings.get(operation.name)
        encoding = None if text is None else encodings.parse(text)
        if encoding is not None:
            events[operation.name] = _encoded(encoding, values, steps, result.settings.dt)
        elif values.shape[1:] == shape:
            events[operation.name] = (values != 0) * steps
        else:  # one value per step
            ran = np.arange(values.shape[1]).reshape(1, -1, *[1] * len(shape)) < steps[:, None]
            events[operation.name] = ((values != 0) & ran).sum(axis=1).astype(np.float64)
    return events


def _values(body: pb.InputOperation, given: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    values = given.astype(np.float32)
    if given.dtype == np.uint8 and body.HasField("uint8_scale"):
        values = values * np.float32(body.uint8_scale) + np.float32(body.uint8_offset)
    return values


def _encoded(encoding: Encoding, x: npt.NDArray[np.float32], steps: Counts, dt: float) -> Counts:
    """Spikes of every element in its steps; the expected ones of random encodings. See docs/semantics.md."""
    if isinstance(encoding, Poisson | Bernoulli | Regular):
        spikes = np.abs(x).astype(np.float64) * ((encoding.max_rate_hz or 1 / dt) * dt) * steps
        return np.floor(spikes + 0.5) if isinstance(encoding, Regular) else spikes
    window = encoding.window_steps
    whole, rest = np.floor(steps / window), steps % window
    return whole * _in_window(encoding, x, window) + _in_window(encoding, x, rest)


def _in_window(encoding: Latency | Burst, x: npt.NDArray[np.float32], steps: Counts | int) -> Counts:
    """Spikes in the first steps of a window."""
    if isinstance(encoding, Latency):
        at = 1 + np.floor((1 - x.astype(np.float64)) * (encoding.window_steps - 1) + 0.5)
        return ((x > 0) & (at <= steps)).astype(np.float64)
    gaps = np.ceil(x * np.float64(encoding.min_gap) + (1 - x) * np.float64(encoding.max_gap))
    fitting = np.floor((np.asarray(steps, np.float64) - 1) / gaps) + 1
    spikes: Counts = np.clip(fitting, 0, np.ceil(encoding.max_spikes * x.astype(np.float64)))
    return spikes


def _path(definition: pb.NetworkDefinition, operation: pb.Operation) -> list[pb.Operation] | None:
    """The operations from an Input to this one, where all between only move values; None for others."""
    by_name = {item.name: item for item in definition.operations}
    path = [operation]
    while path[0].WhichOneof("kind") != "input":
        sources = [link.source for link in definition.connections if link.target == path[0].name]
        if len(sources) != 1 or (len(path) > 1 and path[0].WhichOneof("kind") not in _MOVES):
            return None
        path.insert(0, by_name[sources[0]])
    return path


def _weights(
    definition: pb.NetworkDefinition, operation: pb.Operation, shapes: Mapping[str, tuple[int, ...]]
) -> int:
    """Weights of an Affine or Conv, once per use."""
    kernel = {item.id: item.shape for item in definition.tensors}[_body(operation).weight]
    return math.prod(shapes[operation.name]) * math.prod(kernel[1:])


def _body(operation: pb.Operation) -> pb.AffineOperation | pb.ConvOperation:
    return operation.affine if operation.HasField("affine") else operation.conv


def _reached(definition: pb.NetworkDefinition, path: list[pb.Operation], events: Counts) -> float:
    """Weights that the events of a sample reach: what the last operation gives with ones for weights."""
    counting = pb.NetworkDefinition(operations=path)
    for source, target in itertools.pairwise(path):
        counting.connections.add(source=source.name, target=target.name)
    body = _body(counting.operations[-1])
    shape = next(item.shape for item in definition.tensors if item.id == body.weight)
    ones = np.ones(tuple(shape), "<f4")
    body.weight, body.bias = "ones", ""
    counting.tensors.add(id="ones", shape=shape, data_type=pb.DATA_TYPE_FLOAT32, data=ones.tobytes())
    total = 0.0
    for start in range(0, len(events), _BLOCK):
        outputs = run_rates(counting, {path[0].name: events[start : start + _BLOCK]})
        total += float(outputs[path[-1].name].sum())
    return total / len(events)
