"""The options of a conversion and the presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from spikeserve._probes import READOUTS
from spikeserve.convert.calibrate.checks import positive, whole
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.lower.lower import InputShapes
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.neurons import (
    IntegrateAndFire,
    MemoryRectifiedLinear,
    SpikingRectifiedLinear,
)
from spikeserve.convert.models.synapses import Lowpass, Synapse, as_synapse
from spikeserve.v1 import network_pb2 as pb


class Unset:
    """The type of the marker for an option that the preset decides."""

    def __repr__(self) -> str:
        return "<preset>"


UNSET = Unset()
SERVER_MAX_STEPS = 10_000  # the default of its --max-steps

SynapseLike = float | Synapse | None | Unset


class Recipe(Enum):
    """How finely sample data set what a spike counts for."""

    LAYERS = auto()  # one scale for each layer
    CHANNELS = auto()  # one for each channel of a population with memory, and corrections for rounding
    SEARCH = auto()  # the same, with the fewest levels for each layer that keep the classes


@dataclass(frozen=True)
class Preset:
    """What a preset stands for where the caller says nothing."""

    name: str
    neuron: NeuronModel
    synapse: Synapse | None
    probe_synapse: Synapse | None
    initial_voltage: object
    steps: int
    spikes: float | None  # per step at the 99th percentile of the activations; None: scales are 1
    recipe: Recipe = Recipe.LAYERS
    samples: int = 1000  # of the caller's that are used at most


# Of the preset "spikeserve"; of `balanced` and `accurate` as well where their recipe cannot be followed.
PLAIN_STEPS, PLAIN_SPIKES = 16, 2.0
_MEMORY = (MemoryRectifiedLinear(), None, None, 0.5)  # neuron, synapses and start of the presets with memory
PRESETS = {
    preset.name: preset
    for preset in (
        Preset("balanced", *_MEMORY, 2, 4.0, Recipe.CHANNELS),
        Preset("accurate", *_MEMORY, 8, 4.0, Recipe.CHANNELS),
        Preset("sparse", *_MEMORY, 1, 4.0, Recipe.SEARCH, 3000),
        Preset("spikeserve", IntegrateAndFire(), None, None, 0.5, PLAIN_STEPS, PLAIN_SPIKES),
        Preset("nengo_dl", SpikingRectifiedLinear(), Lowpass(0.005), Lowpass(0.01), "uniform", 100, None),
    )
}
DEFAULT_PRESET = "balanced"


@dataclass(frozen=True)
class LayerOptions:
    """What decides which operations the layers become."""

    swap_activations: Mapping[Any, Any] | None
    input_shape: tuple[int, ...] | InputShapes | None
    keep_softmax: bool


@dataclass(frozen=True)
class TuningOptions:
    """What is set on the operations afterwards, from data or by layer; not checked yet."""

    sample_data: Any
    uint8_scale: float | tuple[float, float] | None
    scale_firing_rates: float | Mapping[str, float] | None
    target_rate_hz: float | None
    delay_steps: int | Mapping[str, int]


@dataclass(frozen=True)
class RunOptions:
    """The checked options that end up in the definition."""

    preset: Preset
    synapse: Synapse | None
    probe_synapse: Synapse | None
    initial_voltage: object  # None where the caller says nothing
    dt: float
    steps: int
    steps_given: bool  # by the caller
    spikes: float | None  # per step, as in the preset
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
    longest = PLAIN_STEPS if steps is None and base.recipe is Recipe.CHANNELS else length
    return RunOptions(
        base,
        _synapse(synapse, base.synapse, "synapse"),
        _synapse(probe_synapse, base.probe_synapse, "probe_synapse"),
        initial_voltage,
        positive(0.001 if dt is None else dt, "dt", "s"),
        length,
        steps is not None,
        base.spikes,
        _readout(readout, longest),
        _labels(class_labels),
    )


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
