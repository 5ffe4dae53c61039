"""What cannot be converted is refused by name, with the reason and what to do, all of it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, archive, dense, h5_file, input_layer, keras_file, random_dense

import spikeserve
from spikeserve import ConversionError


def refusal(model: Any, **options: Any) -> str:
    with pytest.raises(ConversionError) as caught:
        spikeserve.convert(model, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("layer", "reason", "advice"),
    [
        (L("Lambda", {"function": {"class_name": "__lambda__", "config": {}}}), "code", "standard"),
        (L("TFSMLayer"), "external SavedModel", "standard layers"),
        (L("TorchModuleWrapper"), "another framework", "Keras layers"),
        (L("LSTM"), "recurrent", "feed-forward"),
        (L("Conv3D"), "not supported", "supported layers"),
        (L("QDense", module="qkeras.qlayers", registered_name="qkeras>QDense"), "custom class", "standard"),
        (L("Mine", module=None, registered_name="pack>Mine"), "custom class", "standard"),
    ],
    ids=lambda value: value.class_name if isinstance(value, L) else "",
)
def test_layers_without_a_spiking_form(tmp_path: Path, layer: L, reason: str, advice: str) -> None:
    text = refusal(keras_file(tmp_path, input_layer(8), layer))
    assert f"'{layer.class_name.lower()}_1' ({layer.class_name})" in text
    assert reason in text
    assert advice in text


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "elu", "gelu", "silu", "relu6", "softplus", "softmax"])
def test_hidden_activations_without_a_spiking_form(tmp_path: Path, name: str) -> None:
    layers = [input_layer(4), random_dense(4, 3, name, name="hidden"), random_dense(3, 2)]
    text = refusal(keras_file(tmp_path, *layers), preset="spikeserve")
    assert "'hidden' (Dense)" in text
    assert ("train without it" if name == "softmax" else "train with relu") in text
    # A neuron that computes something else, or nothing, is no way out.
    assert "None" not in text
    assert (f"swap_activations={{'{name}'" in text) == (name in ("sigmoid", "tanh", "relu6"))


@pytest.mark.parametrize(
    "config", [{"max_value": 6.0}, {"negative_slope": 0.1}, {"threshold": 0.5}], ids=lambda c: next(iter(c))
)
def test_relu_layers_that_are_not_plain(tmp_path: Path, config: dict[str, float]) -> None:
    path = keras_file(tmp_path, input_layer(4), L("ReLU", config), random_dense(4, 2))
    text = refusal(path, preset="spikeserve")
    assert next(iter(config)) in text
    assert "plain relu" in text


def test_a_hidden_leaky_relu_is_refused(tmp_path: Path) -> None:
    leaky = L("LeakyReLU", {"negative_slope": 0.1, "name": "leak"})
    path = keras_file(tmp_path, input_layer(4), leaky, random_dense(4, 2))
    assert "'leak' (LeakyReLU)" in refusal(path, preset="spikeserve")


def test_custom_activations_are_never_run(tmp_path: Path) -> None:
    custom = {"module": "mine", "class_name": "function", "config": "relu", "registered_name": "mine>relu"}
    text = refusal(keras_file(tmp_path, input_layer(4), random_dense(4, 3, custom), random_dense(3, 2)))
    assert "custom code" in text
    lam = {"class_name": "__lambda__", "config": {"code": "4wEA"}}
    assert "a lambda" in refusal(keras_file(tmp_path, input_layer(4), random_dense(4, 3, lam)))


def test_one_message_names_every_layer(tmp_path: Path) -> None:
    layers = [
        input_layer(4),
        random_dense(4, 3, "tanh", name="first"),
        L("LayerNormalization", {"name": "second"}),
        random_dense(3, 3, "elu", name="third"),
        L("Lambda", {"name": "fourth"}),
    ]
    text = refusal(keras_file(tmp_path, *layers), preset="spikeserve")
    assert "4 layers cannot be converted" in text
    assert [name in text for name in ("'first'", "'second'", "'third'", "'fourth'")] == [True] * 4


def test_equal_problems_share_a_line(tmp_path: Path) -> None:
    layers = [input_layer(4)]
    for number in range(9):
        layers.append(random_dense(4, 4, "relu6", seed=number, name=f"block_{number}"))
    path = keras_file(tmp_path, *layers, random_dense(4, 2, name="out"))
    first, *lines = refusal(path, preset="spikeserve").splitlines()
    assert first.endswith("9 layers cannot be converted:")
    (line,) = lines
    assert line.startswith("  - 'block_0', 'block_1', 'block_2' and 6 more (Dense): ")
    assert "swap_activations={'relu6': 'MemoryRectifiedLinear'}" in line
    more = [
        *layers,
        random_dense(4, 4, "gelu", name="bent"),
        L("LayerNormalization", {"name": "norm_1"}),
        L("LayerNormalization", {"name": "norm_2"}),
        random_dense(4, 4, "gelu", name="bent_too"),
        random_dense(4, 2, name="out"),
    ]
    first, *lines = refusal(keras_file(tmp_path, *more), preset="spikeserve").splitlines()
    assert first.endswith("13 layers cannot be converted:")
    assert [line.partition(": ")[0] for line in lines] == [
        "  - 'block_0', 'block_1', 'block_2' and 6 more (Dense)",
        "  - 'bent', 'bent_too' (Dense)",
        "  - 'norm_1', 'norm_2' (LayerNormalization)",
    ]


def test_open_input_shapes_ask_for_one(tmp_path: Path) -> None:
    path = keras_file(tmp_path, input_layer(None, 4), random_dense(4, 2))
    assert "input_shape=" in refusal(path)
    assert "does not fit" in refusal(path, input_shape=(3, 5))
    assert spikeserve.convert(path, input_shape=(3, 4)).definition.operations[0].input.shape == [3, 4]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (dense(3, [np.zeros((5, 3))]), r"\(5, 3\).*\(4, 3\)"),
        (dense(3, [np.zeros((4, 3)), np.zeros(2)]), r"\(2,\).*\(3,\)"),
        (L("Dense", {"activation": "relu"}), "configuration is damaged"),
        (L("Reshape", {"target_shape": [3, 3]}), "cannot take the shape"),
        (L("Permute", {"dims": [1, 2]}), "permutation"),
        (L("Conv2D", {"filters": 2, "kernel_size": [3, 3]}), "3 axes"),
        (L("BatchNormalization", {"axis": 5}, [np.ones(4)] * 4), "axis is 5"),
    ],
    ids=["kernel", "bias", "units", "reshape", "permute", "rank", "axis"],
)
def test_configurations_and_weights_that_disagree(tmp_path: Path, layer: L, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        spikeserve.convert(keras_file(tmp_path, input_layer(4), layer))


def test_quantized_weights_are_refused(tmp_path: Path) -> None:
    policy = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}
    text = refusal(keras_file(tmp_path, input_layer(4), random_dense(4, 2, dtype=policy)))
    assert "quantized" in text


def test_calls_with_arguments_that_change_the_result(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": [
                {
                    "class_name": "InputLayer",
                    "name": "x",
                    "config": {"batch_input_shape": [None, 4], "name": "x"},
                    "inbound_nodes": [],
                },
                {
                    "class_name": "Dropout",
                    "name": "drop",
                    "config": {"name": "drop"},
                    "inbound_nodes": [[["x", 0, 0, {"training": True}]]],
                },
            ],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["drop", 0, 0]],
        },
    }
    assert "'drop' is called with training=True" in refusal(h5_file(tmp_path, config, {}))


def test_models_that_are_classes_of_their_own(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "module": None,
        "class_name": "Mine",
        "config": {},
        "registered_name": "pack>Mine",
    }
    text = refusal(archive(tmp_path / "m.keras", config, b""))
    assert "pack>Mine is not Sequential or Functional" in text


def test_things_that_are_not_models(tmp_path: Path) -> None:
    assert "is not a model" in refusal(3)
    assert "a folder; give the file of the model in it" in refusal(tmp_path)
    other = tmp_path / "other.txt"
    other.write_text("hello")
    assert "neither a .keras archive nor an HDF5 file nor an ONNX file" in refusal(other)
    other.write_text("{}")
    assert "no weights" in refusal(other)
    with pytest.raises(FileNotFoundError):
        spikeserve.convert(tmp_path / "absent.keras")


def test_names_from_files_cannot_steer_a_terminal(tmp_path: Path) -> None:
    text = refusal(keras_file(tmp_path, input_layer(4), L("Lambda", {"name": "\x1b[2Jgone"})))
    assert "\x1b" not in text
    assert "\\x1b[2Jgone" in text


def test_outputs_too_large_to_hold_are_refused_before_they_are_made(tmp_path: Path) -> None:
    pad = L("ZeroPadding2D", {"padding": [[0, 60000], [0, 60000]], "name": "vast"})
    assert "'vast'" in refusal(keras_file(tmp_path, input_layer(2, 2, 1), pad))
    wide = L("AveragePooling2D", {"pool_size": [60000, 60000], "strides": [1, 1], "padding": "same"})
    assert "padded input" in refusal(keras_file(tmp_path, input_layer(2, 2, 1), wide))
