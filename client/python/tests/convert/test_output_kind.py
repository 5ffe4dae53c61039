"""What a network knows of its outputs, and what its file keeps of the conversion."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import pytest
from keras_files import (
    MODELS,
    L,
    archive,
    h5_file,
    input_layer,
    quiet,
    random_dense,
    sequential_config,
    weight_groups,
    weights_file,
)

import spikeserve
from spikeserve.convert.read.loss import Loss, read_loss, stored_loss
from spikeserve.v1 import network_pb2 as pb


@pytest.mark.parametrize(
    ("stored", "loss"),
    [
        ("mse", Loss("mean_squared_error")),
        ("binary_crossentropy", Loss("binary_crossentropy")),
        ("MeanAbsoluteError", Loss("mean_absolute_error")),
        (
            {"class_name": "BinaryCrossentropy", "config": {"from_logits": True}},
            Loss("binary_crossentropy", True),
        ),
        ({"class_name": "function", "config": "huber"}, Loss("huber")),
        (["mse", "mae"], Loss("mean_squared_error")),
        ({"left": "mae", "right": "mse"}, Loss("mean_absolute_error")),
        (None, Loss()),
        ([], Loss()),
        ({}, Loss()),
        ({"class_name": "Own", "config": None}, Loss("own")),
        (7, Loss("int")),
    ],
)
def test_losses_as_files_and_models_have_them(stored: Any, loss: Loss) -> None:
    assert read_loss(stored) == loss
    assert stored_loss({"loss": stored}) == loss
    assert stored_loss(stored if isinstance(stored, str) else None) == Loss()


def test_losses_of_live_models() -> None:
    def mean_squared_error() -> None: ...

    assert read_loss(mean_squared_error) == Loss("mean_squared_error")
    live = type("BinaryCrossentropy", (), {"from_logits": True})()
    assert read_loss(live) == Loss("binary_crossentropy", True)
    assert read_loss(SimpleNamespace()).name == "simple_namespace"


def model_file(folder: Path, loss: object, activation: str, units: int = 1) -> Path:
    """An archive that was trained with a loss: Dense relu, Dense, Dropout."""
    layers = [
        input_layer(4),
        random_dense(4, 8, "relu"),
        random_dense(8, units, activation, seed=1),
        *([L("Dropout", {"rate": 0.5})] if activation != "softmax" else []),
    ]
    config = {**sequential_config(layers), "compile_config": {"loss": loss}}
    return archive(folder / "model.keras", config, weights_file(weight_groups(layers)))


KINDS = [
    ("binary_crossentropy", "sigmoid", None, "logit"),
    ("binary_crossentropy", "sigmoid", "RegularSpiking(Sigmoid)", "probability"),
    ("binary_crossentropy", "sigmoid", "Sigmoid", "probability"),
    ("binary_crossentropy", "sigmoid", "RegularSpiking(Tanh)", ""),
    (None, "sigmoid", None, "logit"),
    ("mse", "sigmoid", "Sigmoid", "value"),
    ("binary_crossentropy", "linear", ..., "probability"),
    ({"class_name": "BinaryCrossentropy", "config": {"from_logits": True}}, "linear", ..., "logit"),
    ("hinge", "linear", ..., "logit"),
    ("mse", "linear", ..., "value"),
    ("own_loss", "linear", ..., ""),
    (None, "linear", ..., ""),
]


@pytest.mark.parametrize(("loss", "activation", "swap", "kind"), KINDS)
def test_what_one_output_says(tmp_path: Path, loss: object, activation: str, swap: Any, kind: str) -> None:
    model = model_file(tmp_path, loss, activation)
    network = quiet(model, **({} if swap is ... else {"swap_activations": {"sigmoid": swap}}))
    network.save(tmp_path / "n.spk")
    for one in (network, spikeserve.load_network(tmp_path / "n.spk")):
        shown = pb.NetworkInfo(defaults=one.definition.defaults)
        assert shown.defaults.output_kind == getattr(pb, f"OUTPUT_KIND_{(kind or 'unspecified').upper()}")


@pytest.mark.parametrize(
    ("loss", "activation", "kind"),
    [
        (None, "softmax", pb.OUTPUT_KIND_CLASSES),
        ("sparse_categorical_crossentropy", "linear", pb.OUTPUT_KIND_CLASSES),
        ("mse", "linear", pb.OUTPUT_KIND_VALUE),
        ("binary_crossentropy", "linear", pb.OUTPUT_KIND_UNSPECIFIED),  # of several classes at once
    ],
)
def test_what_several_outputs_say(tmp_path: Path, loss: object, activation: str, kind: int) -> None:
    network = quiet(model_file(tmp_path, loss, activation, units=3))
    assert network.definition.defaults.output_kind == kind


def test_outputs_with_names_are_classes(tmp_path: Path) -> None:
    network = quiet(model_file(tmp_path, "mse", "linear", units=3), class_labels=["a", "b", "c"])
    assert network.definition.defaults.output_kind == pb.OUTPUT_KIND_CLASSES


def test_the_loss_of_an_h5_file(tmp_path: Path) -> None:
    dense = random_dense(4, 1)
    config = sequential_config([input_layer(4), dense])
    weights = {"dense_1": {"dense_1/kernel:0": dense.weights[0], "dense_1/bias:0": dense.weights[1]}}
    path = h5_file(tmp_path, config, weights)
    assert quiet(path).definition.defaults.output_kind == pb.OUTPUT_KIND_UNSPECIFIED
    with h5py.File(path, "r+") as file:
        file.attrs["training_config"] = json.dumps({"loss": "mse", "metrics": ["mae"]})
    assert quiet(path).definition.defaults.output_kind == pb.OUTPUT_KIND_VALUE


def test_the_report_is_in_the_file(tmp_path: Path) -> None:
    network = quiet(MODELS / "digits_mlp.keras")
    assert network.report.layers
    assert network.report.warnings
    assert network.report.max_error is not None
    network.save(tmp_path / "n.spk")
    assert spikeserve.load_network(tmp_path / "n.spk").report == network.report
