"""What one spike of each channel counts for.

The quantum q of a channel is the value of one spike per step: a neuron that spikes n times in each step has
the output n*q. Rounding a channel to its quantum puts noise of q^2/12 times the squares of the weights behind
it into the next layer, and costs its mean activation / q times the weights that a spike meets. The least
noise for given synaptic operations is where q is the cube root of (mean activation * weights met / sum of
their squares).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikeserve.convert.arrays import Array, as_float32
from spikeserve.convert.definition.forward import run_rates
from spikeserve.convert.definition.units import set_scale
from spikeserve.convert.memory.channels import NONE, Channels, Reader
from spikeserve.convert.memory.weights import Weights, grouped, groups_of, linear_map
from spikeserve.v1 import network_pb2 as pb

Quanta = Mapping[str, Array]  # by population: [channels], or [1] where it has one gain

QUANTILE = 0.99
_MAX_VALUES = 4_000_000  # of a population, for its quantiles
_SPREAD = 32.0  # how far a quantum may be from the median of its population


@dataclass(frozen=True)
class Activity:
    """What the populations compute on samples, in units of the activation."""

    quantiles: Array  # [channels] of the absolute values other than 0; 0 where there are none
    joint: dict[str, float]  # the same over a whole population, and those that it shares a gain with
    means: Array  # [channels] of the absolute values
    pooled: dict[str, Array]  # the same behind MAX pools, [channels] of all populations
    places: dict[str, int]  # neurons, or units of a MAX pool, for each of its channels


def measure_channels(
    definition: pb.NetworkDefinition, channels: Channels, inputs: Mapping[str, Array], block: int
) -> Activity:
    """Activity on all samples, `block` of them in each float pass."""
    count = len(next(iter(inputs.values())))
    sums = np.zeros(channels.count)
    maxima = {name: found.channels for name, found in channels.maxima.items() if found.channels is not None}
    pooled = {name: np.zeros(channels.count) for name in maxima}
    places: dict[str, int] = {}
    rows: dict[str, list[Array]] = {name: [] for name in channels.ranges}
    totals = dict.fromkeys(channels.ranges, 0)
    for start in range(0, count, block):
        part = {name: array[start : start + block] for name, array in inputs.items()}
        values = run_rates(definition, part, np.float32)
        for name, numbers in channels.ranges.items():
            found = np.abs(values[name]).reshape(-1, numbers.stop - numbers.start)
            totals[name] += len(found)
            sums[numbers] += found.sum(axis=0, dtype=np.float64)
            every = max(1, -(-found.size * count // (len(part[next(iter(part))]) * _MAX_VALUES)))
            rows[name].append(found[::every])
        for name, own in maxima.items():
            found = np.abs(values[name]).reshape(-1, len(own)).sum(axis=0, dtype=np.float64)
            pooled[name][own[own != NONE]] += found[own != NONE]
        for name in (*channels.ranges, *maxima):
            places[name] = int(np.prod(values[name].shape[1:-1]))
    pooled = {name: total / (count * places[name]) for name, total in pooled.items()}
    means, quantiles = np.zeros(channels.count), np.zeros(channels.count)
    joined = {name: np.concatenate(parts) for name, parts in rows.items()}
    for name, numbers in channels.ranges.items():
        means[numbers] = sums[numbers] / totals[name]
        quantiles[numbers] = [_quantile(column) for column in joined[name].T]
    joint = {}
    for unit in channels.units():
        together = _quantile(np.concatenate([joined[name].ravel() for name in sorted(unit)]))
        joint.update(dict.fromkeys(unit, together))
    return Activity(quantiles, joint, means, pooled, places)


def _quantile(values: Array) -> float:
    active = values[values > 0]
    return float(np.quantile(active, QUANTILE)) if active.size else 0.0


def unit_quanta(definition: pb.NetworkDefinition, channels: Channels, activity: Activity) -> Quanta:
    """The quanta at which a neuron at the 99th percentile of its population spikes about once per step.

    A population with a gain per channel has as many synaptic operations as if that was so in each of its
    channels, divided over them by the rule above.
    """
    cost, noise = _consequences(definition, channels, activity)
    quanta: dict[str, Array] = {}
    for name, numbers in channels.ranges.items():
        if name in channels.single:
            quanta[name] = np.array([activity.joint[name]])
            continue
        spent, levels = cost[numbers], activity.quantiles[numbers]
        used = (spent > 0) & (noise[numbers] > 0) & (levels > 0)
        chosen = np.full(len(levels), activity.joint[name])
        if used.any():
            shares = np.cbrt(spent[used] / noise[numbers][used])
            middle = float(np.median(shares))
            shares = np.clip(shares, middle / _SPREAD, middle * _SPREAD)
            chosen[used] = shares * np.sum(spent[used] / shares) / np.sum(spent[used] / levels[used])
        quanta[name] = chosen
    return quanta


def _consequences(
    definition: pb.NetworkDefinition, channels: Channels, activity: Activity
) -> tuple[Array, Array]:
    """[channels] (mean activation * weights that a spike meets, sum of their squares), per neuron."""
    weights = Weights(definition)
    operations = {op.name: op for op in definition.operations}
    cost, noise = np.zeros(channels.count), np.zeros(channels.count)
    for reader in channels.readers:
        if reader.channels is not None:
            met, squares = _of_inputs(operations[reader.operation], reader, weights)
            there = reader.channels != NONE
            places = np.bincount(reader.channels[there], minlength=channels.count)
            for total, values, times in zip(
                (cost, noise), (met, squares), _arriving(reader, channels, activity), strict=True
            ):
                found = np.bincount(reader.channels[there], values[there], channels.count)
                total += times * found / np.maximum(places, 1)
    return cost, noise


def _arriving(reader: Reader, channels: Channels, activity: Activity) -> tuple[Array, Array]:
    """[channels] (activation that reaches a reader, values that do), for each neuron."""
    means, shares = np.zeros(channels.count), np.zeros(channels.count)
    for name in reader.senders:
        pooled = channels.maxima.get(name)
        numbers = channels.ranges[name if pooled is None else pooled.population]
        if pooled is None:
            means[numbers] += activity.means[numbers]
            shares[numbers] += 1
        elif name in activity.pooled:
            share = activity.places[name] / activity.places[pooled.population]
            means[numbers] += share * activity.pooled[name][numbers]
            shares[numbers] += share
    return means, shares


def _of_inputs(operation: pb.Operation, reader: Reader, weights: Weights) -> tuple[Array, Array]:
    """The same of one reader, for each index of its input's last axis."""
    assert reader.channels is not None
    inputs = len(reader.channels)
    body = linear_map(operation)
    if body is None:
        name = operation.scale_shift.scale
        scale = weights.values(name) if name else np.ones(1)
        return np.ones(inputs), np.broadcast_to(scale**2, inputs)
    groups = groups_of(body)
    weight = grouped(weights.values(body.weight), groups)
    axes = (1, *range(3, weight.ndim))
    reach = reader.fan_out / np.prod(weight.shape[1:2] + weight.shape[3:])  # positions that read an input
    return np.full(inputs, reader.fan_out), (weight**2).sum(axis=axes).reshape(inputs) * reach


def set_quanta(definition: pb.NetworkDefinition, channels: Channels, quanta: Quanta, dt: float) -> None:
    """Gains and amplitudes of the populations, and the rest of what a spike counts for in the weights behind.

    In rate mode the definition computes what it did before.
    """
    weights = Weights(definition)
    factors = np.ones(channels.count)
    operations = {op.name: op for op in definition.operations}
    for name, values in quanta.items():
        gains = as_float32(1 / (values * dt), f"{name}/gain").astype(np.float64)
        scale = float(np.exp(np.log(gains).mean()))
        holder = set_scale(operations[name], scale)
        if len(gains) == 1 and holder is not None:
            holder.scalar = scale
        elif len(gains) > 1:
            if holder is None:  # a product: all but what its amplitude does
                operations[name].product.output_scale.tensor = weights.add(f"{name}/gain", gains / scale)
            else:
                holder.tensor = weights.add(f"{name}/gain", gains)
            factors[channels.ranges[name]] = gains / scale
    for reader in channels.readers:
        numbers = reader.channels
        if numbers is not None and np.any(factors[numbers[numbers != NONE]] != 1):
            undone = np.where(numbers == NONE, 1.0, 1 / factors[numbers])
            weights.scale_inputs(operations[reader.operation], undone)
