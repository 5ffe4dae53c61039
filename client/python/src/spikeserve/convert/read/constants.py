"""Operations of a model on a tensor and a number, such as `x + 3`, as the layer that computes them."""

from __future__ import annotations

from typing import Any

from spikeserve.convert.read.graph import Layer
from spikeserve.convert.read.records import TensorRef, is_operation, tensor_of

# By what Keras 3, and Keras 2 behind "math." or "__operators__.", call the operation.
_KINDS = {
    "add": "add", "subtract": "subtract", "sub": "subtract", "multiply": "multiply", "mul": "multiply",
    "divide": "divide", "truedivide": "divide", "truediv": "divide",
}  # fmt: skip


def constant_operation(record: dict[str, Any], name: str, major: int) -> tuple[Layer, TensorRef] | None:
    """(a Rescaling, the tensor that it reads); None where this is no operation on a tensor and a number."""
    kind = _kind(record)
    nodes = record.get("inbound_nodes")
    if kind is None or not isinstance(nodes, list) or len(nodes) != 1:
        return None
    values = _arguments(nodes[0])
    tensors = [tensor_of(value) for value in values]
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(values) != 2 or len(numbers) != 1 or (tensors[0] is None) == (tensors[1] is None):
        return None
    mapped = _scale_offset(kind, float(numbers[0]), tensors[0] is None)
    source = tensors[0] or tensors[1]
    if mapped is None or source is None:
        return None
    scale, offset = mapped
    return Layer(name, "Rescaling", {"scale": scale, "offset": offset}, keras_major=major), source


def _kind(record: dict[str, Any]) -> str | None:
    """What is computed, of an operation of Keras 3 or of TensorFlow within Keras 2."""
    class_name = str(record.get("class_name"))
    config = record.get("config")
    if class_name == "TFOpLambda" and isinstance(config, dict):
        return _KINDS.get(str(config.get("function")).rpartition(".")[2])
    return _KINDS.get(class_name.lower()) if is_operation(record) else None


def _arguments(node: Any) -> list[Any]:
    """Both operands, in order, as the records have them; other arguments make it another number of them."""
    if isinstance(node, dict):
        keywords = node.get("kwargs")
        named = keywords if isinstance(keywords, dict) else {}
        args = node.get("args")
        first = args if isinstance(args, list) else []
        return [*first, *(named[key] for key in ("x1", "x2") if key in named)]
    if isinstance(node, list) and len(node) == 1 and isinstance(node[0], list) and len(node[0]) == 4:
        keywords = node[0][3]
        if isinstance(keywords, dict) and all(value is None for key, value in keywords.items() if key != "y"):
            return [node[0][:3], keywords.get("y")]
    return []


def _scale_offset(kind: str, number: float, first: bool) -> tuple[float, float] | None:
    """What the tensor is multiplied by and what is added; `first`: the number stands before the operator."""
    if kind == "add":
        return 1.0, number
    if kind == "subtract":
        return (-1.0, number) if first else (1.0, -number)
    if kind == "multiply":
        return number, 0.0
    return None if first or number == 0 else (1.0 / number, 0.0)
