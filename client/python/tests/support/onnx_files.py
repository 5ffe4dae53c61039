"""Writes ONNX files by hand: what exporters would write, and what nobody should."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

FLOAT, INT64, STRING = 1, 7, 8
_TYPES = {"f4": 1, "u1": 2, "i1": 3, "u2": 4, "i2": 5, "i4": 6, "i8": 7, "b1": 9, "f2": 10, "f8": 11}


def varint(value: int) -> bytes:
    """As protobuf has it; negative numbers take ten bytes."""
    value &= 2**64 - 1
    result = bytearray()
    while value >= 128:
        result.append(value & 127 | 128)
        value >>= 7
    return bytes([*result, value])


def field(number: int, value: int | float | str | bytes) -> bytes:
    """One field: an int as a varint, a float as 32 bits, text and bytes with their length."""
    if isinstance(value, (bool, int, np.integer)):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def fields(number: int, values: Iterable[Any]) -> bytes:
    return b"".join(field(number, value) for value in values)


def tensor(name: str, values: Any, *more: bytes) -> bytes:
    """A constant with raw bytes, and more fields behind."""
    array = np.asarray(values)
    kind = _TYPES[array.dtype.str[1:]]
    data = field(9, array.astype(array.dtype.newbyteorder("<")).tobytes())
    return fields(1, array.shape) + field(2, kind) + field(8, name) + data + b"".join(more)


def attribute(name: str, value: Any) -> bytes:
    """A setting of a node, its kind by the type of the value."""
    start = field(1, name)
    if isinstance(value, np.ndarray):
        return start + field(5, tensor("", value)) + field(20, 4)
    if isinstance(value, (list, tuple)):
        return start + fields(8, value) + field(20, 7)
    if isinstance(value, float):
        return start + field(2, value) + field(20, 1)
    if isinstance(value, str):
        return start + field(4, value) + field(20, 3)
    return start + field(3, value) + field(20, 2)


def node(kind: str, inputs: str, output: str, name: str = "", domain: str = "", **settings: Any) -> bytes:
    """A node; `inputs` and `output` are names with spaces between, "-" for one that is left out."""
    names = [("" if item == "-" else item) for item in inputs.split()]
    content = fields(1, names) + fields(2, output.split()) + field(3, name) + field(4, kind)
    content += fields(5, (attribute(key, value) for key, value in settings.items()))
    return content + (field(7, domain) if domain else b"")


def value_info(name: str, shape: Sequence[int | str | None] | None, kind: int = FLOAT) -> bytes:
    """An input or output; None or a name for an open size."""
    if shape is None:
        return field(1, name) + field(2, field(1, field(1, kind)))
    sizes = [b"" if n is None else field(2, n) if isinstance(n, str) else field(1, n) for n in shape]
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, fields(1, sizes))))


def graph(
    nodes: Iterable[bytes],
    inputs: Mapping[str, Sequence[int | str | None] | None],
    outputs: Sequence[str],
    constants: Mapping[str, Any],
) -> bytes:
    result = fields(1, nodes) + field(2, "graph")
    result += fields(5, (tensor(name, values) for name, values in constants.items()))
    result += fields(11, (value_info(name, shape) for name, shape in inputs.items()))
    return result + fields(12, (value_info(name, None) for name in outputs))


def model(content: bytes, opset: int = 17) -> bytes:
    """A model with this graph."""
    return field(1, 8) + field(2, "test") + field(7, content) + field(8, field(1, "") + field(2, opset))


def onnx_model(
    *nodes: bytes,
    outputs: str = "y",
    opset: int = 17,
    shape: Sequence[int | str | None] = (),
    **constants: Any,
) -> bytes:
    """A model with one input "x" of a shape with the batch in front, and constants by name."""
    return model(graph(nodes, {"x": shape}, outputs.split(), constants), opset)
