"""How long: two budgets, which all tests here keep to."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest
from restarts import loads


@dataclass(frozen=True)
class Budget:
    """What tools/fleet.sh was asked for."""

    name: str
    calls: int  # of each trial, at least, as servers count them; a session is one
    restarts: int  # of different replicas, one after the other
    settle_s: float  # between two restarts
    away_s: float  # that a killed replica stays away
    cut_s: float  # that a replica is cut off: longer than HAProxy takes to notice; in the long form, anybody
    all_clients: bool  # each kind of call by each client, or by one of them

    def of_python(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Kinds of calls that the Python client makes."""
        return kinds if self.all_clients else tuple(kind for kind in kinds if kind != "stream")

    def of_go(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Kinds of calls that the Go client makes; none where it is not built."""
        if not loads.LOADGEN.is_file():
            return ()
        return kinds if self.all_clients else tuple(kind for kind in kinds if kind == "stream")


_BUDGETS = {
    "short": Budget(
        "short", calls=1_000, restarts=2, settle_s=1.0, away_s=1.0, cut_s=14.0, all_clients=False
    ),
    "long": Budget("long", calls=50_000, restarts=3, settle_s=3.0, away_s=3.0, cut_s=30.0, all_clients=True),
}


def chosen() -> Budget:
    """By SPIKESERVE_FLEET, which tools/fleet.sh sets; skips without it."""
    name = os.environ.get("SPIKESERVE_FLEET", "")
    if name not in _BUDGETS:
        pytest.skip(f"SPIKESERVE_FLEET: got {name!r}, wanted {' or '.join(_BUDGETS)}: run tools/fleet.sh")
    return _BUDGETS[name]
