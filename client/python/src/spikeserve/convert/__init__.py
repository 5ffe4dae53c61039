"""Conversion of trained models to spiking networks."""

from spikeserve.convert.converter import convert
from spikeserve.convert.errors import ConversionError, ConversionWarning
from spikeserve.convert.models import neurons, synapses
from spikeserve.convert.models.functions import *  # noqa: F403  (every neuron type of each kind)
from spikeserve.convert.models.integrating import *  # noqa: F403
from spikeserve.convert.models.rates import *  # noqa: F403
from spikeserve.convert.models.synapses import Alpha, LinearFilter, Lowpass, Triangle
from spikeserve.convert.models.wrappers import *  # noqa: F403
from spikeserve.convert.nir_file import read_nir

__all__ = [
    *neurons.__all__,
    "Alpha",
    "ConversionError",
    "ConversionWarning",
    "LinearFilter",
    "Lowpass",
    "Triangle",
    "convert",
    "neurons",
    "read_nir",
    "synapses",
]
