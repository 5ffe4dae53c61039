"""Reader for ONNX files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.graph import InputShape, SourceModel
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.onnx.constants import Constants
from spikeserve.convert.read.onnx.external import ExternalData
from spikeserve.convert.read.onnx.schema import Model, Node
from spikeserve.convert.read.onnx.translate import Translation
from spikeserve.convert.read.onnx.wire import Budget, decode

_OPSETS = range(13, 24)
_DEPTH = 16  # of messages: a subgraph inside of another adds three


def read_onnx(path: Path, limits: Limits, input_shape: InputShape) -> SourceModel:
    """The model in an ONNX file, `input_shape` (without batch) in place of sizes that it leaves open.

    ConversionError for damaged, hostile, quantized or unknown files.
    """
    size = path.stat().st_size
    if size > limits.weights_bytes:
        raise ConversionError(f"{path}: {size} bytes, the limit is {limits.weights_bytes}")
    content = path.read_bytes()
    model = decode(Model, memoryview(content), Budget(limits.onnx_fields, _DEPTH, str(path)))
    opset = _check(model, path)
    external = ExternalData(path.parent, str(path), limits)
    assert model.graph is not None
    constants = Constants(external, str(path), limits)
    graph = Translation(model.graph, opset, constants, limits, str(path)).run(input_shape)
    digest = hashlib.sha256(content)
    external.update(digest)
    return SourceModel(graph, str(path), f"ONNX (opset {opset})", sha256=digest.hexdigest())


def _check(model: Model, path: Path) -> int:
    """The version of the operators; ConversionError for a model that is not read at all."""
    versions = {item.domain: item.version for item in model.opset_import}
    opset = versions.get("", versions.get("ai.onnx", 0))
    if model.graph is None or not model.opset_import or not model.graph.output:
        raise ConversionError(f"{path}: not an ONNX model, or a damaged one: it has no graph with outputs")
    if opset not in _OPSETS:
        raise ConversionError(
            f"{path}: its operators are of opset {opset}, {_OPSETS[0]} to {_OPSETS[-1]} are read; export it "
            f"with opset_version={_OPSETS[-1] if opset > _OPSETS[-1] else 17}, or convert it with "
            "onnx.version_converter"
        )
    if model.graph.sparse_initializer:
        raise ConversionError(f"{path}: it has sparse constants; export it with dense ones")
    quantized = [node for node in model.graph.node if _is_quantized(node)]
    if quantized:
        kinds = ", ".join(sorted({node.op_type for node in quantized}))
        raise ConversionError(
            f"{path}: the model is quantized ({len(quantized)} nodes: {kinds}); export it before that"
        )
    return opset


def _is_quantized(node: Node) -> bool:
    kind = node.op_type
    return kind.startswith(("QLinear", "QGemm", "Quantize", "Dequantize", "DynamicQuantize")) or kind in (
        "ConvInteger",
        "MatMulInteger",
        "FusedMatMulInteger",
        "QAttention",
    )
