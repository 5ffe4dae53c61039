"""A stage, a budget and a trial for each scenario."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import budget as budgets
import pytest
from budget import Budget
from figures import Figures
from stage import Stage
from tool_env import fetched
from trial import Trial


@pytest.fixture(scope="session")
def budget() -> Budget:
    return budgets.chosen()


@pytest.fixture(scope="session")
def seed() -> int:
    return budgets.chosen_seed()


@pytest.fixture(scope="session")
def figures(budget: Budget, seed: int) -> Iterator[Figures]:
    figures = Figures(budget.name, seed)
    yield figures
    figures.write()


@pytest.fixture(scope="session")
def attacker_python() -> Path:
    """A Python with an HTTP/2 library and nothing of ours."""
    return fetched("h2")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def trial(stage: Stage, figures: Figures, budget: Budget, attacker_python: Path, seed: int) -> Trial:
    """Not opened yet: a scenario says by which flags."""
    return Trial(stage, figures, budget, attacker_python, seed)
