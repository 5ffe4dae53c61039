"""Operators with weights, pools and normalizations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.onnx.call import Call, Value, as_float, operator
from spikeserve.convert.read.tensors import linear
from spikeserve.convert.read.tensors.windows import Pairs, Windows, same_padding
from spikeserve.convert.read.tensors.writer import Signal


@operator("Conv")
def _conv(call: Call) -> Value:
    weight = call.constant(1, "weights")
    windows = _windows(call, call.signal(), weight.shape[2:])
    bias = call.optional(2, "bias")
    groups = call.integer("group", 1)
    return linear.convolution(call.writer, call.name, call.signal(), weight, bias, windows, groups)


@operator("Gemm")
def _gemm(call: Call) -> Value:
    if call.integer("transA", 0):
        raise UnsupportedError("it transposes its input", "export the model with transA=0")
    if len(call.signal().shape) != 2:
        raise UnsupportedError(f"its input has the shape {call.signal().sample}", "flatten it first")
    kernel = call.constant(1, "weights") * np.float64(call.number("alpha", 1.0))
    bias = call.optional(2, "bias")
    if bias is not None:
        bias = as_float(bias) * call.number("beta", 1.0)
    return linear.dense(
        call.writer, call.name, call.signal(), kernel.T if call.integer("transB", 0) else kernel, bias
    )


@operator("MatMul")
def _matmul(call: Call) -> Value:
    if isinstance(call.value(0), Signal) and isinstance(call.value(1), Signal):
        raise UnsupportedError("it multiplies two signals, which is not linear", "use layers with weights")
    kernel = call.constant(1, "weights")
    return linear.dense(call.writer, call.name, call.signal(), kernel, None)


@operator("AveragePool", "MaxPool")
def _pool(call: Call) -> Value:
    size = call.integers("kernel_shape", [])
    windows = _windows(call, call.signal(), size)
    if call.integer("storage_order", 0) or len([name for name in call.node.output if name]) > 1:
        raise UnsupportedError("it gives the places of the largest values", "use the values alone")
    kind = call.node.op_type.removesuffix("Pool")
    counted = bool(call.integer("count_include_pad", 0))
    return linear.pool(call.writer, call.name, call.signal(), windows, kind, counted and kind == "Average")


@operator("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(call: Call) -> Value:
    kind = call.node.op_type.removeprefix("Global").removesuffix("Pool")
    axes = list(range(2, len(call.signal().shape)))
    return linear.global_pool(call.writer, call.name, call.signal(), axes, kind, keepdims=True)


@operator("ReduceMean", "ReduceMax")
def _reduce(call: Call) -> Value:
    axes = call.axes(1, len(call.signal().shape))
    if axes is None:
        raise UnsupportedError("it reduces the batch as well", "reduce the spatial axes alone")
    kind = {"ReduceMean": "Average", "ReduceMax": "Max"}[call.node.op_type]
    keepdims = bool(call.integer("keepdims", 1))
    return linear.global_pool(call.writer, call.name, call.signal(), axes, kind, keepdims)


@operator("BatchNormalization")
def _batch_normalization(call: Call) -> Value:
    if call.integer("training_mode", 0):
        raise UnsupportedError("it normalizes by its own batch", "export the model for inference")
    weights = [call.constant(index, "statistics") for index in range(1, 5)]
    epsilon = call.number("epsilon", 1e-5)
    return linear.batch_normalization(call.writer, call.name, call.signal(), weights, epsilon)


@operator("LayerNormalization")
def _layer_normalization(call: Call) -> Value:
    rank = len(call.signal().shape)
    axis = call.integer("axis", -1)
    weights = [call.constant(1, "weights"), *([call.constant(2, "weights")] if call.has(2) else [])]
    axes = list(range(axis % rank, rank))
    epsilon = call.number("epsilon", 1e-5)
    return linear.layer_normalization(call.writer, call.name, call.signal(), weights, axes, epsilon)


def _windows(call: Call, x: Signal, size: Sequence[int]) -> Windows:
    """Strides, dilations and padding of a convolution or a pool with windows of this size."""
    rank = len(x.shape) - 2
    if rank < 1 or len(size) != rank:
        raise UnsupportedError(f"its windows are {list(size)} for an input of {x.sample}", "check the model")
    strides, dilations = call.integers("strides", [1] * rank), call.integers("dilations", [1] * rank)
    Windows(size, strides, dilations, [(0, 0)] * rank).check(rank)
    mode = call.word("auto_pad", "NOTSET")
    padding: Pairs = [(0, 0)] * rank
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        padding = same_padding(x.shape[2:], size, strides, dilations, mode == "SAME_UPPER")
    elif mode == "NOTSET":
        pads = call.integers("pads", [0] * 2 * rank)
        if len(pads) != 2 * rank:
            raise UnsupportedError(f"its pads are {pads}", f"give {2 * rank} numbers")
        padding = list(zip(pads[:rank], pads[rank:], strict=True))
    elif mode != "VALID":
        raise UnsupportedError(f"its auto_pad is {mode!r}", "use NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    return Windows(list(size), strides, dilations, padding, bool(call.integer("ceil_mode", 0)))
