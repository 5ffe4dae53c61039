"""The options of a conversion and the two presets."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spikeserve._probes import READOUTS
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.neurons import IntegrateAndFire, SpikingRectifiedLinear
from spikeserve.convert.models.synapses import Lowpass, Synapse, as_synapse
from spikeserve.v1 import network_pb2 as pb


class Unset:
    """The type of the marker for an option that the preset decides."""

    def __repr__(self) -> str:
        return "<preset>"


UNSET = Unset()
SERVER_MAX_STEPS = 10_000  # the default of its --max-steps

SynapseLike = float | Synapse | None | Unset


@dataclass(frozen=True)
class Preset:
    """What a preset stands for where the caller says nothing."""

    neuron: NeuronModel
    synapse: Synapse | None
    probe_synapse: Synapse | None
    initial_voltage: object
    steps: int
    calibrated: bool  # scales come from data; otherwise they are 1


PRESETS = {
    "spikeserve": Preset(IntegrateAndFire(), None, None, 0.5, 16, True),
    "nengo_dl": Preset(SpikingRectifiedLinear(), Lowpass(0.005), Lowpass(0.01), "uniform", 100, False),
}


@dataclass(frozen=True)
class RunOptions:
    """The checked options that end up in the definition."""

    preset: Preset
    synapse: Synapse | None
    probe_synapse: Synapse | None
    initial_voltage: object
    dt: float
    steps: int
    readout: pb.Readout
    class_labels: tuple[str, ...]

    def warnings(self) -> list[str]:
        """What a server with default limits will refuse."""
        if self.steps <= SERVER_MAX_STEPS:
            return []
        return [f"steps is {self.steps}, a server takes {SERVER_MAX_STEPS} unless its --max-steps is raised"]


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
    length = whole(base.steps if steps is None else steps, "steps", 1)
    return RunOptions(
        base,
        _synapse(synapse, base.synapse, "synapse"),
        _synapse(probe_synapse, base.probe_synapse, "probe_synapse"),
        base.initial_voltage if initial_voltage is None else initial_voltage,
        positive(0.001 if dt is None else dt, "dt", "s"),
        length,
        _readout(readout, length),
        _labels(class_labels),
    )


def positive(value: object, what: str, unit: str = "") -> float:
    """A finite number above 0; ConversionError for anything else."""
    number = _number(value)
    if number is None or not number > 0:
        raise ConversionError(f"{what} is {value!r}, wanted a number above 0 {unit}".rstrip())
    return number


def whole(value: object, what: str, least: int) -> int:
    """An integer of at least `least`; ConversionError for anything else."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ConversionError(f"{what} is {value!r}, wanted a whole number of at least {least}")
    return int(value)


def byte_map(value: object) -> tuple[float, float] | None:
    """(uint8_scale, uint8_offset) from None, a scale or a pair."""
    if value is None:
        return None
    pair = [_number(v) for v in (value if isinstance(value, (tuple, list)) else (value, 0.0))]
    if len(pair) != 2 or pair[0] is None or pair[1] is None or pair[0] == 0:
        raise ConversionError(f"uint8_scale is {value!r}, give a scale or (scale, offset)")
    return pair[0], pair[1]


def fixed_scales(given: object, layers: Iterable[str]) -> dict[str, float]:
    """The scales the caller gives, by layer; ConversionError for unknown layers and bad numbers."""
    if given is None:
        return {}
    table = given if isinstance(given, Mapping) else dict.fromkeys(layers, given)
    check_layers(table, layers, "scale_firing_rates")
    return {name: positive(value, f"scale_firing_rates of '{name}'") for name, value in table.items()}


def check_layers(table: Mapping[str, Any], layers: Iterable[str], what: str) -> None:
    """ConversionError where an option names something else than a layer with neurons."""
    known = list(dict.fromkeys(layers))
    for name in table:
        if name not in known:
            raise ConversionError(
                f"{what} names {name!r}, the layers with neurons are {', '.join(known) or 'none'}"
            )


def _number(value: object) -> float | None:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return float(value) if real and math.isfinite(value) else None  # type: ignore[arg-type]


def _readout(value: Any, steps: int) -> pb.Readout:
    """A Readout from None, the name of one, (a mean, skip_steps) or the message itself."""
    skip: object = 0
    if isinstance(value, pb.Readout):
        names = {kind: name for name, kind in READOUTS.items()}
        value, skip = names.get(value.kind, "mean"), value.skip_steps
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        value, skip = value
    value = "mean" if value is None else value
    if not isinstance(value, str) or value not in READOUTS:
        raise ConversionError(
            f"readout is {value!r}, give 'mean', 'last', 'corrected_mean' or (a mean, skip_steps)"
        )
    count = whole(skip, "readout: skip_steps", 0)
    if count >= steps or (value == "last" and count):
        raise ConversionError(f"readout {value!r} skips {count} of {steps} steps, one must be left to it")
    return pb.Readout(kind=READOUTS[value], skip_steps=count)


def _labels(labels: Sequence[str] | None) -> tuple[str, ...]:
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels or ()):
        raise ConversionError(f"class_labels is {labels!r:.60}, give a list of names")
    return tuple(labels or ())


def _synapse(value: SynapseLike, default: Synapse | None, what: str) -> Synapse | None:
    if isinstance(value, Unset):
        return default
    try:
        return as_synapse(value)
    except ValueError as error:
        raise ConversionError(f"{what}: {error}") from error
