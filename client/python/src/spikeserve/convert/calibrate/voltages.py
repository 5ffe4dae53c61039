"""Writes the initial voltages into the populations."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping

import numpy as np

from spikeserve.convert.calibrate.checks import check_layers, whole
from spikeserve.convert.draft import Draft
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.lower.builder import Population
from spikeserve.convert.lower.lower import Lowered
from spikeserve.convert.models.neurons import get_model
from spikeserve.v1 import network_pb2 as pb


def set_initial_voltages(lowered: Lowered, value: object, default: object) -> None:
    """Sets every population that has a voltage from one value, or from {layer: value}.

    A value is a number, "uniform", ("uniform", seed) or an array of the layer's shape. Where there is none
    (None, or a layer that is not named) it is what the neuron type usually starts from, else the default.
    """
    table = value if isinstance(value, Mapping) else {}
    check_layers(table, [p.layer for p in lowered.populations.values()], "initial_voltage")
    for op in lowered.definition.operations:
        neurons = op.name in lowered.populations and op.HasField("neuron")
        if neurons and (model := get_model(op.neuron)).has_voltage:
            population = lowered.populations[op.name]
            usual = default if model.usual_voltage is None else model.usual_voltage
            given = table.get(population.layer) if isinstance(value, Mapping) else value
            chosen = usual if given is None else given
            _set(lowered.draft, op, population, chosen)


def _set(draft: Draft, op: pb.Operation, population: Population, value: object) -> None:
    target = op.neuron.initial_voltage
    if isinstance(value, str) and value == "uniform":
        value = ("uniform", 0)
    if isinstance(value, tuple) and len(value) == 2 and value[0] == "uniform":
        target.uniform.SetInParent()
        target.uniform.seed = whole(value[1], "initial_voltage: seed", 0)
    elif isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value):
        if value == 0:
            target.zero.SetInParent()
        else:
            target.constant = float(value)
    elif isinstance(value, np.ndarray):
        target.tensor = _tensor(draft, op, population, value)
    else:
        raise ConversionError(
            f"initial_voltage is {value!r:.60}; give a number, 'uniform', ('uniform', seed), an array "
            "of the layer's shape, or a dict of these by layer"
        )


def _tensor(draft: Draft, op: pb.Operation, population: Population, values: object) -> str:
    array = np.asarray(values, np.float64)
    shape = population.value.shape
    if array.shape != shape or not np.isfinite(array).all():
        raise ConversionError(
            f"initial_voltage of '{population.layer}' has the shape {array.shape}, wanted finite "
            f"numbers of the shape {shape}"
        )
    stored = array.transpose(np.argsort(population.value.order))  # the operation's own axis order
    return draft.add(f"{op.name}/initial_voltage", stored)
