"""Calls of tritonclient.grpc.aio, unmodified; arguments and answers are those of triton_grpc.py."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import tritonclient.grpc.aio as triton
from triton_values import Arguments, answer, failure, inputs


async def infer(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """As many requests at the same time as asked for."""
    calls = [
        client.infer(arguments["model"], inputs(arguments), parameters=arguments["parameters"])
        for _ in range(arguments["count"])
    ]
    return [answer(result) for result in await asyncio.gather(*calls)]


async def stream(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """Requests on one stream, all sent at once; every answer, in the order of arrival."""

    async def requests() -> AsyncIterator[Arguments]:
        for asked in arguments["requests"]:
            yield {
                "model_name": arguments["model"], "inputs": inputs(arguments),
                "parameters": asked, "enable_empty_final_response": arguments["empty_final"],
            }  # fmt: skip

    return [
        failure(error) if error else answer(result)
        async for result, error in client.stream_infer(requests())
    ]


async def lookups(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """Some of what it can ask."""
    return {
        "live": await client.is_server_live(),
        "ready": await client.is_server_ready(),
        "model_ready": await client.is_model_ready(arguments["model"]),
        "other_ready": await client.is_model_ready(arguments["other"]),
    }


async def _run(case: str, arguments: Arguments) -> Any:
    async with triton.InferenceServerClient(arguments["address"]) as client:
        return await globals()[case](client, arguments)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(sys.argv[1], json.load(sys.stdin)))))
