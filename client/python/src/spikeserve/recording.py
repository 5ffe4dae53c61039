"""Probes that a request brings along, and the early end of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve import _arrays
from spikeserve._keywords import Checked
from spikeserve.errors import InternalError
from spikeserve.results import NetworkInfo, Values
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import simulation_pb2 as pb

QUANTITIES = {
    "output": network_pb.PROBE_QUANTITY_OUTPUT,
    "spikes": network_pb.PROBE_QUANTITY_SPIKES,
    "voltage": network_pb.PROBE_QUANTITY_VOLTAGE,
    "current": network_pb.PROBE_QUANTITY_CURRENT,
}
_NEURONS = "/neuron"  # what the converter adds to the name of a layer for that of its neurons
REDUCTIONS = {
    "none": pb.REDUCTION_NONE,
    "mean": pb.REDUCTION_MEAN,
    "sum": pb.REDUCTION_SUM,
    "last": pb.REDUCTION_LAST,
    "max": pb.REDUCTION_MAX,
}


@dataclass(frozen=True)
class EarlyExit(Checked):
    """Ends a sample's run once the largest output is `margin` or more above the second largest.

    Looked at after `min_steps` (0: the first step that counts) and every `check_every` steps (0: 1).
    """

    margin: float
    min_steps: int = 0
    check_every: int = 0

    def message(self) -> pb.EarlyExit:
        """As it goes onto the wire."""
        return pb.EarlyExit(margin=self.margin, min_steps=self.min_steps, check_every=self.check_every)


@dataclass(frozen=True)
class Record(Checked):
    """A probe on a layer: a neuron layer, or an operation that a probe of the network reads.

    A Keras layer stands for its neurons: "dense" for "dense/neuron", unless the network itself has something
    to read under the shorter name.
    With the presets "accurate", "balanced" and "sparse" outputs of hidden layers are scaled by channel: those
    of the Keras layer are output / (gain * amplitude), along the last axis. Their spikes may be negative, in
    steps in which a neuron takes some back.
    `quantity`: "output", "spikes", "voltage" or "current". Steps `first_step` to `last_step` (0: from the
    first, to the last), every `every`-th of them, after a low-pass of `filter_tau` s where that is given.
    `reduction` "none" returns them as [batch, steps, shape...], "mean", "sum", "last" and "max" as
    [batch, shape...]. `name` in the result, default "LAYER.QUANTITY".
    """

    layer: str
    quantity: str = "output"
    reduction: str = "none"
    every: int = 1
    first_step: int = 0
    last_step: int = 0
    filter_tau: float | None = None
    name: str = ""

    def message(self) -> pb.RequestProbe:
        """As it goes onto the wire. ValueError for an unknown quantity or reduction."""
        for value, known, what in (
            (self.quantity, QUANTITIES, "quantity"),
            (self.reduction, REDUCTIONS, "reduction"),
        ):
            if value not in known:
                raise ValueError(f"{what} is {value!r}, give one of {', '.join(known)}")
        return pb.RequestProbe(
            name=self.name,
            target=self.layer,
            quantity=QUANTITIES[self.quantity],
            filter_tau=self.filter_tau,
            first_step=self.first_step,
            last_step=self.last_step,
            every=self.every,
            reduction=REDUCTIONS[self.reduction],
        )

    def resolved(self, info: NetworkInfo) -> Record:
        """The same record on the neurons LAYER/neuron, where only these can be read for LAYER."""
        kinds = {item.name: item.kind for item in info.layers}
        neurons = f"{self.layer}{_NEURONS}"
        probed = self.quantity == "output" and any(item.target == self.layer for item in info.probes)
        if kinds.get(self.layer, "").startswith("neuron") or neurons not in kinds or probed:
            return self
        return replace(self, layer=neurons, name=self.name or f"{self.layer}.{self.quantity}")

    def values(self, info: NetworkInfo, steps: int) -> int:
        """How many values the answer has per sample; 0 where the network has no such layer."""
        size = next((math.prod(item.shape) for item in info.layers if item.name == self.layer), 0)
        kept = max(0, (self.last_step or steps) - max(self.first_step, 1)) // max(self.every, 1) + 1
        return size * (kept if self.reduction == "none" else 1)


def parse(text: str) -> Record:
    """The record of "LAYER[.QUANTITY][:key=value,...]" with the keys of Record; ValueError for others."""
    target, _, rest = text.partition(":")
    layer, dot, quantity = target.rpartition(".")
    if not dot or quantity not in QUANTITIES:
        layer, quantity = target, "output"
    kinds = {
        "reduction": str, "every": int, "first_step": int, "last_step": int, "filter_tau": float, "name": str
    }  # fmt: skip
    options: dict[str, Any] = {}
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        if key not in kinds:
            raise ValueError(f"probe {text!r}: {key!r} is no option, allowed: {', '.join(kinds)}")
        try:
            options[key] = kinds[key](value)
        except ValueError:
            raise ValueError(f"probe {text!r}: {key} is {value!r}, wanted a number") from None
    return Record(layer, quantity, **options)


def records(messages: Iterable[pb.ProbeRecord]) -> dict[str, Values]:
    """What the request probes recorded, by name."""
    return {
        item.name: _dense(item.counts) if item.HasField("counts") else _arrays.decode(item.values)
        for item in messages
    }


def _dense(message: pb.SparseCounts) -> Values:
    shape = tuple(message.shape)
    positions = np.cumsum(np.asarray(message.gaps, np.int64) + 1) - 1
    counts: npt.NDArray[np.float32] = np.zeros(math.prod(shape), np.float32)
    if positions.size and positions[-1] >= counts.size:
        raise InternalError(f"sparse counts reach element {positions[-1]} of {counts.size}")
    if message.counts and len(message.counts) != positions.size:
        raise InternalError(f"{len(message.counts)} sparse counts for {positions.size} positions")
    counts[positions] = np.asarray(message.counts, np.float32) if message.counts else 1
    return counts.reshape(shape)
