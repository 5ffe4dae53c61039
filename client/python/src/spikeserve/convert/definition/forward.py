"""Forward pass over a NetworkDefinition in rate mode: no time, no spikes, no filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from spikeserve.convert.arrays import Array
from spikeserve.convert.models.neurons import get_model
from spikeserve.v1 import network_pb2 as pb


def run_rates(
    definition: pb.NetworkDefinition, inputs: Mapping[str, Array], dtype: type = np.float64
) -> dict[str, Array]:
    """The output of every operation, [batch, ...]; `inputs` by Input operation, [batch, ...].

    A population gives its firing rate times its amplitude, so the result equals the source model.
    """
    tensors = read_tensors(definition, dtype)
    sources = read_sources(definition)
    values: dict[str, Array] = {}
    for operation in topological(definition):
        if operation.HasField("input"):
            shape = tuple(operation.input.shape)
            values[operation.name] = np.asarray(inputs[operation.name], dtype).reshape(-1, *shape)
        else:
            args = [values[name] for name in sources[operation.name]]
            values[operation.name] = evaluate(operation, args, tensors)
    return values


def read_tensors(definition: pb.NetworkDefinition, dtype: type) -> dict[str, Array]:
    """The values of all tensors by id."""
    return {
        t.id: np.frombuffer(t.data, "<f4" if t.data_type == pb.DATA_TYPE_FLOAT32 else "<f8")
        .reshape(tuple(t.shape))
        .astype(dtype)
        for t in definition.tensors
    }


def read_sources(definition: pb.NetworkDefinition) -> dict[str, list[str]]:
    """What every operation reads, in the order of the connections."""
    sources: dict[str, list[str]] = {op.name: [] for op in definition.operations}
    for connection in definition.connections:
        sources[connection.target].append(connection.source)
    return sources


def evaluate(operation: pb.Operation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
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


def parameter(value: pb.Parameter, default: float, tensors: Mapping[str, Array]) -> Any:
    """A neuron parameter as a number or an array that broadcasts over the batch."""
    kind = value.WhichOneof("kind")
    if kind is None:
        return default
    return tensors[value.tensor] if kind == "tensor" else value.scalar


def _affine(body: pb.AffineOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    result: Array = args[0] @ tensors[body.weight].T
    return result + tensors[body.bias] if body.bias else result


def conv_patches(body: pb.ConvOperation, x: Array, kernel: tuple[int, ...]) -> Array:
    """What every output of a convolution reads: views [batch, out..., in channels, kernel...]."""
    pad = list(zip(body.pad_before, body.pad_after, strict=True))
    return _windows(x, list(kernel), list(body.stride), list(body.dilation), pad)


def _windows(
    x: Array,
    window: list[int],
    stride: list[int],
    dilation: list[int],
    pad: list[tuple[int, int]],
    edge: float = 0.0,
) -> Array:
    """Views [batch, out..., channels, window...] of x [batch, spatial..., channels]; beyond it is `edge`."""
    rank = len(window)
    x = np.pad(x, [(0, 0), *pad, (0, 0)], constant_values=edge)
    extent = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    views = sliding_window_view(x, extent, axis=tuple(range(1, rank + 1)))
    steps = [slice(None, None, s) for s in stride]
    inner = [slice(None, None, d) for d in dilation]
    return views[(slice(None), *steps, slice(None), *inner)]


def _conv(body: pb.ConvOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    weight = tensors[body.weight]
    rank, per_group = weight.ndim - 2, weight.shape[1]
    views = conv_patches(body, args[0], weight.shape[2:])
    axes = tuple(range(rank + 1, 2 * rank + 2))
    parts = []
    for group in range(body.groups):
        rows = weight.shape[0] // body.groups
        part = weight[group * rows : (group + 1) * rows]
        channels = slice(group * per_group, (group + 1) * per_group)
        view = views[(*(slice(None),) * (rank + 1), channels)]
        parts.append(np.tensordot(view, part, (axes, tuple(range(1, rank + 2)))))
    result: Array = np.concatenate(parts, axis=-1)
    return result + tensors[body.bias] if body.bias else result


def _pool(body: pb.PoolOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    del tensors
    pad = list(zip(body.pad_before, body.pad_after, strict=True))
    rank = len(body.window)
    axes = tuple(range(-rank, 0))
    spec = list(body.window), list(body.stride), [1] * rank, pad
    if body.kind == pb.POOL_KIND_MAX:
        return np.asarray(_windows(args[0], *spec, edge=-np.inf).max(axis=axes))
    total: Array = _windows(args[0], *spec).sum(axis=axes)
    if body.count_include_pad:
        return total / float(np.prod(list(body.window)))
    count: Array = _windows(np.ones_like(args[0][:1]), *spec).sum(axis=axes)
    return total / count


def _scale_shift(body: pb.ScaleShiftOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
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


def _neuron(body: pb.NeuronOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    gain = parameter(body.gain, 1.0, tensors)
    current = args[0] * gain + parameter(body.bias, 0.0, tensors)
    rate = get_model(body).rate_behind(current, gain)
    return np.asarray(rate * parameter(body.output_scale, 1.0, tensors))


def _activation(body: pb.ActivationOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    del tensors
    x = args[0]
    if body.WhichOneof("kind") == "leaky_relu":
        return np.asarray(np.where(x > 0, x, x * body.leaky_relu.negative_slope))
    shifted = np.exp(x - x.max(axis=-1, keepdims=True))
    result: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def _weighted_sum(body: pb.WeightedSumOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    del tensors
    pairs = zip(body.coefficients, args, strict=True)
    return np.asarray(sum(factor * x for factor, x in pairs))


def _product(body: pb.ProductOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    return np.asarray(args[0] * args[1] * parameter(body.output_scale, 1.0, tensors))


def _concat(body: pb.ConcatOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    del tensors
    return np.concatenate(args, axis=body.axis if body.axis < 0 else body.axis + 1)


def _reshape(body: pb.ReshapeOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    del tensors
    return args[0].reshape(len(args[0]), *body.shape)


def _permute(body: pb.PermuteOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
    del tensors
    return args[0].transpose(0, *(axis + 1 for axis in body.permutation))


def _pad(body: pb.PadOperation, args: list[Array], tensors: Mapping[str, Array]) -> Array:
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
