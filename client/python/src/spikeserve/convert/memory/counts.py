"""What populations with memory send in a run, in closed form: their counts depend on totals alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.forward import (
    evaluate,
    parameter,
    read_sources,
    read_tensors,
    topological,
)
from spikeserve.convert.definition.units import amplitude, remembers
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.neurons import MemoryRectifiedLinear, get_model
from spikeserve.v1 import network_pb2 as pb

_HALF = 0.5  # by which a product rounds to the nearest
_EVEN_START = 0.5  # the mean of what is drawn from [0, 1)


def mean_output(
    operation: pb.Operation, args: list[Array], tensors: Mapping[str, Array], steps: int, dt: float
) -> Array:
    """The mean output [batch, ...] over a run of an operation that gets `args` in every step.

    Neurons without memory give their steady rate.
    """
    if not remembers(operation):
        return evaluate(operation, args, tensors)
    if operation.HasField("product"):
        unit = amplitude(operation) / (steps * dt)
        wanted = evaluate(operation, args, tensors)
        return np.asarray(np.floor(wanted / unit + _HALF) * unit, wanted.dtype)
    model = get_model(operation.neuron)
    if not isinstance(model, MemoryRectifiedLinear):
        return _of_function(operation.neuron, model, args[0], tensors, steps * dt)
    return _rectified(operation.neuron, model, args[0], tensors, steps * dt)


def _rectified(
    neuron: pb.NeuronOperation,
    model: MemoryRectifiedLinear,
    source: Array,
    tensors: Mapping[str, Array],
    seconds: float,
) -> Array:
    gain = parameter(neuron.gain, 1.0, tensors)
    received = (source * gain + parameter(neuron.bias, 0.0, tensors)) * seconds
    if model.max_value is not None:
        received = np.minimum(received, model.max_value * gain * seconds)
    start = _start(neuron.initial_voltage, tensors)
    if model.negative_slope == 0:
        sent = np.maximum(np.floor(received + start), 0)
    else:
        sent = np.floor(np.where(received < 0, model.negative_slope * received, received) + start)
    return np.asarray(sent * (model.amplitude / seconds), source.dtype)


def _of_function(
    neuron: pb.NeuronOperation,
    model: NeuronModel,
    source: Array,
    tensors: Mapping[str, Array],
    seconds: float,
) -> Array:
    drive = source * parameter(neuron.gain, 1.0, tensors) + parameter(neuron.bias, 0.0, tensors)
    scale = parameter(neuron.output_scale, 1.0, tensors) * seconds
    wanted = model.steady_rate(drive) / model.amplitude * scale
    sent = np.floor(wanted + _start(neuron.initial_voltage, tensors))
    return np.asarray(sent * (model.amplitude / seconds), source.dtype)


def run_counts(
    definition: pb.NetworkDefinition,
    inputs: Mapping[str, Array],
    steps: int,
    known: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """The mean output of every operation over a run of constant inputs, in float32.

    `known`: outputs that are taken as they are. Delays and filters are left out.
    """
    tensors = read_tensors(definition, np.float32)
    sources = read_sources(definition)
    values: dict[str, Array] = dict(known or {})
    for operation in topological(definition):
        name = operation.name
        if name in values:
            continue
        if operation.HasField("input"):
            values[name] = np.asarray(inputs[name], np.float32).reshape(-1, *operation.input.shape)
            continue
        args = [values[source] for source in sources[name]]
        values[name] = mean_output(operation, args, tensors, steps, definition.defaults.dt)
    return values


def _start(voltage: pb.InitialVoltage, tensors: Mapping[str, Array]) -> float | Array:
    kind = voltage.WhichOneof("kind")
    if kind == "tensor":
        return tensors[voltage.tensor]
    if kind == "uniform":
        return _EVEN_START
    return voltage.constant if kind == "constant" else 0.0
