"""Files of Keras 1, whose words and kernels differ, and kernels that were trained with Theano."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_files import h5_file, outputs, quiet

import spikeserve
from spikeserve import ConversionError

RNG = np.random.default_rng(1)
KERNEL = RNG.normal(size=(3, 2, 2, 4)).astype("f4")  # [rows, columns, in, out], as a correlation takes it
DENSE = RNG.normal(size=(4, 3)).astype("f4")
BIAS = RNG.normal(size=4).astype("f4")
IMAGES = RNG.normal(size=(2, 6, 5, 2)).astype("f4")


def convolution(layout: str, **more: Any) -> dict[str, Any]:
    shape = [None, 2, 6, 5] if layout == "th" else [None, 6, 5, 2]
    config = {
        "name": "conv", "nb_filter": 4, "nb_row": 3, "nb_col": 2, "subsample": [2, 1], "border_mode": "same",
        "dim_ordering": layout, "bias": True, "activation": "relu", "batch_input_shape": shape,
    }  # fmt: skip
    return {"class_name": "Convolution2D", "config": config | more}


def record(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}


def saved(folder: Path, layout: str, kernel: np.ndarray, backend: str | None) -> Path:
    """A Sequential model as Keras 1 wrote it: a list of layers, names without paths."""
    layers = [
        convolution(layout),
        record("Dropout", "drop", p=0.5),
        record("GlobalAveragePooling2D", "pool", dim_ordering=layout),
        record("Dense", "dense", output_dim=3, bias=False, activation="linear", input_dim=None),
    ]
    weights = {
        "conv": {"conv_W": kernel, "conv_b": BIAS},
        "drop": {},
        "pool": {},
        "dense": {"dense_W": DENSE},
    }
    path = h5_file(folder, {"class_name": "Sequential", "config": layers}, weights, version="1.2.2")
    if backend is not None:
        with h5py.File(path, "a") as file:
            file.attrs["backend"] = backend.encode()
    return path


def wanted(images: np.ndarray) -> np.ndarray:
    """The model computed value by value: `same` pads 0 rows before and 1 behind, 0 columns and 1."""
    padded = np.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))
    maps = np.zeros((len(images), 3, 5, 4))
    for row, column in np.ndindex(3, 5):
        window = padded[:, 2 * row : 2 * row + 3, column : column + 2]
        maps[:, row, column] = np.einsum("brci,rcio->bo", window, KERNEL) + BIAS
    return np.asarray(np.maximum(maps, 0).mean((1, 2)) @ DENSE)


FLIPPED = np.flip(KERNEL, (0, 1))


@pytest.mark.parametrize(
    ("layout", "kernel", "backend"),
    [
        ("tf", KERNEL, "tensorflow"),
        ("tf", KERNEL, None),
        ("tf", FLIPPED, "theano"),
        ("th", KERNEL.transpose(3, 2, 0, 1), "tensorflow"),
        ("th", FLIPPED.transpose(3, 2, 0, 1), "theano"),
    ],
)
def test_models_of_keras_1(tmp_path: Path, layout: str, kernel: np.ndarray, backend: str | None) -> None:
    network = quiet(saved(tmp_path, layout, kernel, backend))
    x = IMAGES.transpose(0, 3, 1, 2) if layout == "th" else IMAGES
    assert outputs(network, x)[0] == pytest.approx(wanted(IMAGES), rel=1e-4, abs=1e-5)
    assert "Keras 1.2.2" in network.definition.provenance.source_format


def test_a_kernel_that_may_be_flipped_or_not_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, "th", KERNEL.transpose(3, 2, 0, 1), None)
    with pytest.raises(
        ConversionError, match="'conv' may have been trained with Theano, which flips kernels"
    ):
        spikeserve.convert(path)


@pytest.mark.parametrize("layout", ["tf", "th"])
def test_series_of_keras_1(tmp_path: Path, layout: str) -> None:
    kernel = RNG.normal(size=(3, 2, 4)).astype("f4")  # [length, in, out]
    stored = kernel[:, None] if layout == "tf" else kernel.transpose(2, 1, 0)[..., None]
    layers = [
        record("Convolution1D", "conv", nb_filter=4, filter_length=3, subsample_length=2, border_mode="valid",
               bias=False, activation="linear", batch_input_shape=[None, 7, 2]),
        record("AveragePooling1D", "pool", pool_length=2, stride=1, border_mode="valid"),
    ]  # fmt: skip
    path = h5_file(
        tmp_path, {"class_name": "Sequential", "config": layers}, {"conv": {"conv_W": stored}}, "1.1.0"
    )
    x = RNG.normal(size=(2, 7, 2)).astype("f4")
    maps = np.stack([np.einsum("bki,kio->bo", x[:, 2 * i : 2 * i + 3], kernel) for i in range(3)], 1)
    assert outputs(quiet(path), x)[0] == pytest.approx((maps[:, :-1] + maps[:, 1:]) / 2, rel=1e-4, abs=1e-5)


def test_branches_of_keras_1(tmp_path: Path) -> None:
    layers = [
        {**record("InputLayer", "x", batch_input_shape=[None, 4]), "name": "x", "inbound_nodes": []},
        {**record("Dense", "a", output_dim=4, bias=False), "name": "a", "inbound_nodes": [[["x", 0, 0]]]},
        {**record("Merge", "sum", mode="sum"), "name": "sum", "inbound_nodes": [[["x", 0, 0], ["a", 0, 0]]]},
        {**record("Merge", "join", mode="concat", concat_axis=-1), "name": "join",
         "inbound_nodes": [[["sum", 0, 0], ["x", 0, 0]]]},
    ]  # fmt: skip
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["join", 0, 0]]}
    kernel = RNG.normal(size=(4, 4)).astype("f4")
    path = h5_file(
        tmp_path, {"class_name": "Model", "config": config}, {"a": {"a_W": kernel}}, version="1.2.0"
    )
    x = RNG.normal(size=(3, 4)).astype("f4")
    assert outputs(quiet(path), x)[0] == pytest.approx(
        np.concatenate([x + x @ kernel, x], 1), rel=1e-4, abs=1e-5
    )


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (record("BatchNormalization", "norm", mode=2, batch_input_shape=[None, 4]), "'norm' .* has mode 2"),
        (
            record("Merge", "m", mode="dot", batch_input_shape=[None, 4]),
            r"'m' \(Merge\): this layer is not supp",
        ),
        (
            record("MaxoutDense", "m", batch_input_shape=[None, 4]),
            r"'m' \(MaxoutDense\): this layer is not supp",
        ),
    ],
)
def test_layers_of_keras_1_that_are_not_read(tmp_path: Path, layer: dict[str, Any], message: str) -> None:
    path = h5_file(tmp_path, {"class_name": "Sequential", "config": [layer]}, {}, version="1.2.2")
    with pytest.raises(ConversionError, match=message):
        spikeserve.convert(path)


def test_kernels_of_keras_2_on_theano_are_flipped_too(tmp_path: Path) -> None:
    config = {"name": "conv", "filters": 4, "kernel_size": [3, 2], "batch_input_shape": [None, 6, 5, 2]}
    layers = {"name": "m", "layers": [{"class_name": "Conv2D", "config": config}]}
    weights = {"conv": {"conv/kernel:0": KERNEL, "conv/bias:0": BIAS}}
    path = h5_file(tmp_path, {"class_name": "Sequential", "config": layers}, weights, version="2.1.6")
    plain = outputs(quiet(path), IMAGES)[0]
    with h5py.File(path, "a") as file:
        file.attrs["backend"] = b"theano"
        file["model_weights/conv/conv/kernel:0"][...] = FLIPPED
    assert np.array_equal(outputs(quiet(path), IMAGES)[0], plain)
