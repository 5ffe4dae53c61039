"""Activations at the outputs are left to clients, who apply them to the mean over the steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, archive, dense, input_layer, keras_file, kinds, quiet, random_dense, weights_file

import spikeserve
from spikeserve import ConversionError
from spikeserve.convert.lower.activations import Activation
from spikeserve.convert.lower.left_out import output_activation
from spikeserve.convert.read.graph import Layer
from spikeserve.outputs import activations
from spikeserve.v1 import network_pb2 as pb

X = np.array([[-4.0, -1.5, -0.25, 0.0, 0.75, 2.0, 7.0]], np.float32)
PRESETS = ("balanced", "accurate", "sparse", "spikeserve", "nengo_dl")

# Of X, by Keras 3.15.1.
KERAS: dict[str, list[float]] = {
    "softmax": [1.652798e-05, 0.000201352, 0.0007027876, 0.0009023971, 0.001910375, 0.006667863, 0.9895986],
    "log_softmax": [-11.01046, -8.510456, -7.260456, -7.010456, -6.260456, -5.010456, -0.01045583],
    "sigmoid": [0.01798621, 0.1824255, 0.4378234, 0.5, 0.6791787, 0.880797, 0.999089],
    "log_sigmoid": [-4.01815, -1.701413, -0.8259394, -0.6931472, -0.386871, -0.126928, -0.0009114665],
    "hard_sigmoid": [0, 0.25, 0.4583333, 0.5, 0.625, 0.8333334, 1],
    "tanh": [-0.9993293, -0.9051482, -0.2449187, 0, 0.635149, 0.9640276, 0.9999983],
    "hard_tanh": [-1, -1, -0.25, 0, 0.75, 1, 1],
    "softplus": [0.01814993, 0.2014133, 0.5759394, 0.6931472, 1.136871, 2.126928, 7.000911],
    "softsign": [-0.8, -0.6, -0.2, 0, 0.4285714, 0.6666667, 0.875],
    "exponential": [0.01831564, 0.2231302, 0.7788007, 1, 2.117, 7.389056, 1096.633],
    "elu": [-0.9816843, -0.7768698, -0.2211992, 0, 0.75, 2, 7],
    "selu": [-1.725899, -1.365814, -0.3888902, 0, 0.7880257, 2.101402, 7.354907],
    "celu": [-0.9816843, -0.7768698, -0.2211992, 0, 0.75, 2, 7],
    "gelu": [-0.0001267195, -0.1002108, -0.1003234, 0, 0.5800295, 1.9545, 7],
    "silu": [-0.07194484, -0.2736383, -0.1094559, 0, 0.509384, 1.761594, 6.993623],
    "swish": [-0.07194484, -0.2736383, -0.1094559, 0, 0.509384, 1.761594, 6.993623],
    "hard_silu": [0, -0.375, -0.1145833, 0, 0.46875, 1.666667, 7],
    "hard_swish": [0, -0.375, -0.1145833, 0, 0.46875, 1.666667, 7],
    "mish": [-0.07259174, -0.2980998, -0.129927, 0, 0.6100183, 1.943959, 6.999989],
    "relu6": [0, 0, 0, 0, 0.75, 2, 6],
    "leaky_relu": [-0.8, -0.3, -0.05, 0, 0.75, 2, 7],
}
LAYERS: dict[str, tuple[L, list[float]]] = {
    "ELU": (L("ELU", {"alpha": 0.5}), [-0.4908422, -0.3884349, -0.1105996, 0, 0.75, 2, 7]),
    "ReLU": (
        L("ReLU", {"max_value": 3.0, "negative_slope": 0.1, "threshold": 0.5}),
        [-0.45, -0.2, -0.075, -0.05, 0.75, 2, 3],
    ),
    "LeakyReLU": (L("LeakyReLU", {"negative_slope": 0.3}), [-1.2, -0.45, -0.075, 0, 0.75, 2, 7]),
}


def given(folder: Path, *layers: L, **options: Any) -> spikeserve.Network:
    """A network whose activation gets X: a Dense of the identity before it."""
    first = dense(7, [np.eye(7, dtype="f4"), np.zeros(7, "f4")], name="top")
    return quiet(keras_file(folder, input_layer(7), first, *layers), **options)


@pytest.mark.parametrize("name", KERAS)
def test_the_outputs_are_what_keras_gives(tmp_path: Path, name: str) -> None:
    layer = L("Activation", {"activation": name, "name": "end"})
    network = given(tmp_path, layer, preset="spikeserve")
    assert "neuron" not in kinds(network)
    assert "activation" not in kinds(network)
    np.testing.assert_allclose(spikeserve.float_outputs(network, X), [KERAS[name]], rtol=2e-6, atol=2e-7)
    assert "result.logits" in network.report.text()


@pytest.mark.parametrize("name", LAYERS)
def test_layers_with_settings_are_computed_with_these(tmp_path: Path, name: str) -> None:
    layer, wanted = LAYERS[name]
    network = given(tmp_path, layer, preset="spikeserve")
    np.testing.assert_allclose(spikeserve.float_outputs(network, X), [wanted], rtol=2e-6, atol=2e-7)


def test_every_function_of_the_protocol_is_computed() -> None:
    for number in pb.OutputFunction.values():
        activation = pb.OutputActivation(function=pb.OutputFunction.Name(number), alpha=1)
        for dtype in (np.float32, np.float64):
            found = activations.apply(activation, np.array([[-900.0, 0.5, 900.0]], dtype))
            assert found.dtype == dtype
            assert not np.isnan(found).any()
    unknown = pb.OutputActivation()
    unknown.ParseFromString(b"\x08\x63")  # function 99
    with pytest.raises(activations.UnknownFunctionError, match="activation 99, which this version"):
        activations.apply(unknown, X)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ["softmax", "sigmoid", "tanh"])
def test_every_preset_leaves_them_out(tmp_path: Path, preset: str, name: str) -> None:
    layers = [input_layer(4), random_dense(4, 8, "relu"), random_dense(8, 3, name, seed=1, name="top")]
    samples = np.random.default_rng(3).uniform(0, 1, (300, 4)).astype(np.float32)
    network = quiet(keras_file(tmp_path, *layers), preset=preset, sample_data=samples)
    (probe,) = network.definition.probes
    assert activations.text(probe.activation) == name
    assert kinds(network).count("neuron") == 1
    network.save(tmp_path / "n.spk")
    assert spikeserve.load_network(tmp_path / "n.spk").definition.probes[0] == probe
    assert f"then {name} of the readout, by the client" in "\n".join(network.settings())


def test_the_caller_may_want_it_otherwise(tmp_path: Path) -> None:
    layers = [input_layer(4), random_dense(4, 8, "relu"), random_dense(8, 1, "sigmoid", seed=1, name="top")]
    path = keras_file(tmp_path, *layers)
    kept = quiet(path, swap_activations={"sigmoid": "RegularSpiking(Sigmoid)"})
    assert not kept.definition.probes[0].HasField("activation")
    assert any("'top' are biased" in text and "leave the swap out" in text for text in kept.report.warnings)
    plain = quiet(path, swap_activations={"sigmoid": None})
    assert not plain.definition.probes[0].HasField("activation")
    soft = keras_file(tmp_path, *layers[:2], random_dense(8, 3, "softmax", seed=1, name="top"))
    assert "activation" in kinds(quiet(soft, keep_softmax=True))


@pytest.mark.parametrize("after", ["Reshape", "Permute", "Flatten", "Dropout"])
def test_layers_that_only_move_values_may_follow(tmp_path: Path, after: str) -> None:
    config: dict[str, dict[str, Any]] = {
        "Reshape": {"target_shape": [3, 2]},
        "Permute": {"dims": [2, 1]},
        "Dropout": {"rate": 0.5},
    }
    layers = [
        input_layer(4),
        random_dense(4, 6, name="top"),
        L("Reshape", {"target_shape": [2, 3], "name": "map"}),
        L("Activation", {"activation": "sigmoid", "name": "squash"}),
        L(after, {**config.get(after, {}), "name": "end"}),
    ]
    network = quiet(keras_file(tmp_path, *layers))
    assert network.definition.probes[0].activation.function == pb.OUTPUT_FUNCTION_SIGMOID
    layers.pop(3)
    bare = quiet(keras_file(tmp_path, *layers))
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    wanted = 1 / (1 + np.exp(-spikeserve.float_outputs(bare, x)))
    np.testing.assert_allclose(spikeserve.float_outputs(network, x), wanted, rtol=1e-5)


def test_a_softmax_before_a_reshape_is_inside(tmp_path: Path) -> None:
    layers = [
        input_layer(4),
        random_dense(4, 6, "softmax", name="top"),
        L("Reshape", {"target_shape": [3, 2]}),
    ]
    path = keras_file(tmp_path, *layers)
    with pytest.raises(ConversionError, match=r"'top'.*move it behind that"):
        spikeserve.convert(path, preset="spikeserve")
    assert not quiet(path).definition.probes[0].HasField("activation")


def heads(folder: Path, again: bool = False) -> Path:
    """Two heads, sigmoid of 1 and softmax of 3, behind one hidden layer; `again`: another reads the first."""
    shapes = {"hidden": (4, 8, "relu"), "chance": (8, 1, "sigmoid"), "kind": (8, 3, "softmax")}
    shapes |= {"more": (1, 2, "linear")} if again else {}
    source = {"hidden": "input", "chance": "hidden", "kind": "hidden", "more": "chance"}
    made = {
        name: random_dense(a, b, how, seed=number, name=name)
        for number, (name, (a, b, how)) in enumerate(shapes.items())
    }
    records: list[dict[str, Any]] = [
        {**input_layer(4).record(0), "name": "input", "inbound_nodes": []},
        *(
            {
                **layer.record(0),
                "name": name,
                "inbound_nodes": [
                    {"args": [_tensor(source[name])], "kwargs": {}},
                ],
            }
            for name, layer in made.items()
        ),
    ]
    outputs = ["chance", "kind", *(["more"] if again else [])]
    config = {
        "module": "keras",
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": records,
            "input_layers": [["input", 0, 0]],
            "output_layers": [[name, 0, 0] for name in outputs],
        },
    }
    groups = {
        f"layers/dense{'' if number == 0 else f'_{number}'}": layer.weights
        for number, layer in enumerate(made.values())
    }
    return archive(folder / "heads.keras", config, weights_file(groups))


def _tensor(source: str) -> dict[str, Any]:
    config = {"shape": [None, 1], "dtype": "float32", "keras_history": [source, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def test_every_head_has_its_own(tmp_path: Path) -> None:
    network = quiet(heads(tmp_path))
    found = {probe.name: activations.text(probe.activation) for probe in network.definition.probes}
    assert found == {"chance": "sigmoid", "kind": "softmax"}


def test_an_output_that_others_read_needs_a_neuron(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="'chance' \\(Dense\\): the hidden activation 'sigmoid'"):
        spikeserve.convert(heads(tmp_path, again=True), preset="spikeserve")


def test_the_hard_sigmoid_of_keras_2_is_steeper() -> None:
    slopes = [
        output_activation(Layer("end", "Activation", {}, keras_major=major), Activation("hard_sigmoid"))
        for major in (2, 3)
    ]
    assert [one and one.alpha for one in slopes] == [0.2, 1 / 6]
