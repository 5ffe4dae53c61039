"""Padding by numbers, upsampling, and changes of layout that end in the weights behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras_files import L, input_layer, keras_file, kinds, outputs, quiet

from spikeserve import ConversionError
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.windows import padding_modes, window_padding

RNG = np.random.default_rng(8)


def test_padding_by_numbers() -> None:
    assert window_padding((2, 0), 9, 3, 2) == (5, 2, 0)
    assert padding_modes({"padding": [[1, 0], [2, 3]]}, 2) == [(1, 0), (2, 3)]
    assert padding_modes({"padding": [[1, 2]]}, 1) == [(1, 2)]
    assert padding_modes({"padding": "SAME"}, 2) == ["same", "same"]
    for wrong in ([[1, 0]], [[1], [2]], [[1, -1], [0, 0]]):
        with pytest.raises(UnsupportedError):
            padding_modes({"padding": wrong}, 2)


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_upsampling_repeats_values(tmp_path: Path, layout: str) -> None:
    first = layout == "channels_first"
    layer = L("UpSampling2D", {"size": [2, 3], "data_format": layout, "interpolation": "nearest"})
    x = RNG.normal(size=(2, 3, 4, 5)).astype("f4")
    (got,) = outputs(quiet(keras_file(tmp_path, input_layer(3, 4, 5), layer)), x)
    axes = (2, 3) if first else (1, 2)
    assert np.array_equal(got, x.repeat(2, axes[0]).repeat(3, axes[1]))


def test_upsampling_of_series(tmp_path: Path) -> None:
    x = RNG.normal(size=(2, 4, 3)).astype("f4")
    (got,) = outputs(quiet(keras_file(tmp_path, input_layer(4, 3), L("UpSampling1D", {"size": 3}))), x)
    assert np.array_equal(got, x.repeat(3, 1))


def test_upsampling_by_curves_is_refused(tmp_path: Path) -> None:
    layer = L("UpSampling2D", {"size": 2, "interpolation": "bicubic"})
    with pytest.raises(ConversionError, match="its interpolation is 'bicubic'; use 'nearest' or 'bilinear'"):
        quiet(keras_file(tmp_path, input_layer(3, 4, 5), layer))


def test_flattened_channels_move_the_columns_of_weights(tmp_path: Path) -> None:
    kernel = RNG.normal(size=(24, 2)).astype("f4")
    permute = L("Permute", {"dims": [3, 1, 2]})
    layers = [
        permute,
        L("Reshape", {"target_shape": [24]}),
        L("Dense", {"units": 2, "use_bias": False}, [kernel]),
    ]
    network = quiet(keras_file(tmp_path, input_layer(2, 3, 4), *layers))
    assert kinds(network) == ["input", "reshape", "affine"]
    x = RNG.normal(size=(3, 2, 3, 4)).astype("f4")
    wanted = x.transpose(0, 3, 1, 2).reshape(3, 24) @ kernel
    assert outputs(network, x)[0] == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_weights_that_others_need_as_they_are_stay(tmp_path: Path) -> None:
    kernel = RNG.normal(size=(4, 4)).astype("f4")
    dense = L("Dense", {"units": 4, "use_bias": False}, [kernel])
    layers = [L("Permute", {"dims": [2, 1]}), dense]  # over the last axis: nothing is flattened
    network = quiet(keras_file(tmp_path, input_layer(4, 3), *layers))
    assert kinds(network) == ["input", "permute", "affine"]


def test_axes_of_size_one_are_not_permuted(tmp_path: Path) -> None:
    network = quiet(keras_file(tmp_path, input_layer(1, 3, 4), L("Permute", {"dims": [2, 3, 1]})))
    assert kinds(network) == ["input", "reshape"]
    x = RNG.normal(size=(2, 1, 3, 4)).astype("f4")
    assert np.array_equal(outputs(network, x)[0], x.transpose(0, 2, 3, 1))
