"""Arrays as the parts of the converter hand them on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve.convert.errors import ConversionError

Array = npt.NDArray[Any]
_BLOCK = 1 << 20  # values that are widened at once


def as_float32(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float32]:
    """A contiguous little-endian float32 array; ConversionError where a value does not fit."""
    return np.ascontiguousarray(finite_float32(values, name))


def finite_float32(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float32]:
    """Little-endian float32, the same array where it is; ConversionError where a value does not fit."""
    with np.errstate(over="ignore"):
        result = np.asarray(values, dtype="<f4")
    if not np.isfinite(result).all():
        raise ConversionError(f"'{name}' holds values outside of float32, NaN or infinity")
    return result


def scaled(values: Array, factors: Array) -> Array:
    """values * factors in float32, rounded once: computed in float64 without a copy of that size."""
    shape = np.broadcast_shapes(values.shape, factors.shape)
    result = np.empty_like(values, "<f4") if values.shape == shape else np.empty(shape, "<f4")
    with np.errstate(over="ignore"):
        return np.multiply(values, factors, out=result, dtype=np.float64, casting="same_kind")


def product(x: Array, weight: Array) -> Array:
    """x [..., in] times weight [out, in], in the type of x, to which no copy of all weights is brought."""
    if x.dtype == weight.dtype or weight.size <= _BLOCK:
        return np.asarray(x @ weight.T.astype(x.dtype, copy=False))
    result = np.empty((*x.shape[:-1], len(weight)), x.dtype)
    rows = max(1, _BLOCK // weight.shape[1])
    for start in range(0, len(weight), rows):
        part = slice(start, start + rows)
        result[..., part] = x @ weight[part].T.astype(x.dtype)
    return result
