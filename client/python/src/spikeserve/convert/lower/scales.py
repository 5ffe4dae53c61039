"""Per-channel scale and shift of the layers that are nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.graph import Layer
from spikeserve.convert.read.records import plain_value

_MIN_DEVIATION = 1e-7  # Keras' floor under the deviation of Normalization


def layer_scale_shift(layer: Layer, shape: tuple[int, ...]) -> tuple[Array, Array, int]:
    """(scale, shift, axis): float64 vectors [n] along `axis` (batch excluded), or [1] for all.

    `shape` is the input's, without batch. Raises UnsupportedError for other forms.
    """
    if layer.class_name == "BatchNormalization":
        return _batch_normalization(layer, shape)
    if layer.class_name == "Normalization":
        return _normalization(layer, shape)
    return _rescaling(layer, shape)


def _batch_normalization(layer: Layer, shape: tuple[int, ...]) -> tuple[Array, Array, int]:
    config = layer.config
    axis = _axis(config.get("axis", -1), shape)
    count = shape[axis]
    names = ["gamma"] * bool(config.get("scale", True)) + ["beta"] * bool(config.get("center", True))
    names += ["mean", "variance"]
    weights = [np.asarray(w, np.float64) for w in layer.weights[: len(names)]]
    extra = 3 if config.get("renorm") else 0
    good = len(layer.weights) == len(names) + extra and all(w.shape == (count,) for w in weights)
    if not good:
        raise UnsupportedError(
            f"its weights have the shapes {[w.shape for w in layer.weights]}, wanted "
            f"{len(names)} of ({count},)",
            "the file is damaged or of another model; save it again",
        )
    values = dict(zip(names, weights, strict=True))
    deviation = np.sqrt(values["variance"] + float(config.get("epsilon", 1e-3)))
    scale = values.get("gamma", np.ones(count)) / deviation
    return scale, values.get("beta", np.zeros(count)) - values["mean"] * scale, axis


def _normalization(layer: Layer, shape: tuple[int, ...]) -> tuple[Array, Array, int]:
    config = layer.config
    axes = config.get("axis", -1)
    axes = axes if isinstance(axes, list) else [] if axes is None else [axes]
    if len(axes) > 1:
        raise UnsupportedError(f"it normalises along the axes {axes}", "normalise along one axis")
    axis = _axis(axes, shape) if axes else len(shape) - 1
    count = shape[axis] if axes else 1
    mean, variance = plain_value(config.get("mean")), plain_value(config.get("variance"))
    if mean is None or variance is None:
        if len(layer.weights) < 2:
            raise UnsupportedError("it has no mean and variance", "call adapt() before saving")
        mean, variance = layer.weights[0], layer.weights[1]
    center = _vector(mean, count, "mean")
    deviation = np.maximum(np.sqrt(_vector(variance, count, "variance")), _MIN_DEVIATION)
    if config.get("invert"):
        return deviation, center, axis
    return 1 / deviation, -center / deviation, axis


def _rescaling(layer: Layer, shape: tuple[int, ...]) -> tuple[Array, Array, int]:
    scale = np.asarray(plain_value(layer.config.get("scale", 1.0)), np.float64)
    offset = np.asarray(plain_value(layer.config.get("offset", 0.0)), np.float64)
    count = max(scale.size, offset.size)
    axis = _axis(layer.config.get("axis", -1), shape)  # readers of other formats set it
    if count not in (1, shape[axis]):
        raise UnsupportedError(
            f"scale and offset have {count} values for an axis of {shape[axis]}",
            "give one value or one per channel",
        )
    return _vector(scale, count, "scale"), _vector(offset, count, "offset"), axis


def _axis(axis: Any, shape: tuple[int, ...]) -> int:
    """An axis without batch from Keras' (batch counted, possibly a list of one)."""
    axis = plain_value(axis)
    if isinstance(axis, list) and len(axis) == 1:
        axis = axis[0]
    rank = len(shape) + 1
    if not isinstance(axis, int) or not -rank < axis < rank or axis % rank == 0:
        raise UnsupportedError(f"axis is {axis!r} for an input of shape {shape}", "use one axis")
    return axis % rank - 1


def _vector(values: Any, count: int, what: str) -> Array:
    flat = np.asarray(values, np.float64).ravel()
    if flat.size not in (1, count) or not np.isfinite(flat).all():
        raise UnsupportedError(f"{what} has {flat.size} values, wanted {count} finite ones", "check it")
    return np.ascontiguousarray(np.broadcast_to(flat, (count,)))
