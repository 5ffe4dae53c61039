"""How a run becomes one answer: the probes it answers, the one that gives classes, and the readouts."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import TypeVar

from spikeserve.v1 import network_pb2 as pb

Probed = TypeVar("Probed")

# How the steps of a probe become its outputs.
READOUTS = {
    "mean": pb.READOUT_KIND_MEAN,
    "last": pb.READOUT_KIND_LAST,
    "corrected_mean": pb.READOUT_KIND_CORRECTED_MEAN,
}


def is_default(quantity: str) -> bool:
    """Whether a run that names no probes answers a probe of this quantity."""
    return quantity == "output"


def first(answered: Mapping[str, Probed]) -> Probed:
    """Of what the probes answered, by name: that of the one which outputs and classes are taken from."""
    return next(iter(answered.values()))


def answer_target(definition: pb.NetworkDefinition) -> str:
    """The operation that this probe reads: the converter adds it before all others."""
    return definition.probes[0].target


def output_kind(defaults: pb.RunDefaults) -> str:
    """What the outputs say: "classes", "probability", "logit", "value", or "" where it is not known."""
    if defaults.output_kind not in pb.OutputKind.values():  # of a newer server
        return ""
    word = pb.OutputKind.Name(defaults.output_kind).removeprefix("OUTPUT_KIND_").lower()
    return "" if word == "unspecified" else word


def check_classes(classes: Sized, samples: int, network: str) -> None:
    """ValueError where a run of so many samples gave no classes."""
    if len(classes) != samples:
        raise ValueError(f"network '{network}' has no output probe, so it gives no classes")
