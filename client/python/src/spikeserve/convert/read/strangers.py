"""Recognises files of other formats by their first bytes; says what to do with those that are not read."""

from __future__ import annotations

from pathlib import Path

HEAD_BYTES = 16
_PICKLE_PROTOCOLS = b"\x02\x03\x04\x05"
_LIVE = "load it in torch and give the live module: spikeserve.convert(module, input_shape=(...))"
PICKLE = f"a pickle, which is code and never opened; {_LIVE}, or export it to ONNX"


def looks_like_onnx(head: bytes) -> bool:
    """Whether a file begins with the version of the ONNX format; there is no better mark."""
    return (
        len(head) > 2
        and head[0] == 0x08
        and 3 <= head[1] < 32
        and head[2] in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)
    )


def folder_advice(path: Path) -> str:
    """What to do with a folder in place of a file."""
    if (path / "saved_model.pb").exists():
        return (
            "a TensorFlow SavedModel, code of TensorFlow; two lines convert it to ONNX, which is read:\n"
            "  pip install tf2onnx\n"
            f"  python -m tf2onnx.convert --opset 18 --saved-model {path} --output model.onnx"
        )
    return "a folder; give the file of the model in it"


def file_advice(path: Path, head: bytes) -> str | None:
    """What to do with a file that is known and not read; None for any other."""
    if head[:1] == b"{":
        return "a JSON configuration alone has no weights; use convert(('model.json', 'weights.h5'))"
    if head[:1] == b"\x80" and head[1:2] in tuple(bytes([n]) for n in _PICKLE_PROTOCOLS):
        return PICKLE
    if len(head) > 8 and head[8:9] == b"{" and not any(head[5:8]):
        return f"safetensors holds weights without the layers that they belong to; {_LIVE}"
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model, made for one runtime; convert the model that it was made of"
    if path.name in ("saved_model.pb", "keras_metadata.pb"):
        return folder_advice(path.parent)
    return None
