"""Calls of the kserve package's gRPC client, unmodified; runs in a virtual environment of its own.

    python kserve_grpc.py CASE < ARGUMENTS

A case is a function below. Arguments and what comes back are JSON, with bytes as base64.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import Any

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest


def _samples(arguments: dict[str, Any]) -> np.ndarray:
    values = base64.b64decode(arguments["bytes"])
    return np.frombuffer(values, np.float32).reshape(arguments["shape"])


async def infer(client: InferenceGRPCClient, arguments: dict[str, Any]) -> Any:
    """The answers to the samples as raw bytes, as an array and as a list of numbers."""
    samples = _samples(arguments)
    shape = [*samples.shape]
    raw = InferInput(arguments["input"], shape, "FP32")
    raw.set_data_from_numpy(samples)
    array = InferInput(arguments["input"], shape, "FP32", samples)
    typed = InferInput(arguments["input"], shape, "FP32", samples.ravel().tolist())
    answers = []
    for tensor in (raw, array, typed):
        request = InferRequest(arguments["model"], [tensor], parameters={"steps": arguments["steps"]})
        response = await client.infer(request)
        [output] = response.outputs
        values = output.as_numpy()
        answers.append({
            "model": response.model_name, "output": output.name, "shape": output.shape,
            "bytes": base64.b64encode(values.tobytes()).decode(),
        })  # fmt: skip
    return answers


async def health(client: InferenceGRPCClient, arguments: dict[str, Any]) -> Any:
    """What it knows of the server and of two models."""
    return [
        await client.is_server_live(),
        await client.is_server_ready(),
        await client.is_model_ready(arguments["model"]),
        await client.is_model_ready(arguments["other"]),
    ]


async def refused(client: InferenceGRPCClient, arguments: dict[str, Any]) -> Any:
    """Code and message of a request that names no model of the server."""
    tensor = InferInput("input", [1], "FP32", [1.0])
    try:
        await client.infer(InferRequest(arguments["model"], [tensor]))
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return None


async def _run(case: str, arguments: dict[str, Any]) -> Any:
    async with InferenceGRPCClient(arguments["address"]) as client:
        return await globals()[case](client, arguments)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(sys.argv[1], json.load(sys.stdin)))))
