"""The wheels that `make wheel` made, and one of them installed as a user would."""

from __future__ import annotations

from pathlib import Path

import pytest
from installation import ROOT, Environment, new_environment

WHEELS = ROOT / "build" / "wheels"


def _only(pattern: str) -> Path:
    found = sorted(WHEELS.glob(pattern))
    if not found:
        pytest.skip(f"no {pattern} in {WHEELS.relative_to(ROOT)}: `make wheel` makes it")
    assert len(found) == 1, f"{pattern} in {WHEELS}: got {found}, wanted one"
    return found[0]


@pytest.fixture(scope="session")
def platform_wheel() -> Path:
    """The wheel that carries the server."""
    return _only("spikeserve-*manylinux*.whl")


@pytest.fixture(scope="session")
def pure_wheel() -> Path:
    """The wheel for any platform."""
    return _only("spikeserve-*-py3-none-any.whl")


@pytest.fixture(scope="session")
def source_distribution() -> Path:
    """The source distribution."""
    return _only("spikeserve-*.tar.gz")


@pytest.fixture(scope="session")
def installed(platform_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A virtual environment in which nothing was installed but the platform wheel, with what it asks for."""
    environment = new_environment(tmp_path_factory.mktemp("installed"))
    environment.pip("install", platform_wheel)
    return environment
