"""`x + 3` and its kin, as Keras 3 and TensorFlow within Keras 2 record them."""

from __future__ import annotations

from typing import Any

import pytest

from spikeserve.convert.read.constants import constant_operation

TENSOR = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": ["dense", 0, 0]}}


def keras3(class_name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    node = {"args": list(args), "kwargs": kwargs}
    return {
        "module": "keras.src.ops.numpy", "class_name": class_name, "name": "op", "inbound_nodes": [node],
    }  # fmt: skip


def keras2(function: str, y: Any) -> dict[str, Any]:
    node = [["dense", 0, 0, {"y": y, "name": None}]]
    config = {"name": "op", "function": function}
    return {"class_name": "TFOpLambda", "name": "op", "config": config, "inbound_nodes": [node]}


@pytest.mark.parametrize(
    ("record", "scale", "offset"),
    [
        (keras3("Add", TENSOR, 3.0), 1, 3),
        (keras3("Add", 3, TENSOR), 1, 3),
        (keras3("Subtract", TENSOR, 3.0), 1, -3),
        (keras3("Subtract", 3.0, TENSOR), -1, 3),
        (keras3("Multiply", TENSOR, 0.25), 0.25, 0),
        (keras3("TrueDivide", x1=TENSOR, x2=4.0), 0.25, 0),
        (keras2("__operators__.add", 3.0), 1, 3),
        (keras2("math.subtract", 3.0), 1, -3),
        (keras2("math.multiply", 0.5), 0.5, 0),
        (keras2("math.truediv", 2.0), 0.5, 0),
    ],
)
def test_a_number_is_a_rescaling(record: dict[str, Any], scale: float, offset: float) -> None:
    found = constant_operation(record, "model/op", 3)
    assert found is not None
    layer, source = found
    assert (layer.name, layer.class_name) == ("model/op", "Rescaling")
    assert (layer.config["scale"], layer.config["offset"]) == (scale, offset)
    assert source.layer == "dense"


@pytest.mark.parametrize(
    "record",
    [
        keras3("Add", TENSOR, TENSOR),
        keras3("Add", TENSOR, [1.0, 2.0]),
        keras3("Add", TENSOR, 3.0, x2=4.0),
        keras3("Divide", 1.0, TENSOR),
        keras3("Divide", TENSOR, 0.0),
        keras3("Power", TENSOR, 2.0),
        keras3("Add", TENSOR, True),
        keras2("__operators__.add", ["dense", 1, 0]),
        keras2("nn.relu", None),
        {"class_name": "Add", "module": "keras.layers", "inbound_nodes": [{"args": [TENSOR, 3.0]}]},
        {"class_name": "TFOpLambda", "config": None, "inbound_nodes": None},
    ],
)
def test_what_is_none_is_left_alone(record: dict[str, Any]) -> None:
    assert constant_operation(record, "op", 3) is None
