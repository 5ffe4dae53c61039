"""Branches, shared layers and nested models: as they are, with every weight stored once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import (
    MODELS,
    L,
    archive,
    h5_file,
    input_layer,
    keras_file,
    kinds,
    outputs,
    quiet,
    weights_file,
)

from spikeserve import ConversionError

RNG = np.random.default_rng(6)
KERNEL, BIAS = RNG.normal(size=(4, 4)).astype("f4"), RNG.normal(size=4).astype("f4")
X = RNG.normal(size=(3, 4)).astype("f4")


def record(class_name: str, name: str, calls: list[Any], **config: Any) -> dict[str, Any]:
    return {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": calls,
    }


def start(name: str = "x") -> dict[str, Any]:
    return record("InputLayer", name, [], batch_input_shape=[None, 4])


def shared(calls: list[Any], **config: Any) -> dict[str, Any]:
    return record("Dense", "shared", calls, units=4, activation="relu", **config)


def functional(layers: list[Any], outs: list[Any], inputs: Any = None, name: str = "model") -> dict[str, Any]:
    inputs = inputs or [["x", 0, 0]]
    config = {"name": name, "layers": layers, "input_layers": inputs, "output_layers": outs}
    return {"class_name": "Functional", "config": config}


def dense_weights(group: str = "shared") -> dict[str, dict[str, Any]]:
    return {group: {f"{group}_1/kernel:0": KERNEL, f"{group}_1/bias:0": BIAS}}


def layer(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(x @ KERNEL + BIAS, 0))


def test_a_shared_layer_is_called_twice_and_stored_once(tmp_path: Path) -> None:
    calls = [[["x", 0, 0, {}]], [["shared", 0, 0, {}]]]
    add = record("Add", "add", [[["shared", 0, 0, {}], ["shared", 1, 0, {}]]])
    config = functional([start(), shared(calls), add], [["add", 0, 0]])
    network = quiet(h5_file(tmp_path, config, dense_weights()))
    assert outputs(network, X)[0] == pytest.approx(layer(X) + layer(layer(X)), rel=1e-5)
    assert kinds(network).count("affine") == 2
    assert len(network.definition.tensors) == 2
    first, second = network.report.layers
    assert first.name != second.name
    assert first.scale == second.scale  # one layer, one scale


def test_the_order_of_layers_in_the_file_does_not_matter(tmp_path: Path) -> None:
    calls = [[["x", 0, 0, {}]]]
    out = record("Average", "out", [[["shared", 0, 0, {}], ["x", 0, 0, {}]]])
    config = functional([out, shared(calls), start()], [["out", 0, 0]])
    network = quiet(h5_file(tmp_path, config, dense_weights()))
    assert outputs(network, X)[0] == pytest.approx((layer(X) + X) / 2, rel=1e-5)


def test_nested_functional_calls_count_from_one(tmp_path: Path) -> None:
    inner = functional([start("i"), shared([[["i", 0, 0, {}]]])], [["shared", 0, 0]], [["i", 0, 0]], "inner")
    nested = {**inner, "name": "inner", "inbound_nodes": [[["x", 0, 0, {}]], [["inner", 1, 0, {}]]]}
    config = functional([start(), nested], [["inner", 2, 0]])
    weights = {"inner": {"shared/bias:0": BIAS, "shared/kernel:0": KERNEL}}  # frozen layers swap places
    network = quiet(h5_file(tmp_path, config, weights))
    assert outputs(network, X)[0] == pytest.approx(layer(layer(X)), rel=1e-5)
    assert {item.layer for item in network.report.layers} == {"inner/shared"}


def test_several_inputs_and_outputs_keep_their_names() -> None:
    network = quiet(MODELS / "layers/branches.keras")
    inputs = [op.name for op in network.definition.operations if op.HasField("input")]
    assert inputs == ["left", "right"]
    assert [probe.name for probe in network.definition.probes] == ["class", "value"]
    samples = {name: np.random.default_rng(0).normal(size=(8, 9)) for name in inputs}
    by_name = quiet(MODELS / "layers/branches.keras", sample_data=samples)
    by_order = quiet(MODELS / "layers/branches.keras", sample_data=list(samples.values()))
    assert by_name.definition == by_order.definition
    with pytest.raises(ConversionError, match="lacks the inputs"):
        quiet(MODELS / "layers/branches.keras", sample_data={"left": samples["left"]})
    with pytest.raises(ConversionError, match="sample_data has"):
        quiet(MODELS / "layers/branches.keras", sample_data={**samples, "right": np.zeros((3, 9))})


def test_the_same_signal_twice(tmp_path: Path) -> None:
    add = record("Add", "add", [[["x", 0, 0, {}], ["x", 0, 0, {}], ["x", 0, 0, {}]]])
    joined = record("Concatenate", "join", [[["add", 0, 0, {}], ["add", 0, 0, {}]]], axis=-1)
    network = quiet(h5_file(tmp_path, functional([start(), add, joined], [["join", 0, 0]]), {}))
    assert outputs(network, X)[0] == pytest.approx(np.tile(3 * X, 2), rel=1e-6)


def test_branches_nobody_reads_are_dropped(tmp_path: Path) -> None:
    pair = functional(
        [start("i"), shared([[["i", 0, 0, {}]]]), record("Dropout", "drop", [[["i", 0, 0, {}]]])],
        [["shared", 0, 0], ["drop", 0, 0]],
        [["i", 0, 0]],
        "pair",
    )
    nested = {**pair, "name": "pair", "inbound_nodes": [[["x", 0, 0, {}]]]}
    out = record("Flatten", "out", [[["pair", 1, 1, {}]]])
    weights = {"pair": {"shared/kernel:0": KERNEL, "shared/bias:0": BIAS}}
    network = quiet(h5_file(tmp_path, functional([start(), nested, out], [["out", 0, 0]]), weights))
    assert kinds(network) == ["input"]
    assert not network.definition.tensors
    assert not network.report.layers


@pytest.mark.parametrize(
    ("layers", "outs", "message"),
    [
        ([start(), shared([[["shared", 0, 0, {}]]])], [["shared", 0, 0]], "cycle through 'shared'"),
        ([start(), shared([[["gone", 0, 0, {}]]])], [["shared", 0, 0]], "'gone'"),
        ([start(), shared([[["x", 0, 1, {}]]])], [["shared", 0, 0]], "output 1 of call 0 of 'x'"),
        ([start(), shared([[["x", 0, 0, {}]]])], [["shared", 3, 0]], "call 3 of 'shared'"),
        ([start(), start()], [["x", 0, 0]], "two layers of one model are called 'x'"),
        ([start(), shared([["a constant"]])], [["shared", 0, 0]], "called with a constant"),
        ([start()], [], "no input or no output"),
        ([start(), record("Add", "add", [[["x", 0, 0, {}]], []])], [["add", 1, 0]], "has no input"),
    ],
    ids=["cycle", "unknown", "tensor", "call", "names", "constant", "outputs", "inputs"],
)
def test_graphs_that_make_no_sense(tmp_path: Path, layers: list[Any], outs: list[Any], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        quiet(h5_file(tmp_path, functional(layers, outs), {}))


def test_shapes_that_do_not_fit_together(tmp_path: Path) -> None:
    wide = record("Dense", "wide", [[["x", 0, 0, {}]]], units=2, use_bias=False)
    add = record("Add", "add", [[["x", 0, 0, {}], ["wide", 0, 0, {}]]])
    config = functional([start(), wide, add], [["add", 0, 0]])
    with pytest.raises(ConversionError, match=r"'add' \(Add\).*\(4,\), \(2,\)"):
        quiet(h5_file(tmp_path, config, {"wide": {"wide/kernel:0": np.zeros((4, 2))}}))


def test_sequential_files_of_early_keras(tmp_path: Path) -> None:
    """No InputLayer, the layers as a bare list, the shape on the first layer."""
    settings = {"units": 4, "activation": "relu", "batch_input_shape": [None, 4], "name": "shared"}
    config = {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": settings}]}
    network = quiet(h5_file(tmp_path, config, dense_weights(), version="2.0.9"))
    assert outputs(network, X)[0] == pytest.approx(layer(X), rel=1e-5)


def test_weights_of_a_layer_that_is_not_there(tmp_path: Path) -> None:
    config = functional([start()], [["x", 0, 0]])
    with pytest.raises(ConversionError, match="weights for 'shared', which is not in the model"):
        quiet(h5_file(tmp_path, config, dense_weights()))


def test_json_beside_weights(tmp_path: Path) -> None:
    config = functional([start(), shared([[["x", 0, 0, {}]]])], [["shared", 0, 0]])
    weights = h5_file(tmp_path, "{}", dense_weights())
    text = tmp_path / "model.json"
    text.write_text(json.dumps(config))
    network = quiet((text, weights))
    assert outputs(network, X)[0] == pytest.approx(layer(X), rel=1e-5)
    assert network.definition.provenance.source_format.startswith("keras .json + .h5")


def test_weight_groups_of_tf_keras_archives(tmp_path: Path) -> None:
    """tf.keras 2.12 to 2.14 write the same archive under another root group."""
    config = {"units": 4, "activation": "relu", "name": "shared", "batch_input_shape": [None, 4]}
    tree = {
        "class_name": "Sequential",
        "config": {"name": "m", "layers": [{"class_name": "Dense", "config": config}]},
    }
    content = weights_file({"_layer_checkpoint_dependencies/dense": [KERNEL, BIAS]})
    network = quiet(archive(tmp_path / "m.keras", tree, content))
    assert outputs(network, X)[0] == pytest.approx(layer(X), rel=1e-5)


def test_names_are_made_valid_and_stay_apart(tmp_path: Path) -> None:
    layers = [
        input_layer(4),
        *(
            L("Dense", {"units": 4, "name": name, "activation": "relu"}, [KERNEL, BIAS])
            for name in ("a b", "a_b", "ä" * 200)
        ),
    ]
    network = quiet(keras_file(tmp_path, *layers))
    names = [op.name for op in network.definition.operations]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 128 and name.isascii() and " " not in name for name in names)
