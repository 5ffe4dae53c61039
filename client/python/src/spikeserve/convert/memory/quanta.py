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
from spikeserve.convert.definition.units import set_scale
from spikeserve.convert.draft import Draft
from spikeserve.convert.memory.channels import NONE, Channels, Reader
from spikeserve.convert.memory.quantiles import Quantiles
from spikeserve.convert.memory.weights import Weights, grouped, groups_of, linear_map
from spikeserve.v1 import network_pb2 as pb

Quanta = Mapping[str, Array]  # by population: [channels], or [1] where it has one gain

_THINNED = 50  # samples, of which rows are taken by number
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

    def renumbered(self, channels: Channels, others: Channels) -> Activity:
        """The same of some of the populations, whose channels have other numbers."""

        def moved(values: Array) -> Array:
            found = np.zeros(others.count)
            for name, numbers in others.ranges.items():
                found[numbers] = values[channels.ranges[name]]
            return found

        pooled = {name: moved(values) for name, values in self.pooled.items()}
        return Activity(moved(self.quantiles), self.joint, moved(self.means), pooled, self.places)


class ChannelMeter:
    """Takes the activity of channels from a float pass over so many samples."""

    def __init__(self, channels: Channels, sizes: Mapping[str, int], samples: int) -> None:
        """`sizes`: the neurons of each population. Of large ones not all rows count for the quantiles."""
        self._channels, self._samples = channels, samples
        self._sums = np.zeros(channels.count)
        self._every = {name: -(-sizes[name] * samples // _MAX_VALUES) for name in channels.ranges}
        self._rows = {
            name: samples * sizes[name] // self._size(name) // every + samples
            for name, every in self._every.items()
        }
        self._columns = {name: Quantiles(self._size(name), self._rows[name]) for name in channels.ranges}
        self._positions = {name: sizes[name] // self._size(name) for name in channels.ranges}
        self._maxima = {
            name: found.channels for name, found in channels.maxima.items() if found.channels is not None
        }
        self._pooled = {name: np.zeros(channels.count) for name in self._maxima}
        self._pooled_places: dict[str, int] = {}
        self._units = {name: unit for unit, names in enumerate(channels.units()) for name in names}
        self._joint = [
            Quantiles(1, sum(self._rows[name] * self._size(name) for name in names))
            for names in channels.units()
        ]

    def see(self, operation: pb.Operation, args: list[Array], value: Array, first: int) -> None:
        """What an operation reads and gives; `first`: number of the first of these samples."""
        del args
        name = operation.name
        if first < self._samples and name in self._maxima:
            self._pool(name, value[: self._samples - first])
        if first >= self._samples or name not in self._channels.ranges:
            return
        found = np.abs(value[: self._samples - first]).reshape(-1, self._size(name))
        self._sums[self._channels.ranges[name]] += found.sum(axis=0, dtype=np.float64)
        rows = first % _THINNED * self._positions[name]  # that have passed since the thinning began anew
        chosen = found[-rows % self._every[name] :: self._every[name]]
        self._columns[name].add(chosen)
        self._joint[self._units[name]].add(chosen.reshape(-1, 1))

    def _pool(self, name: str, value: Array) -> None:
        own, there = self._maxima[name], self._maxima[name] != NONE
        self._pooled_places[name] = places = int(np.prod(value.shape[1:-1]))
        sums = np.abs(value).reshape(-1, len(own)).sum(axis=0, dtype=np.float64)
        self._pooled[name][own[there]] += sums[there] / (self._samples * places)

    def activity(self) -> Activity:
        """Of all samples, once they have passed."""
        means, quantiles = np.zeros(self._channels.count), np.zeros(self._channels.count)
        for name, numbers in self._channels.ranges.items():
            means[numbers] = self._sums[numbers] / (self._samples * self._positions[name])
            quantiles[numbers] = self._columns[name].values()
        joint = {name: float(self._joint[unit].values()[0]) for name, unit in self._units.items()}
        return Activity(quantiles, joint, means, self._pooled, self._positions | self._pooled_places)

    def _size(self, name: str) -> int:
        numbers = self._channels.ranges[name]
        return int(numbers.stop - numbers.start)


def unit_quanta(draft: Draft, channels: Channels, activity: Activity) -> Quanta:
    """The quanta at which a neuron at the 99th percentile of its population spikes about once per step.

    A population with a gain per channel has as many synaptic operations as if that was so in each of its
    channels, divided over them by the rule above.
    """
    cost, noise = _consequences(draft, channels, activity)
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


def _consequences(draft: Draft, channels: Channels, activity: Activity) -> tuple[Array, Array]:
    """[channels] (mean activation * weights that a spike meets, sum of their squares), per neuron."""
    operations = {op.name: op for op in draft.definition.operations}
    cost, noise = np.zeros(channels.count), np.zeros(channels.count)
    for reader in channels.readers:
        if reader.channels is not None:
            met, squares = _of_inputs(operations[reader.operation], reader, draft.tensors)
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


def _of_inputs(operation: pb.Operation, reader: Reader, tensors: Mapping[str, Array]) -> tuple[Array, Array]:
    """The same of one reader, for each index of its input's last axis."""
    assert reader.channels is not None
    inputs = len(reader.channels)
    body = linear_map(operation)
    if body is None:
        name = operation.scale_shift.scale
        scale = tensors[name].astype(np.float64) if name else np.ones(1)
        return np.ones(inputs), np.broadcast_to(scale**2, inputs)
    groups = groups_of(body)
    weight = grouped(tensors[body.weight], groups)
    reach = reader.fan_out / np.prod(weight.shape[1:2] + weight.shape[3:])  # positions that read an input
    flat = weight.reshape(*weight.shape[:3], -1)
    squares = np.einsum("goik,goik->gi", flat, flat, dtype=np.float64)
    return np.full(inputs, reader.fan_out), squares.reshape(inputs) * reach


def set_quanta(draft: Draft, channels: Channels, quanta: Quanta) -> None:
    """Gains and amplitudes of the populations, and the rest of what a spike counts for in the weights behind.

    In rate mode the definition computes what it did before.
    """
    weights, dt = Weights(draft), draft.definition.defaults.dt
    factors = np.ones(channels.count)
    operations = {op.name: op for op in draft.definition.operations}
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
