"""Arrays as the parts of the converter hand them on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve.convert.errors import ConversionError

Array = npt.NDArray[Any]


def as_float32(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float32]:
    """A contiguous little-endian float32 copy; ConversionError where a value does not fit."""
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(values, dtype="<f4")
    if not np.isfinite(result).all():
        raise ConversionError(f"'{name}' holds values outside of float32, NaN or infinity")
    return result
