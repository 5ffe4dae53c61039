"""The options of a conversion and the two presets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.neurons import (
    IntegrateAndFire,
    Lowpass,
    NeuronModel,
    SpikingRectifiedLinear,
    as_synapse,
)
from spikeserve.v1 import network_pb2 as pb


class Unset:
    """The type of the marker for an option that the preset decides."""

    def __repr__(self) -> str:
        return "<preset>"


UNSET = Unset()

SynapseLike = float | Lowpass | None | Unset


@dataclass(frozen=True)
class Preset:
    """What a preset stands for where the caller says nothing."""

    neuron: NeuronModel
    synapse: Lowpass | None
    probe_synapse: Lowpass | None
    initial_voltage: object
    steps: int
    calibrated: bool  # scales come from data; otherwise they are 1


PRESETS = {
    "spikeserve": Preset(IntegrateAndFire(), None, None, 0.5, 16, True),
    "nengo_dl": Preset(
        SpikingRectifiedLinear(), Lowpass(0.005), Lowpass(0.01), "uniform", 100, False
    ),
}


@dataclass(frozen=True)
class RunOptions:
    """The checked options that end up in the definition."""

    preset: Preset
    synapse: Lowpass | None
    probe_synapse: Lowpass | None
    initial_voltage: object
    dt: float
    steps: int
    readout: pb.Readout
    class_labels: tuple[str, ...]


def run_options(
    preset: str,
    synapse: SynapseLike,
    probe_synapse: SynapseLike,
    initial_voltage: object,
    dt: float | None,
    steps: int | None,
    readout: Any,
    class_labels: Sequence[str] | None,
) -> RunOptions:
    """Checks the options against each other; ConversionError names the one that is wrong."""
    if preset not in PRESETS:
        raise ConversionError(f"preset is {preset!r}, choose one of {', '.join(PRESETS)}")
    base = PRESETS[preset]
    dt = 0.001 if dt is None else float(dt)
    steps = base.steps if steps is None else int(steps)
    if not (math.isfinite(dt) and dt > 0):
        raise ConversionError(f"dt is {dt}, wanted a time above 0 s")
    if steps < 1:
        raise ConversionError(f"steps is {steps}, wanted at least 1")
    return RunOptions(
        base,
        _synapse(synapse, base.synapse, "synapse"),
        _synapse(probe_synapse, base.probe_synapse, "probe_synapse"),
        base.initial_voltage if initial_voltage is None else initial_voltage,
        dt,
        steps,
        as_readout(readout, steps),
        tuple(class_labels or ()),
    )


def as_readout(value: Any, steps: int) -> pb.Readout:
    """A Readout from None, "mean", "last", ("mean", skip_steps) or the message itself."""
    kinds = {"mean": pb.READOUT_KIND_MEAN, "last": pb.READOUT_KIND_LAST}
    skip = 0
    if isinstance(value, pb.Readout):
        return value
    if isinstance(value, (tuple, list)) and len(value) == 2:
        value, skip = value[0], int(value[1])
    kind = kinds.get("mean" if value is None else value) if isinstance(value, str | None) else None
    if kind is None:
        raise ConversionError(f"readout is {value!r}, give 'mean', 'last' or ('mean', skip_steps)")
    if not 0 <= skip < steps:
        raise ConversionError(f"readout skips {skip} of {steps} steps, at least one must be left")
    return pb.Readout(kind=kind, skip_steps=skip)


def set_initial_voltage(neuron: pb.NeuronOperation, value: object) -> None:
    """Writes 0, a constant, "uniform" or ("uniform", seed) into a spiking population."""
    target = neuron.initial_voltage
    if isinstance(value, (tuple, list)) and len(value) == 2 and value[0] == "uniform":
        target.uniform.seed = int(value[1])
    elif value == "uniform":
        target.uniform.seed = 0
        target.uniform.SetInParent()
    elif isinstance(value, (int, float)) and math.isfinite(value):
        if value == 0:
            target.zero.SetInParent()
        else:
            target.constant = float(value)
    else:
        raise ConversionError(
            f"initial_voltage is {value!r}; give a number, 'uniform' or ('uniform', seed)"
        )


def fixed_scales(
    given: float | Mapping[str, float] | None, layers: Sequence[str]
) -> dict[str, float]:
    """The scales the caller gives, by layer; ConversionError for unknown layers and bad numbers."""
    if given is None:
        return {}
    table = dict(given) if isinstance(given, Mapping) else dict.fromkeys(layers, given)
    for name, value in table.items():
        if name not in layers:
            raise ConversionError(
                f"scale_firing_rates names '{name}', the layers with neurons are "
                f"{', '.join(dict.fromkeys(layers))}"
            )
        if isinstance(value, bool) or not (math.isfinite(value) and value > 0):
            raise ConversionError(f"scale_firing_rates of '{name}' is {value}, wanted above 0")
    return {name: float(value) for name, value in table.items()}


def _synapse(value: SynapseLike, default: Lowpass | None, what: str) -> Lowpass | None:
    if isinstance(value, Unset):
        return default
    try:
        return as_synapse(value)
    except ValueError as error:
        raise ConversionError(f"{what}: {error}") from error
