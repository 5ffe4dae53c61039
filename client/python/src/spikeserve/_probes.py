"""How a run becomes one answer: the probes it answers, the one that gives classes, and the readouts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import TypeVar

from spikeserve.v1 import network_pb2 as pb

Probed = TypeVar("Probed")

# How the steps of a probe become its outputs.
READOUTS = {
    "mean": pb.READOUT_KIND_MEAN,
    "last": pb.READOUT_KIND_LAST,
    "corrected_mean": pb.READOUT_KIND_CORRECTED_MEAN,
}


# What makes probabilities of logits.
_CHANCES = frozenset({pb.OUTPUT_FUNCTION_SIGMOID, pb.OUTPUT_FUNCTION_HARD_SIGMOID})


def is_default(quantity: str) -> bool:
    """Whether a run that names no probes answers a probe of this quantity."""
    return quantity == "output"


def first(answered: Mapping[str, Probed]) -> Probed:
    """Of what the probes answered, by name: that of the one which outputs and classes are taken from."""
    return next(iter(answered.values()))


def answer_target(definition: pb.NetworkDefinition) -> str:
    """The operation that this probe reads: the converter adds it before all others."""
    return definition.probes[0].target


def output_kind(defaults: pb.RunDefaults, probes: Iterable[pb.Probe | pb.ProbeInfo]) -> str:
    """What the outputs of the first output probe say with their activation.

    "classes", "probability" or "logit" (of class 1 of two), "value", "labels" (probabilities of several that
    may hold at once), "label logits", or "" where it is not known.
    """
    if defaults.output_kind not in pb.OutputKind.values():  # of a newer server
        return ""
    word = pb.OutputKind.Name(defaults.output_kind).removeprefix("OUTPUT_KIND_").lower()
    outputs = [probe for probe in probes if probe.quantity == pb.PROBE_QUANTITY_OUTPUT]
    chance = bool(outputs) and outputs[0].activation.function in _CHANCES
    if word == "labels":
        return "labels" if chance else "label logits"
    return "probability" if word == "logit" and chance else "" if word == "unspecified" else word


def kind_of(probe: pb.Probe | pb.ProbeInfo, size: int) -> str:
    """The same for any output probe, of so many values for a sample, as far as its activation tells."""
    function = probe.activation.function
    if function in (pb.OUTPUT_FUNCTION_SOFTMAX, pb.OUTPUT_FUNCTION_LOG_SOFTMAX):
        return "classes"
    if function in _CHANCES:
        return "probability" if size == 1 else "labels"
    return ""


def check_classes(classes: Sized, samples: int, network: str) -> None:
    """ValueError where a run of so many samples gave no classes."""
    if len(classes) != samples:
        raise ValueError(f"network '{network}' has no output probe, so it gives no classes")
