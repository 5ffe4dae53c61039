"""Lets `python -m spikeserve.cli` work too."""

from spikeserve.cli.group import main

main()
