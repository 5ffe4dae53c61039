"""Trained Keras networks as spiking networks on a spikeserve server."""

from spikeserve.convert import ConversionError, ConversionWarning, convert
from spikeserve.network import Network, NetworkFileError, load_network

__all__ = ["ConversionError", "ConversionWarning", "Network", "NetworkFileError", "convert", "load_network"]
