"""Tensors and answers of tritonclient as what a script reads and prints: JSON, with bytes as base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import tritonclient.grpc as triton

Arguments = dict[str, Any]
TYPES = {"UINT8": np.uint8, "FP32": np.float32, "FP64": np.float64}


def array(tensor: Arguments) -> np.ndarray:
    """The values of a tensor."""
    values = base64.b64decode(tensor["bytes"])
    return np.frombuffer(values, TYPES[tensor["datatype"]]).reshape(tensor["shape"])


def inputs(arguments: Arguments) -> list[triton.InferInput]:
    """The one input of a request."""
    tensor = arguments["tensor"]
    made = triton.InferInput(tensor["name"], tensor["shape"], tensor["datatype"])
    made.set_data_from_numpy(array(tensor))
    return [made]


def outputs(arguments: Arguments) -> list[triton.InferRequestedOutput]:
    """The outputs that a request names."""
    count = arguments.get("class_count", 0)
    return [triton.InferRequestedOutput(name, class_count=count) for name in arguments.get("outputs", [])]


def _values(result: triton.InferResult, name: str) -> Any:
    values = result.as_numpy(name)
    if values.dtype == np.object_:
        return [[element.decode() for element in row] for row in values]
    return base64.b64encode(values.tobytes()).decode()


def parameters(result: triton.InferResult) -> Arguments:
    """Of an answer, by name."""
    kept = result.get_response().parameters.items()
    return {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in kept}


def answer(result: triton.InferResult) -> Arguments:
    """All that an answer says."""
    response = result.get_response()
    return {
        "id": response.id,
        "parameters": parameters(result),
        "outputs": {output.name: _values(result, output.name) for output in response.outputs},
        "shapes": {output.name: [*output.shape] for output in response.outputs},
    }


def failure(error: triton.InferenceServerException) -> Arguments:
    """Code and message."""
    return {"code": str(error.status()), "message": error.message()}
