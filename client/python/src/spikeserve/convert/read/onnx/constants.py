"""Constant tensors of an ONNX file as arrays."""

from __future__ import annotations

import math

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.onnx.external import ExternalData
from spikeserve.convert.read.onnx.schema import Tensor
from spikeserve.convert.read.onnx.wire import varints

_FLOAT, _FLOAT16, _BFLOAT16 = 1, 10, 16
# The types of the format by number: how their raw bytes are read, and in which field numbers may lie instead.
_TYPES: dict[int, tuple[str, str]] = {
    _FLOAT: ("<f4", "float_data"),
    2: ("u1", "int32_data"),
    3: ("i1", "int32_data"),
    4: ("<u2", "int32_data"),
    5: ("<i2", "int32_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    9: ("?", "int32_data"),
    _FLOAT16: ("<f2", "int32_data"),
    11: ("<f8", "double_data"),
    12: ("<u4", "uint64_data"),
    13: ("<u8", "uint64_data"),
    _BFLOAT16: ("<u2", "int32_data"),
}
_NAMES = {
    8: "string", 14: "complex64", 15: "complex128", 17: "float8", 18: "float8", 19: "float8", 20: "float8",
    21: "uint4", 22: "int4", 23: "float4",
}  # fmt: skip
FLOATS = frozenset({_FLOAT, _FLOAT16, 11, _BFLOAT16})


class Constants:
    """Reads tensors of one file and keeps count of their values."""

    def __init__(self, external: ExternalData, label: str, limits: Limits) -> None:
        self._external = external
        self._label = label
        self._limits = limits
        self._parameters = 0
        self._computed = 0

    def array(self, tensor: Tensor) -> Array:
        """The values of a tensor; ConversionError for wrong sizes, unknown types, NaN and infinity."""
        where = f"{self._label}: the constant '{tensor.name}'"
        if tensor.data_type not in _TYPES:
            name = _NAMES.get(tensor.data_type, f"number {tensor.data_type}")
            raise ConversionError(f"{where} has the type {name}, wanted plain floats or integers")
        shape = tuple(tensor.dims)
        if len(shape) > self._limits.axes or any(size < 0 for size in shape):
            raise ConversionError(f"{where} has {len(shape)} axes of the sizes {shape[:10]}")
        self._parameters += math.prod(shape)
        if self._parameters > self._limits.parameters:
            raise ConversionError(f"{self._label}: more than {self._limits.parameters} values in constants")
        values = self._values(tensor, math.prod(shape), where)
        if tensor.data_type == _BFLOAT16:
            values = (values.astype("<u4") << 16).view("<f4")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            self._refuse_infinite(values, where)
        return values.reshape(shape)

    def computed(self, values: Array) -> Array:
        """Counts values that were computed of constants."""
        self._computed += values.size
        if self._computed > self._limits.parameters // 4:
            raise ConversionError(
                f"{self._label}: it computes more than {self._computed} values of constants"
            )
        return values

    def _refuse_infinite(self, values: Array, where: str) -> None:
        """Bounds of a Clip may be infinite, weights may not."""
        if values.size > 1 or np.isnan(values).any():
            raise ConversionError(f"{where} holds NaN or infinity; retrain or repair the model")

    def _values(self, tensor: Tensor, count: int, where: str) -> Array:
        kind, attribute = _TYPES[tensor.data_type]
        dtype = np.dtype(kind)
        data: memoryview | None = tensor.raw_data
        if tensor.data_location == 1:
            data = self._external.read(tensor)
        if data is not None:
            if len(data) != count * dtype.itemsize:
                raise ConversionError(
                    f"{where} has {len(data)} bytes, its shape {tuple(tensor.dims)} takes "
                    f"{count * dtype.itemsize}"
                )
            return np.frombuffer(data, dtype)
        packed = b"".join(getattr(tensor, attribute))
        try:
            values = _unpacked(packed, attribute, dtype)
        except ValueError as error:
            raise ConversionError(f"{where} is damaged: {error}") from error
        if values.size != count:
            raise ConversionError(f"{where} has {values.size} values, its shape {tuple(tensor.dims)} {count}")
        return values


def _unpacked(packed: bytes, attribute: str, dtype: np.dtype[np.generic]) -> Array:
    """Numbers of the fields for numbers; 16-bit floats lie there as integers of their bits."""
    if attribute in ("float_data", "double_data"):
        return np.frombuffer(packed, dtype)
    values = varints(packed)
    if dtype.kind == "f":
        return values.astype("<u2").view(dtype)
    return values.astype(dtype)
