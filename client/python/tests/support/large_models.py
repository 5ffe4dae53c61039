"""Seeded models whose weights and activations are of the size of trained ones, as `.keras` files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from keras_files import L, dense, input_layer, keras_file


def chain_of_convolutions(
    folder: Path, side: int, blocks: Sequence[Sequence[int]], widths: Sequence[int]
) -> Path:
    """As a VGG is: filters of 3x3 in blocks, an average pool behind each, then dense layers; 10 outputs."""
    rng = np.random.default_rng(7)
    layers, channels = [input_layer(side, side, 3)], 3
    for block in blocks:
        for filters in block:
            config = {"filters": filters, "kernel_size": [3, 3], "padding": "same", "activation": "relu"}
            layers.append(L("Conv2D", config, _weights(rng, 3, 3, channels, filters)))
            channels = filters
        layers.append(L("AveragePooling2D", {"pool_size": [2, 2]}))
        side //= 2
    return keras_file(folder, *layers, L("Flatten"), *_dense(rng, side * side * channels, widths))


def dense_chain(folder: Path, inputs: int, widths: Sequence[int]) -> Path:
    """Dense layers of these widths and 10 outputs."""
    return keras_file(folder, input_layer(inputs), *_dense(np.random.default_rng(7), inputs, widths))


def _dense(rng: np.random.Generator, inputs: int, widths: Sequence[int]) -> list[L]:
    sizes = [inputs, *widths]
    hidden = [dense(size, _weights(rng, before, size), "relu") for before, size in pairwise(sizes)]
    return [*hidden, dense(10, _weights(rng, sizes[-1], 10), "softmax")]


def _weights(rng: np.random.Generator, *shape: int) -> list[np.ndarray]:
    """A kernel that keeps the size of activations from layer to layer, and biases."""
    kernel = rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[:-1]))
    return [kernel.astype("f4"), (0.05 * rng.standard_normal(shape[-1])).astype("f4")]
