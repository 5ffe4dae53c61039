from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_server import FakeServer

import spikeserve


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def client(fake: FakeServer) -> Iterator[spikeserve.Client]:
    with spikeserve.Client(fake.address, timeout=20) as client:
        yield client
