"""Operators with weights, pools and normalizations."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.tensors import linear
from spikeserve.convert.read.tensors.windows import Pairs, Windows
from spikeserve.convert.read.tensors.writer import Signal
from spikeserve.convert.read.torch.call import Call, operator


@operator("conv1d", "conv2d", "conv3d", "convolution")
def _convolution(call: Call) -> Signal:
    if call.get("transposed"):
        raise UnsupportedError("it is transposed", "use an upsampling and a convolution")
    weight = call.needed("weight")
    rank = weight.ndim - 2
    dilation = call.ints("dilation", rank, 1)
    windows = Windows(
        weight.shape[2:], call.ints("stride", rank, 1), dilation, _padding(call, weight.shape[2:], dilation)
    )
    groups = int(call.get("groups", default=1))
    return linear.convolution(
        call.writer, call.name, call.signal(), weight, call.constant("bias"), windows, groups
    )


@operator("linear")
def _linear(call: Call) -> Signal:
    return linear.dense(call.writer, call.name, call.signal(), call.needed("weight").T, call.constant("bias"))


@operator("addmm")
def _addmm(call: Call) -> Signal:
    if call.get("alpha", default=1) != 1 or call.get("beta", default=1) != 1:
        raise UnsupportedError("it has factors", "use alpha=1 and beta=1")
    return linear.dense(
        call.writer, call.name, call.signal("mat1"), call.needed("mat2"), call.constant("self")
    )


@operator("matmul", "mm")
def _matmul(call: Call) -> Signal:
    name = "other" if "other" in call.arguments else "mat2"
    if isinstance(call.get(name), Signal):
        raise UnsupportedError("it multiplies two signals, which is not linear", "use layers with weights")
    return linear.dense(call.writer, call.name, call.signal(), call.needed(name), None)


@operator("batch_norm", "_native_batch_norm_legit_no_training")
def _batch_norm(call: Call) -> Signal:
    if call.get("training"):
        raise UnsupportedError("it normalizes by its own batch", "give it running statistics")
    mean, variance = call.needed("running_mean"), call.needed("running_var")
    gamma, beta = call.constant("weight"), call.constant("bias")
    gamma = np.ones_like(mean) if gamma is None else gamma
    beta = np.zeros_like(mean) if beta is None else beta
    weights = [gamma, beta, mean, variance]
    return linear.batch_normalization(call.writer, call.name, call.signal(), weights, float(call.get("eps")))


@operator("layer_norm", "native_layer_norm")
def _layer_norm(call: Call) -> Signal:
    x = call.signal()
    count = len(call.get("normalized_shape"))
    weights = [values for values in (call.constant("weight"), call.constant("bias")) if values is not None]
    axes = list(range(len(x.shape) - count, len(x.shape)))
    return linear.layer_normalization(call.writer, call.name, x, weights, axes, float(call.get("eps")))


@operator(
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
)
def _pool(call: Call) -> Signal:
    rank = len(call.signal().shape) - 2
    size = call.ints("kernel_size", rank)
    stride = call.ints("stride", rank) if call.get("stride") else size
    if call.get("divisor_override") is not None:
        raise UnsupportedError("its divisor is not the size of its window", "leave divisor_override out")
    dilation = call.ints("dilation", rank, 1)
    padding: Pairs = [(n, n) for n in call.ints("padding", rank)]
    windows = Windows(size, stride, dilation, padding, bool(call.get("ceil_mode")))
    average = call.operator.startswith("avg")
    counted = average and bool(call.get("count_include_pad", default=True))
    return linear.pool(
        call.writer, call.name, call.signal(), windows, "Average" if average else "Max", counted
    )


@operator("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d")
def _adaptive_pool(call: Call) -> Signal:
    x = call.signal()
    spatial = x.shape[2:]
    given = call.get("output_size")
    given = [given] * len(spatial) if isinstance(given, int) else given
    sizes = [n if size is None else int(size) for n, size in zip(spatial, given, strict=True)]
    kind = "Average" if "avg" in call.operator else "Max"
    if all(size == 1 for size in sizes):
        axes = list(range(2, len(x.shape)))
        return linear.global_pool(call.writer, call.name, x, axes, kind, keepdims=True)
    if any(n % size for n, size in zip(spatial, sizes, strict=True)):
        raise UnsupportedError(
            f"it makes {tuple(sizes)} of {tuple(spatial)}, with windows of several sizes",
            "pool to sizes that divide those of the input",
        )
    windows = [n // size for n, size in zip(spatial, sizes, strict=True)]
    if all(n == 1 for n in windows):
        return x
    none: Pairs = [(0, 0)] * len(spatial)
    return linear.pool(call.writer, call.name, x, Windows(windows, windows, [1] * len(spatial), none), kind)


@operator("mean", "amax")
def _reduce(call: Call) -> Signal:
    axes = call.get("dim")
    if not axes:
        raise UnsupportedError("it reduces the batch as well", "reduce the spatial axes alone")
    kind = "Average" if call.operator == "mean" else "Max"
    keepdims = bool(call.get("keepdim"))
    return linear.global_pool(call.writer, call.name, call.signal(), list(axes), kind, keepdims)


def _padding(call: Call, kernel: tuple[int, ...], dilation: list[int]) -> Pairs:
    mode = call.get("padding", default=0)
    if mode == "valid":
        return [(0, 0)] * len(kernel)
    if mode == "same":
        totals = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(n, n) for n in call.ints("padding", len(kernel))]
