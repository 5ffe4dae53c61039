"""Calls of tritonclient.grpc, unmodified; runs in a virtual environment of its own.

    python triton_grpc.py CASE < ARGUMENTS

A case is a function below whose name has no underscore in front. Arguments and what comes back are JSON, with
bytes as base64.
"""

from __future__ import annotations

import base64
import json
import queue
import sys
from typing import Any

import tritonclient.grpc as triton
from triton_values import Arguments, answer, array, failure, inputs, outputs, parameters
from tritonclient.grpc import service_pb2, service_pb2_grpc

DEADLINE = 60  # seconds of a call that nothing is wrong with


def _client(arguments: Arguments) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(arguments["address"], **arguments.get("connection", {}))


def lookups(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """Everything that it can ask about the server and a model."""
    model = arguments["model"]
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(model),
        "version_ready": client.is_model_ready(model, "1"),
        "other_ready": client.is_model_ready(arguments["other"]),
        "server": client.get_server_metadata(as_json=True),
        "metadata": client.get_model_metadata(model, as_json=True),
        "config": client.get_model_config(model, as_json=True)["config"],
    }


def infer(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """One request, waited for."""
    return answer(client.infer(
        arguments["model"], inputs(arguments), outputs=outputs(arguments) or None, request_id="one",
        parameters=arguments["parameters"], client_timeout=DEADLINE, headers=arguments.get("headers"),
    ))  # fmt: skip


def typed(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """A request with values one by one, through the package's own stub, which its client never sends."""
    tensor = arguments["tensor"]
    request = service_pb2.ModelInferRequest(model_name=arguments["model"])
    made = request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
    fields = {"UINT8": "uint_contents", "FP32": "fp32_contents", "FP64": "fp64_contents"}
    getattr(made.contents, fields[tensor["datatype"]]).extend(array(tensor).ravel().tolist())
    request.parameters["steps"].int64_param = arguments["parameters"]["steps"]
    stub = service_pb2_grpc.GRPCInferenceServiceStub(client._channel)
    return answer(triton.InferResult(stub.ModelInfer(request, timeout=DEADLINE)))


def many(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """As many requests at the same time as asked for; their answers by number."""
    done: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for number in range(arguments["count"]):
        client.async_infer(
            arguments["model"], inputs(arguments), lambda result, error: done.put((result, error)),
            request_id=str(number), parameters=arguments["parameters"], client_timeout=DEADLINE,
        )  # fmt: skip
    answers = [done.get(timeout=DEADLINE) for _ in range(arguments["count"])]
    assert not any(error for _, error in answers), answers
    return {each["id"]: each for each in (answer(result) for result, _ in answers)}


def stream(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """Requests on one stream, each sent once the one before it is answered; what each got, in order."""
    done: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: done.put((result, error)))
    answers = []
    for asked in arguments["requests"]:
        client.async_stream_infer(
            arguments["model"], inputs(arguments), parameters=asked,
            enable_empty_final_response=arguments["empty_final"],
        )  # fmt: skip
        got, final = [], False
        while not final:
            result, error = done.get(timeout=DEADLINE)
            got.append(failure(error) if error else answer(result))
            final = error is not None or parameters(result)["triton_final_response"]
        answers.append(got)
    client.stop_stream()
    return answers


def refused(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """Code and message of a request that has to fail."""
    try:
        client.infer(
            arguments["model"], inputs(arguments), parameters=arguments["parameters"],
            client_timeout=arguments.get("seconds", DEADLINE), timeout=arguments.get("timeout_us"),
            headers=arguments.get("headers"), compression_algorithm=arguments.get("compression"),
        )  # fmt: skip
    except triton.InferenceServerException as error:
        return failure(error)
    return None


def statistics(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """Of one model."""
    [stats] = client.get_inference_statistics(arguments["model"], as_json=True)["model_stats"]
    return stats


def repository(client: triton.InferenceServerClient, arguments: Arguments) -> Any:
    """The index before, with and after a model that it loads from bytes, infers with and unloads."""
    def index() -> list[list[str]]:
        models = client.get_model_repository_index(as_json=True).get("models", [])
        return [[model["name"], model["version"], model["state"]] for model in models]

    before = index()
    content = base64.b64decode(arguments["file"])
    client.load_model(arguments["model"], config="{}", files={"file:3/network.spk": content})
    loaded = index()
    answered = infer(client, arguments)
    client.unload_model(arguments["model"])
    return {"before": before, "loaded": loaded, "after": index(), "answer": answered}


if __name__ == "__main__":
    given = json.load(sys.stdin)
    with _client(given) as connected:
        print(json.dumps(globals()[sys.argv[1]](connected, given)))
