"""The command line `spikeserve`."""

from spikeserve.cli.group import main

__all__ = ["main"]
