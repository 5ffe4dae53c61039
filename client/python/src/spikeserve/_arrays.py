"""numpy arrays to and from the wire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve.errors import InternalError
from spikeserve.results import NetworkInfo
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import simulation_pb2 as pb

Inputs = dict[str, npt.NDArray[Any]]

_DTYPES: dict[int, np.dtype[Any]] = {
    network_pb.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    network_pb.DATA_TYPE_FLOAT64: np.dtype("<f8"),
    network_pb.DATA_TYPE_UINT8: np.dtype("u1"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


def as_inputs(given: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> Inputs:
    """The caller's arrays by input name ("" for an only input); ValueError where they make no batch."""
    items = given.items() if isinstance(given, Mapping) else [("", given)]
    inputs = {name: _numeric(name, value) for name, value in items}
    counts = {name: len(value) for name, value in inputs.items()}
    if not counts:
        raise ValueError("inputs is empty, wanted one array per input of the network")
    if len(set(counts.values())) != 1:
        raise ValueError(f"the inputs have different batch sizes: {counts}")
    if 0 in counts.values():
        raise ValueError("the batch is empty, wanted at least one sample")
    return inputs


def _numeric(name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(value)
    label = f"input '{name}'" if name else "the input"
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{label} has dtype {array.dtype}, wanted numbers")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim < 2:
        raise ValueError(f"{label} has shape {list(array.shape)}, wanted [batch, shape...]")
    return array


def needs_info(inputs: Inputs) -> bool:
    """Whether the best type to send depends on what the network takes."""
    return any(value.dtype == np.uint8 or value.dtype == np.float64 for value in inputs.values())


def choose_types(inputs: Inputs, info: NetworkInfo | None) -> Inputs:
    """The arrays as they are sent.

    uint8 stays uint8 where the network takes bytes, float64 stays float64 where it runs in reference mode.
    Everything else becomes float32 with the same values: a byte 255 becomes 255.0, nothing is rescaled.
    """
    return {name: _choose(value, name, info) for name, value in inputs.items()}


def _choose(value: npt.NDArray[Any], name: str, info: NetworkInfo | None) -> npt.NDArray[Any]:
    accepted: frozenset[str] = frozenset()
    if info is not None:
        accepted = next((i.data_types for i in info.inputs if name in ("", i.name)), accepted)
    if value.dtype == np.uint8 and "uint8" in accepted:
        return value
    if value.dtype == np.float64 and info is not None and info.mode == "reference":
        return value
    return _as_float32(value, name)


def _as_float32(value: npt.NDArray[Any], name: str) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        narrow = value.astype(np.float32, copy=False)
    if value.dtype == np.float64 and np.isfinite(value).all() and not np.isfinite(narrow).all():
        label = f"input '{name}'" if name else "the input"
        largest = float(np.abs(value).max())
        raise ValueError(
            f"{label} has values up to {largest:.3g}, float32 ends at 3.4e38 (mode 'reference' not)"
        )
    return narrow


def encode(name: str, value: npt.NDArray[Any]) -> pb.Array:
    """The message for one array of float32, float64 or uint8."""
    dtype = value.dtype.newbyteorder("<")
    data = np.ascontiguousarray(value, dtype=dtype).tobytes()
    return pb.Array(name=name, data_type=_CODES[dtype], shape=value.shape, data=data)  # type: ignore[arg-type]


def decode(message: pb.Array) -> npt.NDArray[Any]:
    """The array in a message of the server, read-only."""
    dtype = _DTYPES.get(message.data_type)
    if dtype is None:
        raise InternalError(f"array '{message.name}' has the unknown data type {message.data_type}")
    wanted = math.prod(message.shape) * dtype.itemsize
    if wanted != len(message.data):
        raise InternalError(
            f"array '{message.name}' of shape {list(message.shape)} has {len(message.data)} bytes, "
            f"wanted {wanted}"
        )
    return np.frombuffer(message.data, dtype).reshape(tuple(message.shape))
