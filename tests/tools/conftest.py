"""Programs that others wrote, a server for them, and a trained network on it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import accuracy_table
import numpy as np
import numpy.typing as npt
import pytest
from trained_models import TrainedModel

import spikeserve

pytest_plugins = ["client_table"]
SCRIPTS = Path(__file__).parent / "scripts"
DIGITS = TrainedModel("digits_mlp.keras", "digits")
INPUT = "input_layer"  # of that network
NAME = "digits"

Script = Callable[..., Any]


def run_script(python: Path, script: str, case: str, **arguments: Any) -> Any:
    """What a case of a script in `scripts` answers, run by a Python that has nothing of ours."""
    done = subprocess.run(
        [python, SCRIPTS / script, case],
        input=json.dumps(arguments),
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{script} {case}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def text(values: npt.NDArray[Any]) -> str:
    """The bytes of an array, as they are in the JSON that scripts read and print."""
    return base64.b64encode(values.tobytes()).decode()


@pytest.fixture(scope="session")
def network() -> spikeserve.Network:
    return accuracy_table.convert(DIGITS, "spikeserve")


@pytest.fixture(scope="session")
def images() -> npt.NDArray[np.uint8]:
    """Bytes [20, 8, 8] as the network takes them."""
    return DIGITS.test_samples(20, (8, 8))[0]


@pytest.fixture(scope="session")
def floats(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The same images as the numbers that they stand for."""
    return images * np.float32(DIGITS.images.uint8_scale)


@contextmanager
def serving(network: spikeserve.Network, folder: Path) -> Iterator[spikeserve.LocalServer]:
    """A server that has the network as "digits"."""
    with spikeserve.serve(
        backend="cpu", network_repository=folder / "networks", max_steps=100_000_000
    ) as server:
        with spikeserve.Client(server.address) as client:
            client.load(NAME, network)
        yield server
    assert server.process.returncode == 0


@pytest.fixture(scope="session")
def server(
    network: spikeserve.Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[spikeserve.LocalServer]:
    """The server of most tests."""
    with serving(network, tmp_path_factory.mktemp("tools")) as server:
        yield server


@pytest.fixture
def client(server: spikeserve.LocalServer) -> Iterator[spikeserve.Client]:
    with spikeserve.Client(server.address, timeout=120) as client:
        yield client
