"""Writes the ONNX models of this folder by torch's exporters, with inputs and onnxruntime's outputs.

Needs torch, onnx, onnxscript, onnxruntime and this repository's Python package; the tests need none but that.
Run it in this folder: `python generate.py`. `operators.npz` has what onnxruntime computes for the cases of
`client/python/tests/convert/readers/onnx_cases.py`, for which `python generate.py operators` is enough.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[3] / "client" / "python" / "tests"
sys.path[:0] = [str(TESTS / "convert" / "readers"), str(TESTS / "support")]


def run(model: bytes | str, inputs: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: inputs})[0])


def record_operators() -> None:
    from onnx_cases import CASES

    outputs = {name: run(case.model, case.inputs()) for name, case in CASES.items()}
    np.savez_compressed(HERE / "operators.npz", **outputs)


def forget_paths(path: Path) -> None:
    """Removes where the exporter found each line of code, which is of no use elsewhere."""
    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    for item in [
        model,
        graph,
        *graph.node,
        *graph.value_info,
        *graph.input,
        *graph.output,
        *graph.initializer,
    ]:
        del item.metadata_props[:]
    path.write_bytes(model.SerializeToString())


def write_models() -> None:
    """Networks by both exporters, with data inside and in a file beside, with a fixed batch."""
    import torch
    from torch_models import DigitsCnn, Residual, UNet, train_digits

    torch.manual_seed(0)
    digits = train_digits(DigitsCnn(), HERE.parent / "digits.npz")
    batch = torch.export.Dim("batch")
    old: dict[str, Any] = {"dynamo": False, "opset_version": 13, "dynamic_axes": {"x": {0: "batch"}}}
    new: dict[str, Any] = {"dynamo": True, "opset_version": 18, "dynamic_shapes": ({0: batch},)}
    models = {
        "digits_cnn": (digits, (1, 8, 8), old),
        "residual": (Residual(), (3, 12, 12), new | {"external_data": False}),
        "residual_old": (Residual(), (3, 12, 12), old),
        "unet": (UNet(), (3, 8, 8), new | {"external_data": True}),
        "unet_one": (UNet(), (3, 8, 8), {"dynamo": False, "opset_version": 17}),
    }
    for name, (module, shape, options) in models.items():
        path = HERE / f"{name}.onnx"
        count = 1 if name == "unet_one" else 4
        inputs = torch.randn(count, *shape)
        torch.onnx.export(module.eval(), (inputs,), str(path), input_names=["x"], **options)
        forget_paths(path)
        np.savez_compressed(
            HERE / f"{name}.npz", inputs=inputs.numpy(), outputs=run(str(path), inputs.numpy())
        )


if __name__ == "__main__":
    record_operators()
    if sys.argv[1:] != ["operators"]:
        write_models()
