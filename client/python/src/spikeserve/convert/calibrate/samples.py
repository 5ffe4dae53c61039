"""Sample inputs: the caller's data or random stand-ins, and what they say about bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.lower.lower import Lowered
from spikeserve.convert.lower.scales import layer_scale_shift
from spikeserve.convert.read.graph import Graph

_RANDOM_SAMPLES = 32
_RANDOM_ELEMENTS = 1 << 24


@dataclass(frozen=True)
class Samples:
    """Float inputs [n, ...] by Input operation; `real` where they are the caller's."""

    values: dict[str, Array]
    real: bool

    @property
    def count(self) -> int:
        """How many there are."""
        return len(next(iter(self.values.values())))

    def first(self, count: int) -> dict[str, Array]:
        """The first samples of every input."""
        return {name: array[:count] for name, array in self.values.items()}


def collect_samples(
    data: Any, lowered: Lowered, graph: Graph, byte_map: tuple[float, float] | None, most: int
) -> Samples:
    """The first `most` of the caller's samples as the model takes them, or random ones where `data` is None.

    uint8 data become scale*byte + offset where the caller gave `uint8_scale`, else plain floats.
    """
    shapes = {op.name: tuple(op.input.shape) for op in lowered.definition.operations if op.HasField("input")}
    if data is None:
        rng = np.random.default_rng(0)
        largest = max(math.prod(shape) for shape in shapes.values())
        count = max(1, min(_RANDOM_SAMPLES, _RANDOM_ELEMENTS // largest))
        return Samples({n: _random(rng, count, graph, lowered, n, s) for n, s in shapes.items()}, False)
    arrays = _by_input(data, shapes)
    values = {name: _fit(arrays[name][:most], name, shape, byte_map) for name, shape in shapes.items()}
    counts = {len(array) for array in values.values()}
    if len(counts) != 1 or 0 in counts:
        raise ConversionError(f"sample_data has {sorted(counts)} samples, wanted one number above 0")
    return Samples(values, True)


def detect_bytes(values: Array) -> tuple[float, str] | None:
    """(uint8_scale, reason) where all values are bytes or bytes/255; None where they are not."""
    low, high = float(values.min()), float(values.max())
    whole = bool(np.all(values == np.round(values)))
    if low >= 0 and 1 < high <= 255 and whole:
        return 1.0, "all sample values are whole numbers from 0 to 255"
    fractions = values * 255.0
    if low >= 0 and high <= 1 and not whole and np.abs(fractions - np.round(fractions)).max() < 1e-3:
        return 1 / 255, "all sample values are multiples of 1/255"
    return None


def set_byte_inputs(
    lowered: Lowered, graph: Graph, samples: Samples, byte_map: tuple[float, float] | None
) -> list[str]:
    """Sets uint8_scale on the inputs that can take bytes; returns notes on what was detected."""
    notes = []
    for op in lowered.definition.operations:
        if not op.HasField("input"):
            continue
        found: tuple[float, str] | None = None
        if byte_map is not None:
            op.input.uint8_scale, op.input.uint8_offset = byte_map
            continue
        if _rescaled(graph, lowered.input_nodes[op.name]):
            found = (1.0, "the model rescales its input itself")
        elif samples.real:
            found = detect_bytes(samples.values[op.name])
        if found is not None:
            op.input.uint8_scale, op.input.uint8_offset = found[0], 0.0
            notes.append(f"input '{op.name}' also takes bytes, as byte*{found[0]:.6g}: {found[1]}")
    return notes


def _by_input(data: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    names = list(shapes)
    if isinstance(data, Mapping):
        missing = [name for name in names if name not in data]
        if missing:
            raise ConversionError(f"sample_data lacks the inputs {missing}; it has {list(data)}")
        return {name: np.asarray(data[name]) for name in names}
    if len(names) == 1:
        listed = isinstance(data, (list, tuple)) and len(data) == 1 and isinstance(data[0], np.ndarray)
        only = listed and math.prod(data[0].shape[1:]) == math.prod(shapes[names[0]])
        return {names[0]: np.asarray(data[0] if only else data)}
    if isinstance(data, (list, tuple)) and len(data) == len(names):
        return {name: np.asarray(array) for name, array in zip(names, data, strict=True)}
    raise ConversionError(f"sample_data must be a dict with the inputs {names}")


def _fit(array: Array, name: str, shape: tuple[int, ...], byte_map: tuple[float, float] | None) -> Array:
    if array.dtype.kind not in "fiub" or array.ndim < 1:
        raise ConversionError(f"sample_data for '{name}' has the type {array.dtype}, wanted numbers")
    if math.prod(array.shape[1:]) != math.prod(shape):
        raise ConversionError(
            f"sample_data for '{name}' has the shape {array.shape}, wanted (n, "
            f"{', '.join(str(n) for n in shape)})"
        )
    floats = array.reshape(-1, *shape).astype(np.float32)
    if array.dtype == np.uint8 and byte_map is not None:
        floats = (floats * byte_map[0] + byte_map[1]).astype(np.float32)
    if not np.isfinite(floats).all():
        raise ConversionError(f"sample_data for '{name}' holds NaN or infinity")
    return floats


def _rescaled(graph: Graph, node: int) -> bool:
    readers = graph.consumers()[node]
    return bool(readers) and all(graph.nodes[r].layer.class_name == "Rescaling" for r in readers)


def _random(
    rng: np.random.Generator,
    count: int,
    graph: Graph,
    lowered: Lowered,
    name: str,
    shape: tuple[int, ...],
) -> Array:
    """Uniform in what the first layer maps to [0, 1] (or [-1, 1] where it centres its input)."""
    values = rng.uniform(0.0, 1.0, (count, *shape))
    readers = graph.consumers()[lowered.input_nodes[name]]
    first = graph.nodes[readers[0]].layer if readers else None
    if first is not None and first.class_name in ("Rescaling", "Normalization"):
        scale, shift, axis = layer_scale_shift(first, shape)
        spread = [1] * len(shape)
        spread[axis] = -1
        scale, shift = scale.reshape(spread), shift.reshape(spread)
        values = np.where(shift < 0, 2 * values - 1, values)
        values = (values - shift) / np.where(scale == 0, 1, scale)
    return values.astype(np.float32)
