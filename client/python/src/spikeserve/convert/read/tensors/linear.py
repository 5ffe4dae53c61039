"""Layers with weights, pools and scales."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.graph import Config
from spikeserve.convert.read.tensors.windows import Pairs, Windows
from spikeserve.convert.read.tensors.writer import GraphWriter, Signal

_FIRST = "channels_first"


def dense(writer: GraphWriter, name: str, x: Signal, kernel: Array, bias: Array | None) -> Signal:
    """x @ kernel [in, out] + bias [out], over the last axis."""
    if not x.sample or kernel.ndim != 2 or kernel.shape[0] != x.shape[-1]:
        raise UnsupportedError(
            f"its weights have the shape {kernel.shape} for an input of {x.sample}", "check the model"
        )
    units = kernel.shape[1]
    weights = [kernel] if bias is None else [kernel, _vector(bias, units, "bias")]
    config = {"units": units, "use_bias": bias is not None}
    return writer.add(name, "Dense", config, weights, [x], (*x.shape[:-1], units))


def convolution(
    writer: GraphWriter,
    name: str,
    x: Signal,
    weight: Array,
    bias: Array | None,
    windows: Windows,
    groups: int,
) -> Signal:
    """A convolution of x [batch, in, spatial...] with weights [out, in / groups, kernel...]."""
    rank = weight.ndim - 2
    if rank < 1 or len(x.shape) != weight.ndim:
        raise UnsupportedError(
            f"its weights have the shape {weight.shape} for an input of {x.sample}", "check the model"
        )
    if groups < 1 or weight.shape[1] * groups != x.shape[1] or weight.shape[0] % groups:
        raise UnsupportedError(
            f"its weights {weight.shape} in {groups} groups do not fit {x.shape[1]} channels",
            "check the model",
        )
    sizes, padding = windows.placed(x.shape[2:])
    config: Config = {
        "filters": weight.shape[0],
        "kernel_size": list(weight.shape[2:]),
        "strides": list(windows.stride),
        "dilation_rate": list(windows.dilation),
        "groups": groups,
        "use_bias": bias is not None,
        "data_format": _FIRST,
        "padding": _padding(padding),
    }
    weights = [np.moveaxis(weight, (0, 1), (-1, -2))]
    if bias is not None:
        weights.append(_vector(bias, weight.shape[0], "bias"))
    return writer.add(name, f"Conv{rank}D", config, weights, [x], (x.shape[0], weight.shape[0], *sizes))


def pool(
    writer: GraphWriter, name: str, x: Signal, windows: Windows, kind: str, count_padding: bool = False
) -> Signal:
    """The "Average" or "Max" of windows; an average counts its padding with zeros where it is told to."""
    rank = len(x.shape) - 2
    if rank < 1:
        raise UnsupportedError(f"its input has the shape {x.sample}", "give it channels and spatial axes")
    if any(d != 1 for d in windows.dilation):
        raise UnsupportedError(f"its dilations are {list(windows.dilation)}", "pool without dilation")
    sizes, padding = windows.placed(x.shape[2:])
    counted = count_padding and any(map(any, windows.padding))
    if counted and padding != windows.padding:
        raise UnsupportedError(
            "windows that end outside of a padding that counts are not supported",
            "pool without ceil_mode or without count_include_pad",
        )
    config: Config = {
        "pool_size": list(windows.size),
        "strides": list(windows.stride),
        "data_format": _FIRST,
        "padding": _padding(padding),
    }
    if counted:
        config["count_include_pad"] = True
    return writer.add(name, f"{kind}Pooling{rank}D", config, [], [x], (*x.shape[:2], *sizes))


def global_pool(
    writer: GraphWriter, name: str, x: Signal, axes: list[int], kind: str, keepdims: bool
) -> Signal:
    """The "Average" or "Max" over all axes but the batch and the first or the last of the others."""
    rank = len(x.shape)
    spatial = sorted(axis % rank for axis in axes)
    layouts = {_FIRST: list(range(2, rank)), "channels_last": list(range(1, rank - 1))}
    found = [layout for layout, wanted in layouts.items() if wanted == spatial and wanted]
    if not found:
        raise UnsupportedError(
            f"it reduces the axes {axes} of {x.sample} (batch counted)", "reduce all spatial axes at once"
        )
    config = {"data_format": found[0], "keepdims": keepdims}
    if keepdims:
        shape = tuple(1 if axis in spatial else n for axis, n in enumerate(x.shape))
    else:
        shape = tuple(n for axis, n in enumerate(x.shape) if axis not in spatial)
    return writer.add(name, f"Global{kind}Pooling{len(spatial)}D", config, [], [x], shape)


def batch_normalization(
    writer: GraphWriter, name: str, x: Signal, weights: list[Array], epsilon: float
) -> Signal:
    """From gamma, beta, mean and variance, each [channels], of the axis behind the batch."""
    if not x.sample:
        raise UnsupportedError("its input has no channels", "check the model")
    vectors = [_vector(values, x.shape[1], "a statistic") for values in weights]
    return writer.add(name, "BatchNormalization", {"axis": 1, "epsilon": epsilon}, vectors, [x], x.shape)


def layer_normalization(
    writer: GraphWriter, name: str, x: Signal, weights: list[Array], axes: list[int], epsilon: float
) -> Signal:
    """Over these axes, with gamma and beta of their sizes."""
    config = {"axis": axes, "epsilon": epsilon, "scale": bool(weights), "center": len(weights) > 1}
    return writer.add(name, "LayerNormalization", config, weights, [x], x.shape)


def scale_shift(writer: GraphWriter, name: str, x: Signal, scale: Array, shift: Array) -> Signal:
    """x * scale + shift, both of shapes that broadcast to x and vary along one axis at most."""
    factors, scale_axis = along_one_axis(x, scale)
    offsets, shift_axis = along_one_axis(x, shift)
    if None not in (scale_axis, shift_axis) and scale_axis != shift_axis:
        raise UnsupportedError("its factors and offsets vary along different axes", "use two operations")
    axis = shift_axis if scale_axis is None else scale_axis
    if axis is None and factors[0] == 1 and offsets[0] == 0:
        return x
    config = {"scale": factors.tolist(), "offset": offsets.tolist()}
    if axis is not None:
        config["axis"] = axis
    return writer.add(name, "Rescaling", config, [], [x], x.shape)


def along_one_axis(x: Signal, values: Array) -> tuple[Array, int | None]:
    """A constant as float64 [n] and the axis of x, batch counted, that it is for; [1] and None for one value.

    UnsupportedError where it varies along several axes or along the batch, or makes x larger.
    """
    values = np.asarray(values, np.float64)
    shape = (1,) * (len(x.shape) - values.ndim) + values.shape
    fits = len(shape) == len(x.shape) and all(n in (1, m) for n, m in zip(shape, x.shape, strict=True))
    if not fits:
        raise UnsupportedError(
            f"a constant of the shape {values.shape} does not fit {x.sample}", "use one value per channel"
        )
    if not np.isfinite(values).all():
        raise UnsupportedError("its constant is infinite", "check the model")
    values = values.reshape(shape)
    varying = [axis for axis, n in enumerate(shape) if n > 1 and np.ptp(values, axis=axis).any()]
    if not varying:
        return values.reshape(-1)[:1], None
    if len(varying) > 1 or varying == [0]:
        raise UnsupportedError(
            f"its constant of the shape {values.shape} varies along several axes or the batch",
            "use one value per channel",
        )
    axis = varying[0]
    return np.moveaxis(values, axis, 0).reshape(shape[axis], -1)[:, 0], axis


def _padding(pairs: Pairs) -> str | list[list[int]]:
    return [list(pair) for pair in pairs] if any(map(any, pairs)) else "valid"


def _vector(values: Array, count: int, what: str) -> Array:
    """One value per channel, from any shape that broadcasts to that."""
    flat = values.reshape(-1)
    if flat.size not in (1, count) or values.shape[-1:] not in ((), (1,), (count,)):
        raise UnsupportedError(f"{what} has the shape {values.shape} for {count} channels", "check the model")
    return np.broadcast_to(flat, (count,))
