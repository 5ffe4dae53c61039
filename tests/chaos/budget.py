"""How much trouble a run makes: two minutes of it in CI, up to an hour by hand."""

from __future__ import annotations

import os
from dataclasses import dataclass

VARIABLE = "SPIKESERVE_CHAOS"  # short or long
SEED_VARIABLE = "SPIKESERVE_CHAOS_SEED"


@dataclass(frozen=True)
class Budget:
    """What all scenarios do at most: none sends or waits for more than this."""

    name: str
    seconds: float  # of each attack
    frames: int  # on each connection of an attacker
    header_bytes: int  # of each of its connections that floods with headers
    connections: int  # that come and go
    descriptors: int  # of a server that is to run out of them
    kill_rounds: int
    disk_faults: int  # operations on files that fail
    requests: int  # of the endurance run
    load_cycles: int
    killed_clients: int
    overload_seconds: float  # of each measurement under overload
    patience: float  # seconds after which the kernel or the server must have noticed a client that vanished


SHORT = Budget(
    name="short", seconds=1.5, frames=150_000, header_bytes=1 << 29, connections=3_000, descriptors=256,
    kill_rounds=40, disk_faults=24, requests=10_000, load_cycles=15, killed_clients=60, overload_seconds=2.5,
    patience=0.0,
)  # fmt: skip
LONG = Budget(
    name="long", seconds=20.0, frames=1_000_000, header_bytes=1 << 32, connections=25_000, descriptors=4_096,
    kill_rounds=500, disk_faults=100, requests=100_000, load_cycles=200, killed_clients=1_000,
    overload_seconds=20.0, patience=120.0,
)  # fmt: skip


def chosen() -> Budget:
    """By SPIKESERVE_CHAOS; ValueError for a word that is none of the two."""
    name = os.environ.get(VARIABLE, SHORT.name)
    found = {budget.name: budget for budget in (SHORT, LONG)}.get(name)
    if found is None:
        raise ValueError(f"{VARIABLE}: got {name!r}, wanted {SHORT.name} or {LONG.name}")
    return found


def chosen_seed() -> int:
    """By SPIKESERVE_CHAOS_SEED; everything that is drawn is drawn from it."""
    return int(os.environ.get(SEED_VARIABLE, "1"))
