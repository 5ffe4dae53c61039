"""Operations that have units of their own: neurons, max pools and products."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.forward import parameter
from spikeserve.convert.models.neurons import get_model, set_model
from spikeserve.v1 import network_pb2 as pb


def has_units(operation: pb.Operation) -> bool:
    """Whether it sends spikes, or rates, of its own."""
    largest = operation.pool.kind == pb.POOL_KIND_MAX
    return operation.HasField("neuron") or operation.HasField("product") or largest


def remembers(operation: pb.Operation) -> bool:
    """Whether it is a population whose spikes are a function of what it has received: neurons, a product."""
    if operation.HasField("neuron"):
        return get_model(operation.neuron).remembers
    return operation.HasField("product")


def amplitude(operation: pb.Operation) -> float:
    """What a spike of such a population counts for."""
    if operation.HasField("product"):
        return operation.product.amplitude
    return get_model(operation.neuron).amplitude


def set_scale(operation: pb.Operation, scale: float) -> pb.Parameter | None:
    """`scale` times as many spikes that count for 1/scale each: all but the Parameter that multiplies them.

    None for a product, whose spikes are as many more by their amplitude alone.
    """
    if operation.HasField("product"):
        operation.product.amplitude /= scale
        return None
    model = get_model(operation.neuron)
    set_model(operation.neuron, model.scaled(scale))
    if model.scales_function:
        return operation.neuron.output_scale
    return operation.neuron.gain if model.scales_gain else None


def unit(operation: pb.Operation, plain: pb.Operation, tensors: Mapping[str, Array]) -> float | Array:
    """What an output of 1 of a population with memory at scale 1 (`plain`) is in that of this population."""
    if operation.HasField("product"):
        return np.asarray(parameter(operation.product.output_scale, 1.0, tensors))
    neuron = operation.neuron
    function = get_model(neuron).scales_function
    scale = parameter(neuron.output_scale if function else neuron.gain, 1.0, tensors)
    return np.asarray(scale * (amplitude(operation) / amplitude(plain)))
