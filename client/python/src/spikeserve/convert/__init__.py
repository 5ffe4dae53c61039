"""Conversion of trained models to spiking networks."""

from spikeserve.convert import neurons
from spikeserve.convert.converter import convert
from spikeserve.convert.errors import ConversionError, ConversionWarning
from spikeserve.convert.neurons import (
    LIF,
    IntegrateAndFire,
    Lowpass,
    RectifiedLinear,
    SpikingRectifiedLinear,
)

__all__ = [
    "LIF",
    "ConversionError",
    "ConversionWarning",
    "IntegrateAndFire",
    "Lowpass",
    "RectifiedLinear",
    "SpikingRectifiedLinear",
    "convert",
    "neurons",
]
