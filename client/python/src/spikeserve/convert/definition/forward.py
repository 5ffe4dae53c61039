"""Forward pass over a NetworkDefinition in rate mode: no time, no spikes, no filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from spikeserve.convert.arrays import Array, product
from spikeserve.convert.models.neurons import get_model
from spikeserve.v1 import network_pb2 as pb

Tensors = Mapping[str, Array]  # by id
Compute = Callable[[pb.Operation, list[Array], Tensors], Array]

_PATCHES = 1 << 20  # values of patches that are multiplied at once, few enough to stay in a cache


def run_rates(
    definition: pb.NetworkDefinition,
    inputs: Mapping[str, Array],
    dtype: type = np.float64,
    tensors: Tensors | None = None,
) -> dict[str, Array]:
    """The output of every operation, [batch, ...]; `inputs` by Input operation, [batch, ...].

    A population gives its firing rate times its amplitude, so the result equals the source model.
    `tensors`: those of a definition that has none yet.
    """
    return {operation.name: value for operation, _, value in in_turn(definition, inputs, dtype, tensors)}


def in_turn(
    definition: pb.NetworkDefinition,
    inputs: Mapping[str, Array],
    dtype: type = np.float64,
    tensors: Tensors | None = None,
    compute: Compute | None = None,
) -> Iterator[tuple[pb.Operation, list[Array], Array]]:
    """Every operation with what it reads and gives, in the order of the network.

    Outputs that nothing more reads are let go. `compute`: another way to get an output than `evaluate`.
    """
    known = read_tensors(definition, dtype) if tensors is None else tensors
    sources = read_sources(definition)
    left = Counter(name for names in sources.values() for name in names)
    values: dict[str, Array] = {}
    for operation in topological(definition):
        name = operation.name
        if operation.HasField("input"):
            args: list[Array] = []
            given = inputs[name]
            value: Array = np.asarray(given, dtype).reshape(len(given), *operation.input.shape)
        else:
            args = [values[source] for source in sources[name]]
            value = (compute or evaluate)(operation, args, known)
        left.subtract(sources[name])
        for source in sources[name]:
            if not left[source]:
                values.pop(source, None)
        if left[name]:
            values[name] = value
        yield operation, args, value


def output_of(
    definition: pb.NetworkDefinition,
    target: str,
    inputs: Mapping[str, Array],
    tensors: Tensors | None = None,
    compute: Compute | None = None,
) -> Array:
    """What one operation gives, in float32."""
    passed = in_turn(definition, inputs, np.float32, tensors, compute)
    return next(value for operation, _, value in passed if operation.name == target)


class _Stored(Mapping[str, Array]):
    """The tensors of a message in one type, read when they are asked for."""

    def __init__(self, definition: pb.NetworkDefinition, dtype: type) -> None:
        self._tensors = {tensor.id: tensor for tensor in definition.tensors}
        self._dtype = dtype

    def __getitem__(self, ident: str) -> Array:
        tensor = self._tensors[ident]
        stored = np.frombuffer(tensor.data, "<f4" if tensor.data_type == pb.DATA_TYPE_FLOAT32 else "<f8")
        return stored.reshape(tuple(tensor.shape)).astype(self._dtype, copy=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def read_tensors(definition: pb.NetworkDefinition, dtype: type) -> Tensors:
    """The values of all tensors of a finished definition by id, each as long as it is used."""
    return _Stored(definition, dtype)


def read_sources(definition: pb.NetworkDefinition) -> dict[str, list[str]]:
    """What every operation reads, in the order of the connections."""
    sources: dict[str, list[str]] = {op.name: [] for op in definition.operations}
    for connection in definition.connections:
        sources[connection.target].append(connection.source)
    return sources


def evaluate(operation: pb.Operation, args: list[Array], tensors: Tensors) -> Array:
    """The output [batch, ...] of any operation but an input, from what it reads."""
    kind = operation.WhichOneof("kind")
    assert kind is not None
    return _EVALUATE[kind](getattr(operation, kind), args, tensors)


def topological(definition: pb.NetworkDefinition) -> list[pb.Operation]:
    """The operations, each after those it reads; ValueError for a cycle."""
    waiting = {op.name: 0 for op in definition.operations}
    targets: dict[str, list[str]] = {op.name: [] for op in definition.operations}
    for connection in definition.connections:
        waiting[connection.target] += 1
        targets[connection.source].append(connection.target)
    by_name = {op.name: op for op in definition.operations}
    ready = [name for name, count in waiting.items() if count == 0]
    order = []
    while ready:
        name = ready.pop()
        order.append(by_name[name])
        for target in targets[name]:
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    if len(order) != len(by_name):
        raise ValueError("the connections form a cycle")
    return order


def parameter(value: pb.Parameter, default: float, tensors: Tensors) -> Any:
    """A neuron parameter as a number or an array that broadcasts over the batch."""
    kind = value.WhichOneof("kind")
    if kind is None:
        return default
    return tensors[value.tensor] if kind == "tensor" else value.scalar


def _affine(body: pb.AffineOperation, args: list[Array], tensors: Tensors) -> Array:
    result = product(args[0], tensors[body.weight])
    if body.bias:
        result += tensors[body.bias]
    return result


def conv_patches(body: pb.ConvOperation, x: Array, kernel: tuple[int, ...]) -> Array:
    """What every output of a convolution reads: views [batch, out..., in channels, kernel...]."""
    rank = len(kernel)
    pads = zip(body.pad_before, body.pad_after, strict=True)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, body.dilation, strict=True)]
    padded = np.pad(x, [(0, 0), *pads, (0, 0)])
    views = sliding_window_view(padded, extent, axis=tuple(range(1, rank + 1)))
    steps = [slice(None, None, s) for s in body.stride]
    inner = [slice(None, None, d) for d in body.dilation]
    return views[(slice(None), *steps, slice(None), *inner)]


def _conv(body: pb.ConvOperation, args: list[Array], tensors: Tensors) -> Array:
    """By patches of so many samples, or rows of one, that these stay in a cache."""
    weight, x = tensors[body.weight], args[0]
    kernel, groups = weight.shape[2:], body.groups
    shape = conv_patches(body, x[:1], kernel).shape[1 : len(kernel) + 1]
    result = np.empty((len(x), *shape, len(weight)), x.dtype)
    row = int(np.prod([*shape[1:], x.shape[-1], *kernel]))  # values of its patches
    rows = max(1, min(shape[0], _PATCHES // row))
    block = max(1, _PATCHES // (row * shape[0]))
    moved = np.moveaxis(weight, (0, 1), (-1, -2)).astype(x.dtype, copy=False)  # as Keras has it
    multiply = _by_channel if weight.shape[1] == 1 < groups else _by_group
    for start in range(0, len(x), block):
        views = np.moveaxis(conv_patches(body, x[start : start + block], kernel), len(kernel) + 1, -1)
        for first in range(0, shape[0], rows):
            part = result[start : start + block, first : first + rows]
            multiply(views[:, first : first + rows], moved, part.reshape(-1, groups, len(weight) // groups))
    if body.bias:
        result += tensors[body.bias]
    return result


def _by_group(views: Array, weight: Array, result: Array) -> None:
    """Products of patches [batch, out..., kernel..., in] and weights [kernel..., in/groups, out]."""
    width = weight.shape[-2]
    for group in range(result.shape[1]):
        patches = views[..., group * width : (group + 1) * width].reshape(len(result), -1)
        out = slice(group * result.shape[2], (group + 1) * result.shape[2])
        np.matmul(patches, weight[..., out].reshape(patches.shape[1], -1), out=result[:, group])


def _by_channel(views: Array, weight: Array, result: Array) -> None:
    """The same where each channel is a group: matrices of one row are no work for a matrix product."""
    result[:] = 0
    for place in np.ndindex(weight.shape[:-2]):
        seen = views[(..., *place, slice(None))].reshape(len(result), -1, 1)
        result += seen * weight[place].reshape(result.shape[1:])


def _pool(body: pb.PoolOperation, args: list[Array], tensors: Tensors) -> Array:
    del tensors
    pads = [(0, 0), *zip(body.pad_before, body.pad_after, strict=True), (0, 0)]
    if body.kind == pb.POOL_KIND_MAX:
        return _over_windows(body, _padded(args[0], pads, -np.inf), np.maximum)
    total = _over_windows(body, _padded(args[0], pads, 0.0), np.add)
    if body.count_include_pad or not any(map(any, pads)):
        return np.asarray(total / total.dtype.type(np.prod(list(body.window))))
    return np.asarray(total / _over_windows(body, _padded(np.ones_like(args[0][:1]), pads, 0.0), np.add))


def _padded(x: Array, pads: list[tuple[int, int]], edge: float) -> Array:
    return np.pad(x, pads, constant_values=edge) if any(map(any, pads)) else x


def _over_windows(body: pb.PoolOperation, x: Array, join: Callable[[Array, Array], Array]) -> Array:
    """What is under each window, joined along one axis after the other."""
    for axis, (window, stride) in enumerate(zip(body.window, body.stride, strict=True), start=1):
        last = x.shape[axis] - window
        before = (slice(None),) * axis
        x = reduce(join, [x[(*before, slice(first, last + first + 1, stride))] for first in range(window)])
    return x


def _scale_shift(body: pb.ScaleShiftOperation, args: list[Array], tensors: Tensors) -> Array:
    x = args[0]
    rank = x.ndim - 1

    def spread(name: str, default: float) -> Any:
        if not name:
            return default
        values = tensors[name]
        if values.size == 1 or values.ndim == rank > 1:
            return values
        return values.reshape([-1 if axis == body.axis % rank else 1 for axis in range(rank)])

    result: Array = x * spread(body.scale, 1.0) + spread(body.shift, 0.0)
    return result


def current(body: pb.NeuronOperation, source: Array, tensors: Tensors) -> Array:
    """What a population gets of its source: gain * source + bias."""
    result = source
    if body.HasField("gain"):
        result = result * parameter(body.gain, 1.0, tensors)
    if body.HasField("bias"):
        result = result + parameter(body.bias, 0.0, tensors)
    return result


def _neuron(body: pb.NeuronOperation, args: list[Array], tensors: Tensors) -> Array:
    rate = get_model(body).rate_behind(current(body, args[0], tensors), parameter(body.gain, 1.0, tensors))
    if body.HasField("output_scale"):
        rate = np.asarray(rate * parameter(body.output_scale, 1.0, tensors))
    return rate


def _activation(body: pb.ActivationOperation, args: list[Array], tensors: Tensors) -> Array:
    del tensors
    x = args[0]
    if body.WhichOneof("kind") == "leaky_relu":
        return np.asarray(np.where(x > 0, x, x * body.leaky_relu.negative_slope))
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    result: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def _weighted_sum(body: pb.WeightedSumOperation, args: list[Array], tensors: Tensors) -> Array:
    del tensors
    pairs = zip(body.coefficients, args, strict=True)
    return np.asarray(sum(factor * x for factor, x in pairs))


def _product(body: pb.ProductOperation, args: list[Array], tensors: Tensors) -> Array:
    return np.asarray(args[0] * args[1] * parameter(body.output_scale, 1.0, tensors))


def _concat(body: pb.ConcatOperation, args: list[Array], tensors: Tensors) -> Array:
    del tensors
    return np.concatenate(args, axis=body.axis if body.axis < 0 else body.axis + 1)


def _reshape(body: pb.ReshapeOperation, args: list[Array], tensors: Tensors) -> Array:
    del tensors
    return args[0].reshape(len(args[0]), *body.shape)


def _permute(body: pb.PermuteOperation, args: list[Array], tensors: Tensors) -> Array:
    del tensors
    return args[0].transpose(0, *(axis + 1 for axis in body.permutation))


def _pad(body: pb.PadOperation, args: list[Array], tensors: Tensors) -> Array:
    del tensors
    pairs = [(0, 0), *zip(body.before, body.after, strict=True)]
    x = np.pad(args[0], [(max(before, 0), max(after, 0)) for before, after in pairs])
    crop = [slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(pairs, x.shape, strict=True)]
    return np.asarray(x[tuple(crop)])


_EVALUATE: dict[str, Callable[[Any, list[Array], Mapping[str, Array]], Array]] = {
    "affine": _affine,
    "conv": _conv,
    "pool": _pool,
    "scale_shift": _scale_shift,
    "weighted_sum": _weighted_sum,
    "concat": _concat,
    "reshape": _reshape,
    "permute": _permute,
    "pad": _pad,
    "neuron": _neuron,
    "product": _product,
    "activation": _activation,
}
