"""numpy arrays to and from the wire."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve.errors import InternalError
from spikeserve.results import NetworkInfo
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import simulation_pb2 as pb

Inputs = dict[str, npt.NDArray[Any]]
Given = npt.ArrayLike | Sequence[Any] | Mapping[str, Any]  # arrays: one, in order, or by name
Shapes = Mapping[str, tuple[int, ...]]  # of the inputs of a network by name, in its order, without the batch

_DTYPES: dict[int, np.dtype[Any]] = {
    network_pb.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    network_pb.DATA_TYPE_FLOAT64: np.dtype("<f8"),
    network_pb.DATA_TYPE_UINT8: np.dtype("u1"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


def as_inputs(given: Given) -> Inputs:
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


def _label(name: str) -> str:
    return f"input '{name}'" if name else "the input"


def _numeric(name: str, value: object) -> npt.NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:  # a list of lists of different lengths
        raise ValueError(f"{_label(name)} is no array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{_label(name)} has dtype {array.dtype}, wanted numbers")
    if array.ndim < 1:
        raise ValueError(f"{_label(name)} has shape [], wanted [batch, shape...]")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def fit(given: Given, shapes: Shapes, network: str) -> Inputs:
    """The caller's arrays as this network takes them.

    A list gives the inputs in the network's order. An array may lack axes of size 1, or be flat: [n, 28, 28]
    stands for [n, 28, 28, 1], per step as well. What fits in no way stays as it is: the server refuses it.
    """
    arrays = as_inputs(_by_name(given, shapes, network))
    wanted = dict(shapes)
    if len(shapes) == 1:
        wanted[""] = next(iter(shapes.values()))
    return {
        name: _as_taken(value, wanted[name]) if name in wanted else value for name, value in arrays.items()
    }


def _by_name(given: Given, shapes: Shapes, network: str) -> npt.ArrayLike | Mapping[str, npt.ArrayLike]:
    if not isinstance(given, list | tuple):
        return given
    if len(shapes) > 1:
        if len(given) != len(shapes):
            raise ValueError(
                f"inputs is a list of {len(given)}, the network {network} has {len(shapes)} inputs, in this "
                f"order: {', '.join(shapes)}"
            )
        return dict(zip(shapes, given, strict=True))
    if len(given) == 1 and shapes and isinstance(given[0], np.ndarray):  # a list of one input, or of a sample
        shape, only = next(iter(shapes.values())), given[0]
        if only.ndim > len(shape) or (only.ndim and fits(_as_taken(only, shape), shape)):
            return only
    return given


def fits(value: npt.NDArray[Any], shape: tuple[int, ...]) -> bool:
    """Whether the array is [batch, shape...] or [batch, steps, shape...]."""
    return value.shape[1:] == shape or (value.ndim == len(shape) + 2 and value.shape[2:] == shape)


def _as_taken(value: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    given = value.shape
    if fits(value, shape):
        return value
    flat = len(given) == 2 or len(shape) == 1
    if _squeezed(given[1:]) == _squeezed(shape) or (flat and math.prod(given[1:]) == math.prod(shape)):
        return value.reshape(given[0], *shape)
    if len(given) > 1 and _squeezed(given[2:]) == _squeezed(shape):
        return value.reshape(*given[:2], *shape)
    return value


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def check_batches(inputs: Inputs) -> None:
    """ValueError for an array that has a batch and nothing else."""
    for name, value in inputs.items():
        if value.ndim < 2:
            raise ValueError(f"{_label(name)} has shape {list(value.shape)}, wanted [batch, shape...]")


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
        largest = float(np.abs(value).max())
        raise ValueError(
            f"{_label(name)} has values up to {largest:.3g}, float32 ends at 3.4e38 (mode 'reference' not)"
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
