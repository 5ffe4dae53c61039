"""Marks of scenarios that the server of this commit does not stand."""

from __future__ import annotations

import pytest

import spikeserve

# What a server that does wrong shows as. Anything else (RuntimeError) is a mistake of the scenario.
_SHOWS_AS = (AssertionError, OSError, spikeserve.SpikeserveError, pytest.fail.Exception)


def not_yet(reason: str) -> pytest.MarkDecorator:
    """Fails today, and has to: whatever mends it takes the mark away."""
    return pytest.mark.xfail(reason=reason, strict=True, raises=_SHOWS_AS)
