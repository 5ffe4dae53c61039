"""Which reader takes a file, whatever its name, and what is said of files that none takes."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
from keras_files import MODELS, quiet

import spikeserve
from spikeserve import ConversionError


def refusal(model: Path) -> str:
    with pytest.raises(ConversionError) as caught:
        spikeserve.convert(model)
    return str(caught.value)


@pytest.mark.parametrize("name", ["digits_mlp.keras", "digits_mlp.h5", "onnx/digits_cnn.onnx"])
@pytest.mark.parametrize("target", ["model", "model.bin", "model.pt"])
def test_files_are_recognised_by_their_bytes(name: str, target: str, tmp_path: Path) -> None:
    shutil.copy(MODELS / name, tmp_path / target)
    assert quiet(tmp_path / target).definition.operations == quiet(MODELS / name).definition.operations


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pkl", "model"])
def test_pickles_are_not_opened(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"weight": [1.0]}))
    assert "a pickle, which is code and never opened; load it in torch and give the live module" in refusal(
        path
    )
    with zipfile.ZipFile(path, "w") as archive:  # what torch.save writes today
        archive.writestr("model/data.pkl", pickle.dumps([]))
        archive.writestr("model/data/0", bytes(16))
    assert "a pickle, which is code and never opened" in refusal(path)


def test_safetensors_have_no_layers(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    text = refusal(path)
    assert "safetensors holds weights without the layers that they belong to" in text
    assert "spikeserve.convert(module, input_shape=(...))" in text


def test_saved_models_come_with_the_two_lines_that_convert_them(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x02")
    for path in (tmp_path, tmp_path / "saved_model.pb"):
        text = refusal(path)
        assert "a TensorFlow SavedModel" in text
        assert text.splitlines()[1:] == [
            "  pip install tf2onnx",
            f"  python -m tf2onnx.convert --opset 18 --saved-model {tmp_path} --output model.onnx",
        ]


def test_lite_models(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(20))
    assert "a TensorFlow Lite model" in refusal(path)
