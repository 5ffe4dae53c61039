"""A fleet of three replicas for all tests, and the balancers in front of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import budget as budgets
import pytest
import replicas
from balancers import Balancer, Haproxy, Nginx
from budget import Budget
from figures import Figures
from replicas import Fleet

LAME_DUCK_S = 2
_ABOUT_NGINX = {  # what README.md asks of the machine that nginx runs on
    "tcp_retries2": 5,
    "tcp_keepalive_time": 10,
    "tcp_keepalive_intvl": 3,
    "tcp_keepalive_probes": 3,
}


@pytest.fixture(scope="session")
def budget() -> Budget:
    return budgets.chosen()


@pytest.fixture(scope="session")
def figures(budget: Budget) -> Iterator[Figures]:
    figures = Figures(budget.name)
    yield figures
    figures.write()


@pytest.fixture(scope="session")
def fleet(budget: Budget, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    own = bool(os.environ.get(replicas.OWN_NAMESPACE))
    if own:
        for name, value in _ABOUT_NGINX.items():
            Path(f"/proc/sys/net/ipv4/{name}").write_text(f"{value}\n")
    hosts = replicas.lay_cables() if own else replicas.loopback()
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), hosts, LAME_DUCK_S)
    yield fleet
    fleet.close()


@pytest.fixture(scope="session", params=[Nginx, Haproxy], ids=["nginx", "haproxy"])
def balancer(
    request: pytest.FixtureRequest, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Balancer]:
    """Each of them in turn; skips where it is not installed."""
    kind: type[Balancer] = request.param
    balancer = kind(tmp_path_factory.mktemp(kind.program), fleet.addresses)
    yield balancer
    balancer.stop()


@pytest.fixture(scope="session")
def balancers(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Balancer]]:
    """Those that are installed, at the same time."""
    kinds: list[type[Balancer]] = [kind for kind in (Nginx, Haproxy) if kind.installed()]
    if not kinds:
        pytest.skip("neither nginx nor haproxy is installed")
    running = [kind(tmp_path_factory.mktemp(kind.program), fleet.addresses) for kind in kinds]
    yield running
    for balancer in running:
        balancer.stop()
