"""Lets `python -m spikeserve.cli` work too."""

from spikeserve.cli.group import main

if __name__ == "__main__":
    main()
