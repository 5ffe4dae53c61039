"""grpcurl lists, describes and calls every service by reflection, of which it speaks v1.

`Reflected` speaks v1alpha, and has to find the same.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from conftest import INPUT, NAME
from reflected import Reflected
from tool_env import fetched

import spikeserve

STEPS = 16
HEALTH = "grpc.health.v1.Health"

pytestmark = pytest.mark.timeout(600)  # the first test may wait until Go has built it

Grpcurl = Callable[..., str]


@pytest.fixture
def grpcurl(server: spikeserve.LocalServer) -> Grpcurl:
    """What it prints; its status has to be 0."""
    program = fetched("grpcurl")

    def run(*command: str, options: tuple[str, ...] = ()) -> str:
        done = subprocess.run(
            [program, "-plaintext", "-max-time", "60", *options, server.address, *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{options} {command}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def ask(grpcurl: Grpcurl) -> Callable[..., Any]:
    """The answer of a method to a request, both as Python has JSON."""

    def call(method: str, **request: Any) -> Any:
        return json.loads(grpcurl(method, options=("-d", json.dumps(request))))

    return call


def encoded(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def test_every_service_and_message_is_described(grpcurl: Grpcurl, server: spikeserve.LocalServer) -> None:
    with grpc.insecure_channel(server.address) as channel:
        listed = Reflected(channel).services()
    assert listed == [
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection", "inference.GRPCInferenceService",
        "spikeserve.v1.NetworkService", "spikeserve.v1.SimulationService",
    ]  # fmt: skip
    assert grpcurl("list").split() == listed
    pending = listed
    seen: set[str] = set()
    while pending:
        seen.update(pending)
        described = [grpcurl("describe", name) for name in pending]
        assert all(re.match(r"\S+ is an? (service|message|enum):\n", text) for text in described)
        # A message's fields, and what methods take and answer, by their full names.
        pending = sorted(set(re.findall(r"(?<!\w)\.([a-z][a-z0-9_]*(?:\.\w+)+)", "".join(described))) - seen)
    for name in ("inference.InferTensorContents", "inference.ModelConfig", "spikeserve.v1.SimulateResponse"):
        assert name in seen
    assert len(seen) > 100


@pytest.mark.client("grpcurl", "health")
def test_health(ask: Callable[..., Any], server: spikeserve.LocalServer) -> None:
    for service in ("", NAME):
        assert ask(f"{HEALTH}/Check", service=service) == {"status": "SERVING"}
    watch = subprocess.Popen(
        [fetched("grpcurl"), "-plaintext", "-d", json.dumps({"service": NAME}), server.address,
         f"{HEALTH}/Watch"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watch.stdout is not None
    assert "".join(watch.stdout.readline() for _ in range(3)) == '{\n  "status": "SERVING"\n}\n'
    watch.terminate()
    watch.wait(30)
    watch.stdout.close()


def test_a_call_of_each_service(
    ask: Callable[..., Any], client: spikeserve.Client, images: npt.NDArray[np.uint8]
) -> None:
    wanted = client.simulate(NAME, images, steps=STEPS)
    assert ask("spikeserve.v1.NetworkService/GetNetwork", name=NAME)["network"]["name"] == NAME
    simulated = ask(
        "spikeserve.v1.SimulationService/Simulate", network=NAME, steps=STEPS,
        inputs=[{"dataType": "DATA_TYPE_UINT8", "shape": images.shape, "data": encoded(images)}],
    )  # fmt: skip
    assert simulated["probes"][0]["outputs"]["data"] == encoded(wanted.logits)
    inferred = ask(
        "inference.GRPCInferenceService/ModelInfer", model_name=NAME,
        parameters={"steps": {"int64_param": STEPS}},
        inputs=[{"name": INPUT, "datatype": "UINT8", "shape": images.shape}],
        raw_input_contents=[encoded(images)],
    )  # fmt: skip
    assert inferred["raw_output_contents"] == [encoded(wanted.logits)]
    typed = ask(
        "inference.GRPCInferenceService/ModelInfer", model_name=NAME,
        parameters={"steps": {"int64_param": STEPS}},
        inputs=[{"name": INPUT, "datatype": "UINT8", "shape": images.shape,
                 "contents": {"uint_contents": images.ravel().tolist()}}],
    )  # fmt: skip
    assert typed["raw_output_contents"] == [encoded(wanted.logits)]


def test_a_refusal_has_its_code_and_message(server: spikeserve.LocalServer) -> None:
    done = subprocess.run(
        [fetched("grpcurl"), "-plaintext", "-d", '{"name": "absent"}', server.address,
         "inference.GRPCInferenceService/ModelMetadata"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Code: NotFound" in done.stderr
    assert 'Message: network "absent" is not loaded' in done.stderr
