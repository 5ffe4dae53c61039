"""Checks all nodes of a file, in order, and finds the shape behind each."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.errors import (
    ConversionError,
    Problem,
    UnsupportedError,
    reading_configuration,
    refuse,
)
from spikeserve.convert.lower.builder import check_size
from spikeserve.convert.nir import linear, neurons
from spikeserve.convert.nir.fields import shape_of
from spikeserve.convert.nir.graph import FlatGraph, NirNode
from spikeserve.convert.nir.options import NirOptions
from spikeserve.convert.nir.units import Parsed, Pass, Shape, Unit

_TIMES = ("tau", "tau_mem", "tau_syn")
_LARGEST = 1 << 25  # values of all nodes, each with some parameters in float64
_LONG = 0.5  # s; time constants above are probably not in seconds


def parse(graph: FlatGraph, label: str, options: NirOptions) -> tuple[dict[str, Parsed], list[str]]:
    """Every node by name, and warnings; ConversionError with all nodes that cannot be had."""
    parsed: dict[str, Parsed] = {}
    problems: list[Problem] = []
    warnings: list[str] = []
    total = 0
    for node in graph.nodes:
        sources = graph.sources[node.name]
        if all(name in parsed for name in sources):
            try:
                shape = _read_shape(node, [parsed[name] for name in sources])
                with reading_configuration():
                    check_size(shape, "what it reads")
                    unit, out = _unit(node, shape, options, graph, warnings)
            except UnsupportedError as error:
                problems.append(Problem(node.name, node.kind, error.reason, error.advice))
            else:
                total += math.prod(out)
                if total > _LARGEST:
                    raise ConversionError(
                        f"{label}: more than {_LARGEST} values in all nodes; use a smaller input"
                    )
                parsed[node.name] = Parsed(node.name, node.kind, unit, out)
    if problems:
        raise refuse(label, problems)
    times = [
        float(np.min(node.values[name])) for node in graph.nodes for name in _TIMES if name in node.values
    ]
    if times and min(times) > _LONG:
        warnings.append(
            f"the shortest time constant is {min(times):g} s: a file has seconds, are these milliseconds?"
        )
    return parsed, warnings


def has_times(graph: FlatGraph) -> bool:
    """Whether the file has a node that needs a dt."""
    return any(name in node.values for node in graph.nodes for name in (*_TIMES, "delay"))


def _read_shape(node: NirNode, sources: list[Parsed]) -> Shape:
    if not sources:
        return shape_of(node, "shape")
    for one in sources[1:]:
        if one.shape != sources[0].shape:
            raise UnsupportedError(
                f"it reads the sum of {sources[0].name!r}, of shape {sources[0].shape}, and {one.name!r}, of "
                f"shape {one.shape}",
                "have both of one shape",
            )
    return sources[0].shape


def _wanted(graph: FlatGraph, name: str) -> int | None:
    """How many values the node behind takes, where it says so."""
    for node in graph.nodes:
        if name in graph.sources[node.name] and node.kind in ("Affine", "Linear"):
            return int(np.shape(node.values["weight"])[-1])
    return None


def _unit(
    node: NirNode, shape: Shape, options: NirOptions, graph: FlatGraph, warnings: list[str]
) -> tuple[Unit, Shape]:
    match node.kind:
        case "Input":
            return Pass(), shape
        case "Output":
            linear.agrees(node, shape)
            return Pass(), shape
        case "Affine" | "Linear":
            return linear.dense(node, shape)
        case "Conv1d" | "Conv2d":
            return linear.convolution(node, shape)
        case "SumPool2d" | "AvgPool2d":
            return linear.pooling(node, shape)
        case "Scale":
            return linear.scale(node, shape)
        case "Flatten":
            unit, out, warning = linear.flatten(node, shape, _wanted(graph, node.name))
            warnings += [f"'{node.name}' (Flatten): {warning}"] if warning else []
            return unit, out
        case "Delay":
            return neurons.delay(node, options), shape
        case "I":
            return neurons.integrator(node, shape, options), shape
        case "LI" | "CubaLI":
            return neurons.leaky_integrator(node, shape, options), shape
        case "IF":
            return neurons.integrate_and_fire(node, shape, options), shape
        case "LIF" | "CubaLIF":
            return neurons.leaky_integrate_and_fire(node, shape, options), shape
        case _:
            return neurons.threshold(node, shape, options), shape
