"""Conversion of trained models to spiking networks."""

from spikeserve.convert.converter import convert
from spikeserve.convert.errors import ConversionError, ConversionWarning
from spikeserve.convert.models import neurons, synapses
from spikeserve.convert.models.neurons import (
    LIF,
    AdaptiveLIF,
    AdaptiveLIFRate,
    IntegrateAndFire,
    Izhikevich,
    LeakyReLU,
    LIFRate,
    PoissonSpiking,
    RectifiedLinear,
    RegularSpiking,
    Sigmoid,
    SoftLIFRate,
    SpikingLeakyReLU,
    SpikingRectifiedLinear,
    StochasticSpiking,
    Tanh,
)
from spikeserve.convert.models.synapses import Alpha, LinearFilter, Lowpass, Triangle

__all__ = [
    "LIF",
    "AdaptiveLIF",
    "AdaptiveLIFRate",
    "Alpha",
    "ConversionError",
    "ConversionWarning",
    "IntegrateAndFire",
    "Izhikevich",
    "LIFRate",
    "LeakyReLU",
    "LinearFilter",
    "Lowpass",
    "PoissonSpiking",
    "RectifiedLinear",
    "RegularSpiking",
    "Sigmoid",
    "SoftLIFRate",
    "SpikingLeakyReLU",
    "SpikingRectifiedLinear",
    "StochasticSpiking",
    "Tanh",
    "Triangle",
    "convert",
    "neurons",
    "synapses",
]
