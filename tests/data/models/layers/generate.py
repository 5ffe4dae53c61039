"""Writes the small Keras models of this folder, with inputs and float outputs beside them.

Needs Keras 3 and a backend (`pip install keras jax`); the tests need neither. Run it in this folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import Input, Model, Sequential, layers

MODELS: dict[str, Callable[[], Model]] = {}


def model(function: Callable[[], Model]) -> Callable[[], Model]:
    MODELS[function.__name__] = function
    return function


@model
def conv1d() -> Model:
    return Sequential(
        [
            Input((13, 3)),
            layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
            layers.AveragePooling1D(3, strides=2, padding="same"),
            layers.Conv1D(8, 4, strides=2, padding="same", groups=2, use_bias=False),
            layers.ReLU(),
            layers.ZeroPadding1D((1, 2)),
            layers.Cropping1D((1, 1)),
            layers.DepthwiseConv1D(2, depth_multiplier=2, activation="relu"),
            layers.SeparableConv1D(5, 2, padding="same", activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(4, activation="softmax"),
        ]
    )


@model
def conv2d() -> Model:
    return Sequential(
        [
            Input((14, 11, 4)),
            layers.Conv2D(6, (3, 2), strides=2, padding="same", groups=2, activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(8, 3, padding="same", dilation_rate=2, use_bias=False),
            layers.BatchNormalization(scale=False),
            layers.Activation("relu"),
            layers.ZeroPadding2D(((1, 2), (0, 1))),
            layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"),
            layers.AveragePooling2D((3, 2), strides=(2, 1), padding="same"),
            layers.SeparableConv2D(5, 2, depth_multiplier=2, activation="relu"),
            layers.Cropping2D(((0, 0), (1, 0))),
            layers.Dropout(0.5),
            layers.GlobalAveragePooling2D(keepdims=True),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )


@model
def channels_first() -> Model:
    first = {"data_format": "channels_first"}
    return Sequential(
        [
            Input((3, 10, 9)),
            layers.Conv2D(6, 3, padding="same", activation="relu", **first),
            layers.BatchNormalization(axis=1),
            layers.AveragePooling2D(2, padding="same", **first),
            layers.ZeroPadding2D(1, **first),
            layers.Conv2D(5, 3, strides=2, activation="relu", **first),
            layers.Flatten(**first),
            layers.Dense(7, activation="relu"),
            layers.Dense(3),
        ]
    )


@model
def shapes() -> Model:
    return Sequential(
        [
            Input((6, 4)),
            layers.Permute((2, 1)),
            layers.Dense(5, activation="relu"),
            layers.Reshape((2, -1, 5)),
            layers.Permute((3, 1, 2)),
            layers.Dense(3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4),
            layers.LeakyReLU(negative_slope=0.2),
        ]
    )


@model
def scaling() -> Model:
    normalization = layers.Normalization(axis=-1)
    normalization.adapt(np.random.default_rng(0).normal(100, 50, (50, 8, 8, 3)))
    return Sequential(
        [
            Input((8, 8, 3)),
            normalization,
            layers.Rescaling(0.5, offset=0.25),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(center=False),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dense(5),
        ]
    )


@model
def branches() -> Model:
    start = Input((9,), name="left")
    other = Input((9,), name="right")
    shared = layers.Dense(6, activation="relu", name="shared")
    a, b = shared(start), shared(other)
    joined = [layers.Add()([a, b]), layers.Subtract()([a, b]), layers.Average()([a, b, a]), a + b]
    wide = layers.Concatenate()(joined)
    hidden = layers.Dense(8, activation="relu")(wide)
    again = layers.Add()([hidden, hidden])
    outputs = [layers.Dense(3, name="class")(again), layers.Dense(2, name="value")(hidden)]
    return Model([start, other], outputs)


@model
def residual() -> Model:
    start = Input((8, 8, 2))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(start)
    y = layers.Conv2D(4, 3, padding="same")(x)
    y = layers.BatchNormalization()(y)
    x = layers.ReLU()(layers.Add()([x, y]))
    z = layers.Concatenate(axis=1)([x, x])
    z = keras.ops.relu(layers.Conv2D(3, 3, strides=2)(z))
    return Model(start, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(z)))


@model
def nested() -> Model:
    block = Sequential([Input((7,)), layers.Dense(7, activation="relu"), layers.Dense(7)], name="block")
    inner = Input((7,))
    twin = layers.Dense(7, activation="relu")(inner)
    functional = Model(inner, [layers.Dense(7)(twin), twin], name="pair")
    start = Input((7,))
    first, second = functional(block(start))
    third, _ = functional(layers.ReLU()(first))
    both = layers.Add()([second, third])
    return Model(start, layers.Dense(3)(block(both)))


@model
def float16() -> Model:
    return Sequential(
        [
            Input((12,)),
            layers.Dense(9, activation="relu", dtype="mixed_float16"),
            layers.Dense(9, activation=layers.ReLU(), dtype="bfloat16"),
            layers.Dense(3, dtype="float32"),
        ]
    )


def randomise(network: Model) -> None:
    """Weights and moving statistics that leave nothing at its start value."""
    rng = np.random.default_rng(1)
    for variable in network.variables:
        name = variable.path.rsplit("/", 1)[-1]
        if name in ("count", "seed_generator_state") or "normalization/" in variable.path.split("batch_")[0]:
            continue
        values = rng.normal(0, 0.5, variable.shape)
        positive = name in ("moving_variance", "gamma")
        variable.assign(np.abs(values) + 0.5 if positive else values)


def write(name: str, folder: Path) -> None:
    keras.utils.set_random_seed(0)
    network = MODELS[name]()
    randomise(network)
    rng = np.random.default_rng(2)
    scale = 100 if name == "scaling" else 1
    inputs = {i.name: scale * rng.normal(0, 1, (5, *i.shape[1:])).astype(np.float32) for i in network.inputs}
    given = list(inputs.values())
    outputs = network.predict(given if len(given) > 1 else given[0], verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    network.save(folder / f"{name}.keras")
    network.save(folder / f"{name}.h5")
    numbered = {f"output_{index}": np.asarray(values, np.float32) for index, values in enumerate(outputs)}
    named = {f"input_{key}": values for key, values in inputs.items()}
    np.savez_compressed(folder / f"{name}.npz", **named, **numbered)


if __name__ == "__main__":
    for model_name in MODELS:
        write(model_name, Path(__file__).parent)
