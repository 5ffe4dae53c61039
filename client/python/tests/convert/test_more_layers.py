"""Transposed convolutions, resizing, PReLU and what is nothing at inference, against plain loops."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, input_layer, keras_file, kinds, neurons, outputs, quiet, random_dense

import spikeserve
from spikeserve import ConversionError
from spikeserve.convert.memory.counts import run_counts

RNG = np.random.default_rng(31)


def transposed(x: np.ndarray, kernel: np.ndarray, stride: int, dilation: int, padding: str) -> np.ndarray:
    """Every value of [n, h, w, in] adds its kernel [kh, kw, out, in], one number at a time."""
    n, height, width, _ = x.shape
    reach = [(k - 1) * dilation + 1 for k in kernel.shape[:2]]
    spans = [size * stride + max(r - stride, 0) for size, r in zip((height, width), reach, strict=True)]
    full = np.zeros((n, *spans, kernel.shape[2]))
    for i, j, p, q in itertools.product(range(height), range(width), *map(range, kernel.shape[:2])):
        full[:, i * stride + p * dilation, j * stride + q * dilation] += x[:, i, j] @ kernel[p, q].T
    if padding == "valid":
        return full
    cut = [max(r - stride, 0) // 2 for r in reach]
    return full[:, cut[0] : cut[0] + height * stride, cut[1] : cut[1] + width * stride]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [((3, 3), 2, 1), ((2, 2), 2, 1), ((4, 3), 3, 1), ((3, 2), 1, 2), ((1, 1), 2, 1)],
)
def test_transposed_convolutions(
    tmp_path: Path, kernel: tuple[int, int], stride: int, dilation: int, padding: str
) -> None:
    x = RNG.normal(size=(2, 5, 4, 3)).astype("f4")
    weights = [RNG.normal(size=(*kernel, 2, 3)).astype("f4"), RNG.normal(size=2).astype("f4")]
    config = {
        "filters": 2, "kernel_size": list(kernel), "strides": stride, "dilation_rate": dilation,
        "padding": padding,
    }  # fmt: skip
    path = keras_file(tmp_path, input_layer(5, 4, 3), L("Conv2DTranspose", config, weights))
    wanted = transposed(x, weights[0], stride, dilation, padding) + weights[1]
    assert outputs(quiet(path), x)[0] == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_transposed_convolutions_of_sequences_and_other_layouts(tmp_path: Path) -> None:
    x = RNG.normal(size=(2, 6, 3)).astype("f4")
    kernel = RNG.normal(size=(3, 2, 3)).astype("f4")
    config = {"filters": 2, "kernel_size": 3, "strides": 2, "use_bias": False}
    path = keras_file(tmp_path, input_layer(6, 3), L("Conv1DTranspose", config, [kernel]))
    wanted = transposed(x[:, :, None], kernel[:, None], 2, 1, "valid")[:, :, :1, :].squeeze(2)
    assert outputs(quiet(path), x)[0] == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    first = {**config, "data_format": "channels_first"}
    path = keras_file(tmp_path, input_layer(3, 6), L("Conv1DTranspose", first, [kernel]))
    got = outputs(quiet(path), x.transpose(0, 2, 1))[0]
    assert got == pytest.approx(wanted.transpose(0, 2, 1), rel=1e-4, abs=1e-4)


def test_transposed_convolutions_behind_neurons(tmp_path: Path) -> None:
    x = RNG.uniform(0, 1, (100, 4, 4, 3)).astype("f4")
    weights = [RNG.normal(size=(3, 3, 2, 3)).astype("f4"), np.zeros(2, "f4")]
    config = {"filters": 2, "kernel_size": [3, 3], "strides": 2, "padding": "same", "activation": "relu"}
    layers = [L("ReLU"), L("Conv2DTranspose", config, weights), L("GlobalAveragePooling2D")]
    network = quiet(keras_file(tmp_path, input_layer(4, 4, 3), *layers), sample_data=x)
    wanted = np.maximum(transposed(x, weights[0], 2, 1, "same"), 0).mean(axis=(1, 2))
    values = run_counts(network.definition, {"input": x}, 1000)
    assert values[network.definition.probes[0].target] == pytest.approx(wanted, rel=0.01, abs=0.01)


def test_an_output_padding_is_refused(tmp_path: Path) -> None:
    config = {"filters": 2, "kernel_size": [3, 3], "output_padding": [1, 1]}
    weights = [np.zeros((3, 3, 2, 3), "f4"), np.zeros(2, "f4")]
    with pytest.raises(ConversionError, match="it has an output_padding; leave it out"):
        spikeserve.convert(keras_file(tmp_path, input_layer(5, 5, 3), L("Conv2DTranspose", config, weights)))


def resized(x: np.ndarray, size: int, nearest: bool) -> np.ndarray:
    """The first axis [n, ...], one place at a time."""
    rows = []
    for i in range(size):
        place = (i + 0.5) * len(x) / size
        if nearest:
            rows.append(x[min(int(place), len(x) - 1)])
            continue
        place = min(max(place - 0.5, 0), len(x) - 1)
        low = int(place)
        high = min(low + 1, len(x) - 1)
        rows.append(x[low] * (1 - (place - low)) + x[high] * (place - low))
    return np.stack(rows)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize(("height", "width"), [(8, 6), (3, 5), (4, 4)])
def test_resizing(tmp_path: Path, interpolation: str, height: int, width: int) -> None:
    x = RNG.normal(size=(2, 4, 5, 3)).astype("f4")
    config = {"height": height, "width": width, "interpolation": interpolation}
    got = outputs(quiet(keras_file(tmp_path, input_layer(4, 5, 3), L("Resizing", config))), x)[0]
    nearest = interpolation == "nearest"
    tall = resized(x.transpose(1, 0, 2, 3), height, nearest).transpose(1, 0, 2, 3)
    wanted = resized(tall.transpose(2, 0, 1, 3), width, nearest).transpose(1, 2, 0, 3)
    assert got == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_upsampling_between_values(tmp_path: Path) -> None:
    x = RNG.normal(size=(2, 3, 4, 2)).astype("f4")
    layer = L("UpSampling2D", {"size": [2, 3], "interpolation": "bilinear"})
    got = outputs(quiet(keras_file(tmp_path, input_layer(3, 4, 2), layer)), x)[0]
    tall = resized(x.transpose(1, 0, 2, 3), 6, False).transpose(1, 0, 2, 3)
    assert got == pytest.approx(
        resized(tall.transpose(2, 0, 1, 3), 12, False).transpose(1, 2, 0, 3), abs=1e-5
    )


@pytest.mark.parametrize("option", [{"interpolation": "bicubic"}, {"crop_to_aspect_ratio": True}])
def test_resizing_that_is_refused(tmp_path: Path, option: dict[str, Any]) -> None:
    layer = L("Resizing", {"height": 2, "width": 2, **option})
    with pytest.raises(
        ConversionError, match=str(next(iter(option.values()))) if "inter" in str(option) else "aspect"
    ):
        spikeserve.convert(keras_file(tmp_path, input_layer(4, 4, 1), layer))


def test_crops_and_repeats(tmp_path: Path) -> None:
    x = RNG.normal(size=(2, 5, 6, 3)).astype("f4")
    crop = L("CenterCrop", {"height": 2, "width": 3})
    got = outputs(quiet(keras_file(tmp_path, input_layer(5, 6, 3), crop)), x)[0]
    assert got == pytest.approx(x[:, 1:3, 1:4])
    large = L("CenterCrop", {"height": 9, "width": 3})
    with pytest.raises(ConversionError, match="at most the size of the image"):
        spikeserve.convert(keras_file(tmp_path, input_layer(5, 6, 3), large))
    rows = outputs(
        quiet(keras_file(tmp_path, input_layer(4), L("RepeatVector", {"n": 3}))), x[0, 0, :4, :1].T
    )
    assert rows[0] == pytest.approx(np.repeat(x[0, 0, :4, :1].T[:, None], 3, axis=1))


@pytest.mark.parametrize("name", ["RandomFlip", "RandomRotation", "RandomZoom", "SpatialDropout2D"])
def test_what_only_training_does(tmp_path: Path, name: str) -> None:
    path = keras_file(tmp_path, input_layer(4, 4, 1), L(name), L("Flatten"), random_dense(16, 2))
    assert kinds(quiet(path)) == ["input", "reshape", "affine"]


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4, 1), (5, 4, 3)])
def test_slopes_of_a_prelu(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Two populations: there are neurons for one slope alone."""
    slopes = RNG.uniform(-0.5, 1.5, shape).astype("f4")
    x = RNG.normal(size=(200, 5, 4, 3)).astype("f4")
    layers = [L("PReLU", {}, [slopes]), L("GlobalAveragePooling2D")]
    network = quiet(keras_file(tmp_path, input_layer(5, 4, 3), *layers), sample_data=x)
    wanted = (np.maximum(x, 0) + slopes * np.minimum(x, 0)).mean(axis=(1, 2))
    assert outputs(network, x)[0] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert len(neurons(network)) == 2
    values = run_counts(network.definition, {"input": x}, 1000)
    assert values[network.definition.probes[0].target] == pytest.approx(wanted, rel=0.01, abs=0.01)


def test_one_slope_is_that_of_one_population(tmp_path: Path) -> None:
    x = RNG.normal(size=(100, 5, 4, 3)).astype("f4")
    layer = L("PReLU", {}, [np.full((1, 1, 3), 0.25, "f4")])
    network = quiet(keras_file(tmp_path, input_layer(5, 4, 3), layer, L("Flatten")), sample_data=x)
    (neuron,) = neurons(network).values()
    assert neuron.memory_rectified_linear.negative_slope == 0.25


def test_scales_of_channels(tmp_path: Path) -> None:
    x, gamma = RNG.normal(size=(2, 3, 4)).astype("f4"), RNG.normal(size=4).astype("f4")
    layer = L("LayerScale", {"projection_dim": 4}, [gamma])
    got = outputs(quiet(keras_file(tmp_path, input_layer(3, 4), layer)), x)[0]
    assert got == pytest.approx(x * gamma, rel=1e-5)
