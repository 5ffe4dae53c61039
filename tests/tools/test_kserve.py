"""The gRPC client of the kserve package gets what our own client gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import INPUT, NAME, Script, run_script, text
from tool_env import fetched

import spikeserve

pytestmark = pytest.mark.timeout(900)  # the first test may wait for 400 MB of packages


@pytest.fixture(scope="module")
def kserve(server: spikeserve.LocalServer) -> Script:
    python = fetched("kserve")

    def call(case: str, **arguments: Any) -> Any:
        return run_script(python, "kserve_grpc.py", case, address=server.address, **arguments)

    return call


def test_health(kserve: Script) -> None:
    assert kserve("health", model=NAME, other="absent") == [True, True, True, False]


def test_infer_gives_the_bytes_of_our_own_client(
    kserve: Script, client: spikeserve.Client, floats: npt.NDArray[np.float32]
) -> None:
    wanted = client.simulate(NAME, floats, steps=16)
    answers = kserve("infer", model=NAME, input=INPUT, shape=floats.shape, bytes=text(floats), steps=16)
    assert len(answers) == 3
    for answer in answers:
        assert answer == {
            "model": NAME, "output": next(iter(wanted.probes)), "shape": [len(floats), 10],
            "bytes": text(wanted.logits),
        }  # fmt: skip


def test_a_refusal_has_its_code_and_message(kserve: Script) -> None:
    code, message = kserve("refused", model="absent")
    assert code == "NOT_FOUND"
    assert "absent" in message
