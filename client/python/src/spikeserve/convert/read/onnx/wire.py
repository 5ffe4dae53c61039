"""Reads protobuf messages by a schema, under limits: fields are counted before anything is kept of them.

A parser that makes objects of whatever a file holds takes many times its size where it consists of empty
messages. This one keeps only the fields that a schema names, and of long ones a view instead of a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import ConversionError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4 are groups, which ONNX does not have
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_SIGN = 1 << 63
_MESSAGE_COST = 10  # fields: an object takes that much more memory than a number
_BLOCK = 1 << 20  # bytes of packed numbers that are unpacked at once, each to an index and more


class Kind(Enum):
    """What a field holds, and how it is kept."""

    INT = auto()
    FLOAT = auto()
    TEXT = auto()
    BYTES = auto()  # a view of the file
    PACKED = auto()  # a list of views: numbers packed or one by one, which are the same bytes


@dataclass(frozen=True)
class Field:
    """A field of a message: the attribute that takes it, and its kind or the class of its message."""

    attribute: str
    kind: Kind | type
    repeated: bool = False


@dataclass
class Budget:
    """What is left of the limits of one file."""

    fields: int
    depth: int
    label: str

    def damaged(self, what: str) -> ConversionError:
        """The error for a file that is not what it should be."""
        return ConversionError(f"{self.label}: a damaged ONNX file: {what}")


T = TypeVar("T")


def decode(message: type[T], data: memoryview, budget: Budget, depth: int = 0) -> T:
    """The message in `data`, whose class names its fields in FIELDS. ConversionError for a damaged one."""
    if depth > budget.depth:
        raise ConversionError(f"{budget.label}: messages are nested deeper than {budget.depth} levels")
    budget.fields -= _MESSAGE_COST
    result = message()
    fields: dict[int, Field] = getattr(message, "FIELDS")  # noqa: B009 - T has no such attribute for mypy
    for number, wire, value in _fields(data, budget):
        field = fields.get(number)
        if field is not None:
            _store(result, field, wire, value, budget, depth)
    return result


def varints(data: bytes) -> Array:
    """int64 values of packed varints; ValueError where the last one is cut off or one is too long."""
    parts, at = [np.zeros(0, np.int64)], 0
    while at < len(data):
        block = np.frombuffer(data, np.uint8, min(_BLOCK, len(data) - at), at)
        ends = np.flatnonzero(block < 128)
        if not ends.size:
            raise ValueError("a number is cut off or has more than 64 bits")
        parts.append(_unpacked(block, ends))
        at += int(ends[-1]) + 1
    return np.concatenate(parts)


def _unpacked(raw: Array, ends: Array) -> Array:
    """The numbers that end at these bytes."""
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])[: ends.size]
    lengths = ends - starts + 1
    if lengths.size and int(lengths.max()) > 10:
        raise ValueError("a number has more than 64 bits")
    values = np.zeros(ends.size, np.uint64)
    for index in range(int(lengths.max()) if lengths.size else 0):
        has = lengths > index
        values[has] |= (raw[starts[has] + index] & np.uint8(127)).astype(np.uint64) << np.uint64(7 * index)
    return values.view(np.int64)


def _fields(data: memoryview, budget: Budget) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and value of every field: an int for numbers, a view for the rest."""
    at, end = 0, len(data)
    while at < end:
        budget.fields -= 1
        if budget.fields < 0:
            raise ConversionError(
                f"{budget.label}: more fields than the limit allows; is this an ONNX model?"
            )
        key, at = _varint(data, at, budget)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at, budget)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at, budget)
        elif wire in _WIDTHS:
            size = _WIDTHS[wire]
        else:
            raise budget.damaged(f"field {number} has the wire type {wire}")
        if size > end - at:
            raise budget.damaged(f"field {number} has {size} bytes where {end - at} are left")
        yield number, wire, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int, budget: Budget) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
        shift += 7
    raise budget.damaged("a number is cut off or has more than 64 bits")


def _store(message: object, field: Field, wire: int, value: Any, budget: Budget, depth: int) -> None:
    """Keeps one field; repeated numbers may come packed or one by one."""
    found = _values(field, wire, value, budget, depth)
    if field.repeated or field.kind is Kind.PACKED:
        getattr(message, field.attribute).extend(found)
    elif found:
        setattr(message, field.attribute, found[-1])


def _values(field: Field, wire: int, value: Any, budget: Budget, depth: int) -> list[Any]:
    kind = field.kind
    if kind is Kind.PACKED:
        return [_encoded(value) if wire == _VARINT else value]
    if kind is Kind.INT and wire == _VARINT:
        return [value - 2 * _SIGN if value & _SIGN else value]
    if kind is Kind.FLOAT and wire == _FIXED32:
        return [float(np.frombuffer(value, "<f4")[0])]
    if wire == _BYTES and kind in (Kind.INT, Kind.FLOAT) and field.repeated:
        return _unpack(field, value, budget)
    if wire != _BYTES or kind in (Kind.INT, Kind.FLOAT):
        raise budget.damaged(f"'{field.attribute}' has the wire type {wire}")
    if kind is Kind.TEXT:
        return [bytes(value).decode("utf-8", "replace")]
    if kind is Kind.BYTES:
        return [value]
    assert isinstance(kind, type)
    return [decode(kind, value, budget, depth + 1)]


def _unpack(field: Field, value: memoryview, budget: Budget) -> list[Any]:
    budget.fields -= len(value) // (1 if field.kind is Kind.INT else 4)
    try:
        numbers = varints(bytes(value)) if field.kind is Kind.INT else np.frombuffer(value, "<f4")
    except ValueError as error:
        raise budget.damaged(f"'{field.attribute}': {error}") from error
    return list(numbers.tolist())


def _encoded(value: int) -> memoryview:
    """A varint as it stands in a file."""
    result = bytearray()
    while value >= 128:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return memoryview(bytes(result))
