"""Layers against sums written out element by element, and the padding rules against a literal table."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, input_layer, keras_file, outputs, quiet

from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.windows import window_padding

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(
    ("n", "k", "s", "d", "wanted"),
    [
        (28, 3, 1, 1, (28, 1, 1)),
        (28, 3, 2, 1, (14, 0, 1)),
        (5, 2, 2, 1, (3, 0, 1)),
        (7, 3, 2, 1, (4, 1, 1)),
        (8, 5, 2, 1, (4, 1, 2)),
        (9, 5, 3, 1, (3, 1, 1)),
        (10, 3, 1, 2, (10, 2, 2)),
        (4, 2, 1, 1, (4, 0, 1)),
        (6, 1, 2, 1, (3, 0, 0)),
    ],
)
def test_same_padding(n: int, k: int, s: int, d: int, wanted: tuple[int, int, int]) -> None:
    assert window_padding("same", n, k, s, d) == wanted


def test_valid_and_causal_padding() -> None:
    assert window_padding("valid", 10, 3, 2, 2) == (3, 0, 0)
    assert window_padding("causal", 10, 3, 2, 2) == (5, 4, 0)  # the stride does not change the zeros
    for mode, size in (("valid", 2), ("full", 9)):
        with pytest.raises(UnsupportedError):
            window_padding(mode, size, 3, 1)


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """One output value at a time, from the definition of a cross-correlation."""
    groups, (sh, sw), (dh, dw) = config["groups"], config["strides"], config["dilation_rate"]
    kh, kw, width, filters = kernel.shape
    axes = [
        window_padding(config["padding"], n, k, s, d)
        for n, k, s, d in zip(x.shape[1:3], (kh, kw), (sh, sw), (dh, dw), strict=True)
    ]
    (height, top, _), (breadth, left, _) = axes
    result = np.zeros((len(x), height, breadth, filters))
    for b, i, j, o in itertools.product(range(len(x)), range(height), range(breadth), range(filters)):
        total = float(bias[o])
        first = (o // (filters // groups)) * width
        for p, q, c in itertools.product(range(kh), range(kw), range(width)):
            row, column = i * sh + p * dh - top, j * sw + q * dw - left
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                total += float(kernel[p, q, c, o]) * float(x[b, row, column, first + c])
        result[b, i, j, o] = total
    return result


@pytest.mark.parametrize(
    ("padding", "strides", "dilation", "groups"),
    [
        ("valid", (1, 1), (1, 1), 1),
        ("same", (1, 1), (1, 1), 2),
        ("same", (2, 3), (1, 1), 1),
        ("valid", (2, 1), (1, 1), 2),
        ("same", (1, 1), (2, 3), 1),
        ("valid", (1, 1), (2, 1), 2),
    ],
)
def test_convolutions(
    tmp_path: Path, padding: str, strides: tuple[int, int], dilation: tuple[int, int], groups: int
) -> None:
    kernel = RNG.normal(size=(3, 2, 4 // groups, 6)).astype("f4")
    bias = RNG.normal(size=6).astype("f4")
    config = {
        "filters": 6, "kernel_size": [3, 2], "padding": padding, "strides": list(strides),
        "dilation_rate": list(dilation), "groups": groups,
    }  # fmt: skip
    x = RNG.normal(size=(2, 7, 8, 4)).astype("f4")
    path = keras_file(tmp_path, input_layer(7, 8, 4), L("Conv2D", config, [kernel, bias]))
    (got,) = outputs(quiet(path), x)
    assert got == pytest.approx(convolve(x, kernel, bias, config), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_average_pools_divide_by_the_cells_that_exist(tmp_path: Path, padding: str) -> None:
    config = {"pool_size": [3, 2], "strides": [2, 2], "padding": padding}
    x = RNG.normal(size=(1, 6, 5, 2)).astype("f4")
    (got,) = outputs(quiet(keras_file(tmp_path, input_layer(6, 5, 2), L("AveragePooling2D", config))), x)
    rows, columns = (window_padding(padding, n, k, 2) for n, k in ((6, 3), (5, 2)))
    assert got.shape == (1, rows[0], columns[0], 2)
    for i, j in itertools.product(range(rows[0]), range(columns[0])):
        top, left = i * 2 - rows[1], j * 2 - columns[1]
        cells = x[0, max(top, 0) : top + 3, max(left, 0) : left + 2]
        assert got[0, i, j] == pytest.approx(cells.mean(axis=(0, 1)), rel=1e-5, abs=1e-6)


def test_dense_works_on_the_last_axis(tmp_path: Path) -> None:
    kernel = RNG.normal(size=(3, 2)).astype("f4")
    layer = L("Dense", {"units": 2, "use_bias": False}, [kernel])
    x = RNG.normal(size=(2, 5, 3)).astype("f4")
    (got,) = outputs(quiet(keras_file(tmp_path, input_layer(5, 3), layer)), x)
    for b, p, o in itertools.product(range(2), range(5), range(2)):
        wanted = sum(float(x[b, p, i]) * float(kernel[i, o]) for i in range(3))
        assert got[b, p, o] == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("axis", [-1, [3], 1])
@pytest.mark.parametrize("scale", [True, False])
def test_batch_normalization(tmp_path: Path, axis: Any, scale: bool) -> None:
    size = 3 if axis == 1 else 4
    gamma, beta, mean = RNG.normal(size=(3, size)).astype("f4")
    variance = RNG.uniform(0.1, 2, size).astype("f4")
    weights = [gamma, beta, mean, variance] if scale else [beta, mean, variance]
    config = {"axis": axis, "epsilon": 0.01, "scale": scale}
    path = keras_file(tmp_path, input_layer(3, 2, 4), L("BatchNormalization", config, weights))
    x = RNG.normal(size=(2, 3, 2, 4)).astype("f4")
    (got,) = outputs(quiet(path), x)
    for b, i, j, c in itertools.product(range(2), range(3), range(2), range(4)):
        k = i if axis == 1 else c
        factor = (gamma[k] if scale else 1) / math.sqrt(variance[k] + 0.01)
        wanted = factor * (x[b, i, j, c] - mean[k]) + beta[k]
        assert got[b, i, j, c] == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_a_batch_normalization_with_a_shift_is_not_folded_into_padding(tmp_path: Path) -> None:
    """Zeros of a padded convolution are zeros after the normalization, so folding would be wrong."""
    norm = [RNG.uniform(0.5, 2, 2).astype("f4") for _ in range(4)]
    kernel, bias = RNG.normal(size=(3, 3, 2, 2)).astype("f4"), RNG.normal(size=2).astype("f4")
    config = {"filters": 2, "kernel_size": [3, 3], "padding": "same"}
    layers = [input_layer(4, 4, 2), L("BatchNormalization", {}, norm), L("Conv2D", config, [kernel, bias])]
    network = quiet(keras_file(tmp_path, *layers))
    assert any(op.HasField("scale_shift") for op in network.definition.operations)
    x = RNG.normal(size=(1, 4, 4, 2)).astype("f4")
    shifted = norm[0] * (x - norm[2]) / np.sqrt(norm[3] + 1e-3) + norm[1]
    full = {**config, "strides": (1, 1), "dilation_rate": (1, 1), "groups": 1}
    wanted = convolve(shifted, kernel, bias, full)
    assert outputs(network, x)[0] == pytest.approx(wanted, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("layer", "factor", "shift"),
    [
        (L("Rescaling", {"scale": 0.5, "offset": -1.0}), 0.5, -1.0),
        (L("Rescaling", {"scale": [1.0, 2.0], "offset": [0.0, 3.0]}), np.array([1, 2]), np.array([0, 3])),
        (L("Normalization", {"axis": -1, "mean": [1.0, 2.0], "variance": [4.0, 0.25]}), [0.5, 2], [-0.5, -4]),
        (L("Normalization", {"axis": None, "mean": 1.0, "variance": 4.0, "invert": True}), 2, 1),
    ],
    ids=["scalar", "per-channel", "normalize", "invert"],
)
def test_scaling(tmp_path: Path, layer: L, factor: Any, shift: Any) -> None:
    x = RNG.normal(size=(3, 5, 2)).astype("f4")
    (got,) = outputs(quiet(keras_file(tmp_path, input_layer(5, 2), layer)), x)
    assert got == pytest.approx(x * np.asarray(factor) + np.asarray(shift), rel=1e-5, abs=1e-5)


def pad(x: np.ndarray, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    return np.pad(x, [(0, 0), rows, columns, (0, 0)])


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (L("Flatten"), lambda x: x.reshape(2, -1)),
        (L("Flatten", {"data_format": "channels_first"}), lambda x: np.moveaxis(x, 1, -1).reshape(2, -1)),
        (L("Reshape", {"target_shape": [4, -1]}), lambda x: x.reshape(2, 4, 6)),
        (L("Permute", {"dims": [3, 1, 2]}), lambda x: x.transpose(0, 3, 1, 2)),
        (L("ZeroPadding2D", {"padding": [[1, 2], [0, 3]]}), lambda x: pad(x, (1, 2), (0, 3))),
        (L("ZeroPadding2D", {"padding": 1}), lambda x: pad(x, (1, 1), (1, 1))),
        (L("Cropping2D", {"cropping": [[1, 0], [0, 2]]}), lambda x: x[:, 1:, :-2]),
        (L("GlobalAveragePooling2D"), lambda x: x.mean(axis=(1, 2))),
        (L("GlobalAveragePooling2D", {"data_format": "channels_first"}), lambda x: x.mean(axis=(2, 3))),
        (L("LeakyReLU", {"negative_slope": 0.1}), lambda x: np.where(x > 0, x, 0.1 * x)),
        (L("LeakyReLU", {"alpha": 0.2}), lambda x: np.where(x > 0, x, 0.2 * x)),
        (L("Activation", {"activation": "relu"}), lambda x: np.maximum(x, 0)),
        (L("Dropout", {"rate": 0.5}), lambda x: x),
        (L("GaussianNoise", {"stddev": 0.5}), lambda x: x),
    ],
    ids=lambda value: value.class_name if isinstance(value, L) else "",
)
def test_layers_without_weights(tmp_path: Path, layer: L, wanted: Any) -> None:
    x = RNG.normal(size=(2, 3, 4, 2)).astype("f4")
    (got,) = outputs(quiet(keras_file(tmp_path, input_layer(3, 4, 2), layer)), x)
    assert got.shape == wanted(x).shape
    assert got == pytest.approx(wanted(x), rel=1e-5, abs=1e-6)
