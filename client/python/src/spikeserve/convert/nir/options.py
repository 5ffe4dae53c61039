"""How a NIR file is read, which it does not say itself."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_DT = 1e-4  # s, of the tools that write most files
INTEGRATIONS = ("euler", "exact")
RESETS = ("value", "subtract")


@dataclass(frozen=True)
class NirOptions:
    """Of the equations, which are in continuous time, the steps to take."""

    dt: float  # s
    integration: str  # one of INTEGRATIONS
    reset: str  # one of RESETS
    min_voltage: float  # of neurons whose reset subtracts, in thresholds; -inf: none
