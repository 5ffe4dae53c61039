"""What populations with memory send in a run, in closed form: their counts depend on totals alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.forward import (
    Compute,
    Tensors,
    current,
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


def mean_output(operation: pb.Operation, args: list[Array], tensors: Tensors, steps: int, dt: float) -> Array:
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
    tensors: Tensors,
    seconds: float,
) -> Array:
    received = current(neuron, source, tensors) * seconds
    if model.max_value is not None:
        received = np.minimum(received, model.max_value * parameter(neuron.gain, 1.0, tensors) * seconds)
    if model.negative_slope != 0:
        received = np.where(received < 0, model.negative_slope * received, received)
    sent = np.asarray(received + _start(neuron.initial_voltage, tensors), source.dtype)
    np.floor(sent, out=sent)
    if model.negative_slope == 0:
        np.maximum(sent, 0, out=sent)
    sent *= model.amplitude / seconds
    return sent


def _of_function(
    neuron: pb.NeuronOperation,
    model: NeuronModel,
    source: Array,
    tensors: Tensors,
    seconds: float,
) -> Array:
    scale = parameter(neuron.output_scale, 1.0, tensors) * seconds
    wanted = model.steady_rate(current(neuron, source, tensors)) / model.amplitude * scale
    sent = np.floor(wanted + _start(neuron.initial_voltage, tensors))
    return np.asarray(sent * (model.amplitude / seconds), source.dtype)


def counting(steps: int, dt: float) -> Compute:
    """Mean outputs over runs of so many steps, as another way through a network in rate mode."""
    return partial(mean_output, steps=steps, dt=dt)


def run_counts(
    definition: pb.NetworkDefinition,
    inputs: Mapping[str, Array],
    steps: int,
    known: Mapping[str, Array] | None = None,
    tensors: Tensors | None = None,
) -> dict[str, Array]:
    """The mean output of every operation over a run of constant inputs, in float32.

    `known`: outputs that are taken as they are; `tensors`: those of a definition that has none yet. Delays
    and filters are left out.
    """
    tensors = read_tensors(definition, np.float32) if tensors is None else tensors
    compute = counting(steps, definition.defaults.dt)
    sources = read_sources(definition)
    values: dict[str, Array] = dict(known or {})
    for operation in topological(definition):
        name = operation.name
        if name in values:
            continue
        if operation.HasField("input"):
            values[name] = np.asarray(inputs[name], np.float32).reshape(-1, *operation.input.shape)
            continue
        values[name] = compute(operation, [values[source] for source in sources[name]], tensors)
    return values


def _start(voltage: pb.InitialVoltage, tensors: Tensors) -> float | Array:
    kind = voltage.WhichOneof("kind")
    if kind == "tensor":
        return tensors[voltage.tensor]
    if kind == "uniform":
        return _EVEN_START
    return voltage.constant if kind == "constant" else 0.0
