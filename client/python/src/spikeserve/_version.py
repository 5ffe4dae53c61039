"""The version of the installed package."""

from __future__ import annotations

from importlib import metadata

try:
    __version__ = metadata.version("spikeserve")
except metadata.PackageNotFoundError:  # a checkout on the path, which no installer has seen
    __version__ = "0"
