"""The inputs of an ONNX graph with their shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.graph import InputShape
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.onnx.schema import ValueInfo
from spikeserve.convert.read.tensors.writer import OPEN_BATCH, GraphWriter, Signal

_NUMBERS = frozenset(
    (*range(1, 8), *range(9, 14), 16)
)  # of the types of the format: all but text and complex
_LARGEST = 1 << 31


def read_inputs(
    inputs: Sequence[ValueInfo], given: InputShape, limits: Limits, label: str
) -> tuple[GraphWriter, dict[str, Signal]]:
    """A writer with an input layer for each, and their signals by name; the first axis is the batch."""
    shapes = {item.name: _sizes(item, given, limits, label) for item in inputs}
    batches = {shape[0] for shape in shapes.values()} - {None}
    if len(batches) > 1:
        raise ConversionError(f"{label}: its inputs have different batches: {sorted(map(str, batches))}")
    writer = GraphWriter(batches.pop() or OPEN_BATCH if batches else OPEN_BATCH, limits)
    signals = {name: writer.input(name, shape[1:]) for name, shape in shapes.items()}
    return writer, signals


def _sizes(item: ValueInfo, given: InputShape, limits: Limits, label: str) -> list[int | None]:
    """The batch, None where it is open, and the shape of a sample with what the caller says of it."""
    where = f"{label}: the input '{item.name}'"
    tensor = item.type.tensor_type if item.type is not None else None
    if tensor is None or tensor.elem_type not in _NUMBERS:
        raise ConversionError(f"{where} is no tensor of numbers")
    told = given.get(item.name) if isinstance(given, Mapping) else given
    if tensor.shape is None:
        stored: list[int | None] = [None] * (1 + len(told or ()))
    else:
        stored = [dim.dim_value if 0 < dim.dim_value < _LARGEST else None for dim in tensor.shape.dim]
    if len(stored) > limits.axes:
        raise ConversionError(f"{where} has {len(stored)} axes, the limit is {limits.axes}")
    if len(stored) < 2:
        raise ConversionError(
            f"{where} has no shape behind the batch; give input_shape=(...), without the batch"
        )
    if told is None and None in stored[1:]:
        raise ConversionError(
            f"{where} has the open shape {_shown(stored[1:])}; give input_shape=(...), without the batch"
        )
    if told is not None:
        sizes = [int(n) for n in told]
        fits = len(sizes) == len(stored) - 1 and all(
            n > 0 and known in (None, n) for n, known in zip(sizes, stored[1:], strict=True)
        )
        if not fits:
            raise ConversionError(
                f"{where}: input_shape {tuple(sizes)} does not fit {_shown(stored[1:])}; leave the batch out"
            )
        stored[1:] = sizes
    return stored


def _shown(shape: Sequence[int | None]) -> str:
    return f"({', '.join('?' if n is None else str(n) for n in shape)})"
