"""The test cases that the onnx package makes, of the operators that are read, where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import outputs, quiet

from spikeserve import ConversionError
from spikeserve.convert.read.onnx.call import OPERATORS
from spikeserve.outputs import activations

onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
NEWEST = 23
MOST_REFUSED = (
    0.7  # of the models: weights, axes of the batch and bounds that are inputs, training, types ...
)


def with_constants(model: Any, inputs: list[np.ndarray]) -> bytes:
    """The model with all inputs but the first as constants, of an operator set that is read."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for item, values in zip(copy.graph.input[1:], inputs[1:], strict=True):
        copy.graph.initializer.append(onnx.numpy_helper.from_array(values, item.name))
    del copy.graph.input[1:]
    for entry in copy.opset_import:
        entry.version = min(max(entry.version, 13), NEWEST)
    return bytes(copy.SerializeToString())


def is_read(case: Any) -> bool:
    """A single node with one output and a first input of floats that has a batch, as of the newest set."""
    graph = case.model.graph
    if len(graph.node) != 1 or not graph.input or len(graph.output) != 1:
        return False
    node, kind = graph.node[0], graph.input[0].type.tensor_type
    if node.op_type not in OPERATORS or node.domain or kind.elem_type != onnx.TensorProto.FLOAT:
        return False
    version = max(entry.version for entry in case.model.opset_import if not entry.domain)
    since = onnx.defs.get_schema(node.op_type, version).since_version
    return len(kind.shape.dim) > 1 and since <= NEWEST


def test_models_of_single_operators(tmp_path: Path) -> None:
    collect = pytest.importorskip("onnx.backend.test.case.node").collect_testcases
    compared, refused, wrong = 0, [], []
    for case in filter(is_read, collect(None)):
        inputs, wanted = case.data_sets[0]
        path = tmp_path / "model.onnx"
        path.write_bytes(with_constants(case.model, inputs))
        try:
            network = quiet(path, keep_softmax=True)
        except ConversionError as error:
            refused.append(f"{case.name}: {error}")
            continue
        (got,) = outputs(network, inputs[0])
        probe = network.definition.probes[0]
        if probe.HasField("activation"):
            got = activations.apply(probe.activation, got)
        compared += 1
        if not np.allclose(got.reshape(wanted[0].shape), wanted[0], rtol=1e-3, atol=1e-5):  # some are rounded
            wrong.append(case.name)
    assert not wrong
    assert not any("please report" in message for message in refused)
    assert compared > 40
    assert len(refused) <= MOST_REFUSED * (compared + len(refused)), refused
