"""What Keras does to the sizes of maps [batch, spatial..., channels], by plain rules: for the check."""

from __future__ import annotations

import itertools

import numpy as np

from spikeserve.convert.arrays import Array


def scatter(x: Array, kernel: Array, strides: tuple[int, ...], steps: tuple[int, ...], same: bool) -> Array:
    """A transposed convolution: every value adds the kernel [spatial..., out, in] where it stands.

    `steps`: of the dilated kernel; `same`: cut to `strides` times the size.
    """
    extents = [(k - 1) * d + 1 for k, d in zip(kernel.shape, steps, strict=False)]
    spans = [n * s + max(e - s, 0) for n, s, e in zip(x.shape[1:], strides, extents, strict=False)]
    total = np.zeros((len(x), *spans, kernel.shape[-2]))
    for position in itertools.product(*(range(k) for k in kernel.shape[: len(strides)])):
        where = [
            slice(p * d, p * d + (n - 1) * s + 1, s)
            for p, d, n, s in zip(position, steps, x.shape[1:-1], strides, strict=True)
        ]
        total[(slice(None), *where)] += x @ kernel[position].T
    if same:
        for axis, (n, s, e) in enumerate(zip(x.shape[1:-1], strides, extents, strict=True), start=1):
            total = np.take(total, np.arange(n * s) + max(e - s, 0) // 2, axis=axis)
    return total


def resample(x: Array, sizes: tuple[int, ...], interpolation: str) -> Array:
    """The values at the centers of as many cells along each spatial axis."""
    nearest = interpolation == "nearest"
    for axis, size in enumerate(sizes, start=1):
        n = x.shape[axis]
        where = (np.arange(size) + 0.5) * (n / size) - 0.5
        low = np.clip(np.floor(where + (0.5 if nearest else 0)).astype(int), 0, n - 1)
        high = low if nearest else np.clip(np.floor(where).astype(int) + 1, 0, n - 1)
        share = (where - np.floor(where)).reshape(-1, *(1,) * (x.ndim - axis - 1))
        x = np.take(x, low, axis=axis) * (1 - share) + np.take(x, high, axis=axis) * share
    return x
