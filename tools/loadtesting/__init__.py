"""Load tests of a spikeserve server with ghz: request bodies, runs, checks of the answers, the report."""
