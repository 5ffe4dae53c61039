"""kill -9 at any point of storing a network: the repository always loads, and has what was acknowledged."""

from __future__ import annotations

import random
from pathlib import Path

import preloaded
from budget import Budget
from figures import Figures
from stage import Stage
from stored import Storekeeper

import spikeserve

# A start and the first load of a name have that many points (preload/faults.c): before and after each
# operation on a file, and in the middle of each write.
_POINTS_OF_A_LOAD = 26
_POINTS = 90  # of some loads and unloads
_CHANGES = 12  # of a round at most


def test_kill_9_at_each_write_and_rename(
    stage: Stage, budget: Budget, figures: Figures, seed: int, tmp_path: Path
) -> None:
    library = preloaded.compiled(tmp_path)
    draw = random.Random(seed)
    keeper = Storekeeper(draw)
    killed = 0
    for number in range(budget.kill_rounds):
        point = 1 + number if number < _POINTS_OF_A_LOAD else draw.randint(1, _POINTS)
        scene = preloaded.scene(library, folder=stage.repository, kill_at=point)
        print(f"round {number}: point {point}")
        killed += _was_killed(stage, scene, keeper)
    with spikeserve.Client(stage.start().address) as client:
        keeper.require(client)
    assert not list(stage.repository.rglob("*.tmp"))
    assert killed >= budget.kill_rounds * 0.8
    figures.add(
        "endurance", "kill -9 at a write, sync or rename", rounds=budget.kill_rounds, killed=killed,
        acknowledged=keeper.count, lost=0,
    )  # fmt: skip


def _was_killed(stage: Stage, scene: str, keeper: Storekeeper) -> bool:
    """Makes changes until the server is gone, or for a while; AssertionError where it ends otherwise."""
    try:
        server = stage.start(scene)
    except spikeserve.ServerStartError as error:
        if "status -9" not in str(error):
            raise
        return True
    with spikeserve.Client(server.address, timeout=20) as client:
        keeper.require(client)
        try:
            for _ in range(_CHANGES):
                keeper.change(client)
        except spikeserve.SpikeserveError:
            assert server.process.wait(20) == -9, server.log
            return True
    assert server.stop() == 0
    return False
