"""Every operator of ONNX that is read, against what onnxruntime computes for it (`operators.npz`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import MODELS, outputs, quiet
from onnx_cases import CASES, Case
from onnx_files import node, onnx_model

import spikeserve
from spikeserve import ConversionError
from spikeserve.convert.read.graph import Graph
from spikeserve.convert.read.source import read_model
from spikeserve.outputs import activations

RECORDED = MODELS / "onnx" / "operators.npz"
# Operators that are read as layers which need not have a spiking form: class and configuration of the layer.
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "max_pool": ("MaxPooling2D", {"pool_size": [2, 3], "strides": [2, 2], "padding": "valid"}),
    "max_pool_pads": ("MaxPooling2D", {"padding": [[1, 0], [1, 1]]}),
    "max_pool_ceil": ("MaxPooling2D", {"strides": [3, 4], "padding": [[0, 2], [0, 0]]}),
    "max_pool_same": ("MaxPooling2D", {"padding": [[1, 1], [0, 1]]}),
    "max_pool_1d": ("MaxPooling1D", {"pool_size": [3]}),
    "global_max_pool": ("GlobalMaxPooling2D", {"keepdims": True}),
    "reduce_max": ("GlobalMaxPooling2D", {"keepdims": False, "data_format": "channels_first"}),
    "mul_branches": ("Multiply", {}),
    "log_softmax": ("Activation", {"activation": "log_softmax"}),
    "sigmoid": ("Activation", {"activation": "sigmoid"}),
    "tanh": ("Activation", {"activation": "tanh"}),
    "softplus": ("Activation", {"activation": "softplus"}),
    "hardswish": ("Activation", {"activation": "hard_silu"}),
    "mish": ("Activation", {"activation": "mish"}),
    "elu": ("ELU", {"alpha": 1.0}),
    "elu_half": ("ELU", {"alpha": 0.5}),
    "softsign": ("Activation", {"activation": "softsign"}),
    "gelu_tanh": ("Activation", {"activation": "gelu_tanh"}),
    "selu": ("Activation", {"activation": "selu"}),
    "hardsigmoid": ("Activation", {"activation": "hard_sigmoid"}),
    "hardsigmoid_sixth": ("Activation", {"activation": "hard_sigmoid"}),
    "gelu": ("Activation", {"activation": "gelu"}),
    "silu": ("Activation", {"activation": "silu"}),
    "mish_parts": ("Activation", {"activation": "mish"}),
    "gelu_parts": ("Activation", {"activation": "gelu"}),
    "gelu_halved": ("Activation", {"activation": "gelu"}),
}


def saved(case: Case, folder: Path) -> Path:
    path = folder / f"{case.name}.onnx"
    path.write_bytes(case.model)
    return path


def graph(model: bytes, folder: Path) -> Graph:
    path = folder / "model.onnx"
    path.write_bytes(model)
    return read_model(path).graph


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(RECORDED) as file:
        return dict(file)


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_operators_compute_what_onnxruntime_computes(
    case: Case, recorded: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = saved(case, tmp_path)
    try:
        network = quiet(path, keep_softmax=True)
        (got,) = outputs(network, case.inputs())
    except ConversionError:
        if case.name not in LAYERS:
            raise
        return  # as in LAYERS, which another test looks at
    probe = network.definition.probes[0]
    if probe.HasField("activation"):
        got = activations.apply(probe.activation, got)
    wanted = recorded[case.name]
    wanted = wanted.reshape(*wanted.shape, *[1] * (got.ndim - wanted.ndim))  # one value per sample is [1]
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1e-5 * max(float(np.abs(wanted).max()), 1)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_that_need_not_have_a_spiking_form(name: str, tmp_path: Path) -> None:
    class_name, config = LAYERS[name]
    nodes = read_model(saved(CASES[name], tmp_path)).graph.nodes
    (found,) = (node for node in nodes if node.layer.class_name == class_name)
    assert {key: found.layer.config[key] for key in config} == config
    assert {nodes[index].layer.class_name for index in found.inputs} <= {"InputLayer", "ReLU"}


def test_the_slope_of_a_hard_sigmoid_tells_the_version_of_keras(tmp_path: Path) -> None:
    majors = [
        read_model(saved(CASES[name], tmp_path)).graph.nodes[1].layer.keras_major
        for name in ("hardsigmoid", "hardsigmoid_sixth")
    ]
    assert majors == [2, 3]


def test_the_cases_have_been_recorded(recorded: dict[str, np.ndarray]) -> None:
    assert set(recorded) == set(CASES), "run tests/data/models/onnx/generate.py operators"


def test_onnxruntime_agrees_with_what_was_recorded(recorded: dict[str, np.ndarray]) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    for case in CASES.values():
        session = runtime.InferenceSession(case.model)
        (got,) = session.run(None, {"x": case.inputs()})
        assert got == pytest.approx(recorded[case.name], rel=1e-4, abs=1e-5), case.name


def test_a_node_without_a_name_is_called_by_its_output(tmp_path: Path) -> None:
    read = graph(
        onnx_model(node("Relu", "x", "h"), node("Relu", "h", "y", name="/last/Relu"), shape=("N", 3)),
        tmp_path,
    )
    assert [item.name for item in read.nodes] == ["x", "h", "last/Relu"]
    assert read.output_names == ["y"]


def test_what_no_output_needs_is_left_out(tmp_path: Path) -> None:
    read = graph(onnx_model(node("If", "x", "h"), node("Relu", "x", "y"), shape=("N", 3)), tmp_path)
    assert [item.layer.class_name for item in read.nodes] == ["InputLayer", "ReLU"]


def test_names_scales_and_channels_first_leave_no_trace(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "c", name="conv"),
        node("Relu", "c", "r", name="relu"),
        node("Flatten", "r", "f"),
        node("Gemm", "f k", "y", name="out"),
    ]
    rng = np.random.default_rng(0)
    sizes = {"w": (4, 1, 3, 3), "k": (144, 3)}
    constants: Any = {name: rng.normal(size=size).astype("f4") for name, size in sizes.items()}
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx_model(*nodes, shape=("N", 1, 8, 8), **constants))
    network = quiet(path, preset="spikeserve", scale_firing_rates={"relu": 50})
    assert [layer.scale for layer in network.report.layers] == [50]
    found = [op.WhichOneof("kind") for op in network.definition.operations]
    assert found == ["input", "reshape", "conv", "neuron", "reshape", "affine"]  # no permutation is left
    assert network.definition.provenance.source_format == "ONNX (opset 17)"
    assert len(network.definition.provenance.source_sha256) == 64


def test_open_sizes_are_given(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx_model(node("GlobalAveragePool", "x", "y"), shape=("N", 2, "height", None)))
    with pytest.raises(ConversionError, match=r"open shape \(2, \?, \?\); give input_shape"):
        spikeserve.convert(path)
    with pytest.raises(ConversionError, match=r"input_shape \(3, 4, 5\) does not fit \(2, \?, \?\)"):
        spikeserve.convert(path, input_shape=(3, 4, 5))
    x = np.random.default_rng(1).normal(size=(2, 2, 4, 5))
    for given in ((2, 4, 5), {"x": (2, 4, 5)}):
        (got,) = outputs(quiet(path, input_shape=given), x)
        assert got[:, :, 0, 0] == pytest.approx(x.mean((2, 3)), abs=1e-6)
