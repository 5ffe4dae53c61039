"""ONNX files that nobody vouches for: refused in one clear error, before much is made of them."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import MODELS
from onnx_files import (
    FLOAT,
    STRING,
    field,
    fields,
    graph,
    model,
    node,
    onnx_model,
    tensor,
    value_info,
    varint,
)

import spikeserve
from spikeserve import ConversionError
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.onnx.wire import varints
from spikeserve.convert.read.source import read_model

ROW = ("N", 4)


def refusal(folder: Path, content: bytes, limits: Limits | None = None) -> str:
    path = folder / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ConversionError) as caught:
        read_model(path, limits=limits) if limits else spikeserve.convert(path)
    return str(caught.value)


def with_constant(content: bytes) -> bytes:
    """A model whose weight is this tensor."""
    nodes = fields(1, [node("MatMul", "x w", "y")]) + field(5, content)
    return model(nodes + field(11, value_info("x", ROW)) + field(12, value_info("y", None)))


def external(location: str, **more: str) -> bytes:
    entries = {"location": location, **more}
    places = fields(13, (field(1, key) + field(2, value) for key, value in entries.items()))
    return with_constant(fields(1, (4, 2)) + field(2, FLOAT) + field(8, "w") + places + field(14, 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an ONNX model"),
        (b"\x08", "damaged ONNX file: a number is cut off"),
        (b"\x08" + b"\xff" * 12, "cut off or has more than 64 bits"),
        (field(7, b"")[:-1] + b"\x05abc", "field 7 has 5 bytes where 3 are left"),
        (varint(7 << 3 | 3), "field 7 has the wire type 3"),
        (field(7, 3), "'graph' has the wire type 0"),
        (field(1, 8) + field(7, field(2, "empty")), "no graph with outputs"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tensor("w", np.zeros((4, 2), "f4"))[:-1] + b"", "damaged ONNX file"),
        (
            fields(1, (4, 2)) + field(2, FLOAT) + field(8, "w") + field(9, b"abc"),
            "has 3 bytes, its shape (4, 2) takes 32",
        ),
        (fields(1, (4, 2)) + field(2, FLOAT) + field(8, "w"), "has 0 values, its shape (4, 2) 8"),
        (fields(1, (-4, 2)) + field(2, FLOAT), "axes of the sizes (-4, 2)"),
        (fields(1, [1] * 100_000) + field(2, FLOAT), "has 100000 axes"),
        (fields(1, (1 << 40, 1 << 40)) + field(2, FLOAT) + field(8, "w"), "values in constants"),
        (fields(1, (4, 2)) + field(2, STRING) + field(8, "w"), "has the type string"),
        (fields(1, (4, 2)) + field(2, 22) + field(8, "w"), "has the type int4"),
        (fields(1, (4, 2)) + field(2, 77) + field(8, "w"), "has the type number 77"),
        (tensor("w", np.full((4, 2), np.nan, "f4")), "holds NaN or infinity"),
        (
            fields(1, (4, 2)) + field(2, 7) + field(8, "w") + field(7, b"\xff"),
            "is damaged: a number is cut off",
        ),
    ],
)
def test_damaged_constants(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(tmp_path, with_constant(content))


@pytest.mark.parametrize(
    ("location", "more", "message"),
    [
        ("../data", {}, "not a file in the model's own folder"),
        ("/etc/passwd", {}, "not a file in the model's own folder"),
        ("a/../../b", {}, "not a file in the model's own folder"),
        ("c:data", {}, "not a file in the model's own folder"),
        ("a\\b", {}, "not a file in the model's own folder"),
        ("", {}, "not a file in the model's own folder"),
        (".", {}, "not a file in the model's own folder"),
        ("absent", {}, "cannot be opened: No such file"),
        ("folder", {}, "is not a file"),
        ("pipe", {}, "is not a file"),
        ("link", {}, "leads through a link"),
        ("linked/data", {}, "leads through a link"),
        ("data", {"offset": "8"}, "has 24 bytes, its shape (4, 2) takes 32"),
        ("data", {"offset": "33"}, "bytes 33 to 33 of 'data', which has 32"),
        ("data", {"length": "33"}, "bytes 0 to 33 of 'data', which has 32"),
        ("data", {"offset": "-1"}, "offset is '-1'"),
        ("data", {"length": "9" * 30}, "length is "),
    ],
)
def test_external_data(tmp_path: Path, location: str, more: dict[str, str], message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "data").write_bytes(bytes(32))
    (tmp_path / "folder" / "data").write_bytes(bytes(32))
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "linked").symlink_to(tmp_path / "folder")
    os.mkfifo(tmp_path / "pipe")
    assert message in refusal(tmp_path, external(location, **more))


@pytest.mark.parametrize("location", ["data", "folder/data"])
def test_external_data_in_the_folder_are_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "folder").mkdir()
    values = np.arange(8, dtype="<f4").reshape(4, 2)
    (tmp_path / location).write_bytes(b"before" + values.tobytes())
    path = tmp_path / "model.onnx"
    path.write_bytes(external(location, offset="6", length="32"))
    (weights,) = read_model(path).graph.nodes[-1].layer.weights
    assert np.array_equal(weights, values)


def test_external_data_have_a_limit(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(2000))
    assert "'data' has 2000 bytes, limit 1000" in refusal(
        tmp_path, external("data"), Limits(weights_bytes=1000)
    )


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("If", "x", "y")], "'y' (ONNX If): chooses at run time"),
        ([node("LSTM", "x", "y", name="memory")], "'memory' (ONNX LSTM): recurrent layers are not supported"),
        ([node("FusedConv", "x", "y", domain="com.microsoft")], "it is of the domain 'com.microsoft'"),
        ([node("DequantizeLinear", "x", "y")], "the model is quantized (1 nodes: DequantizeLinear)"),
        ([node("Relu", "h", "y")], "reads ['h'], which nothing gives before"),
        ([node("Relu", "x", "x"), node("Relu", "x", "y")], "or writes ['x'] again"),
        ([node("Relu", "x", "")], "a damaged ONNX graph"),
        ([node("Relu", "", "y")], "its input 0 is missing"),
        (
            [node("Reshape", "x to", "y")],
            "it reshapes [batch, 4] to [4, batch]: the batch must stay in front",
        ),
        ([node("Transpose", "x", "y")], "moves the batch"),
        ([node("Div", "x x", "y")], "divides by a signal"),
        ([node("MatMul", "x x", "y")], "multiplies two signals"),
        ([node("Clip", "x to", "y")], "a bound has the shape (2,)"),
        ([node("Mul", "x big", "y")], "does not fit (4,)"),
        ([node("LeakyRelu", "x", "y", alpha=float("nan"))], "its alpha is nan"),
        ([node("Constant", "", "y")], "'y' (ONNX Constant): it has no numbers"),
        ([node("Identity", "to", "y")], "the output 'y' does not depend on the inputs"),
        ([node("MaxPool", "x", "y z", kernel_shape=[2])], "windows are [2] for an input of (4,)"),
        ([node("Range", "zero far one", "h"), node("Reshape", "x h", "y")], "values of constants"),
        ([node("ConstantOfShape", "huge", "h"), node("Reshape", "x h", "y")], "values of constants"),
        ([node("Dropout", "x", "h z"), node("Relu", "z", "y")], "it reads a second output"),
    ],
)
def test_graphs_that_cannot_be_read(tmp_path: Path, nodes: list[bytes], message: str) -> None:
    constants: dict[str, Any] = {
        "to": np.asarray([4, -1]), "big": np.ones((3, 1), "f4"), "zero": np.asarray(0), "one": np.asarray(1),
        "far": np.asarray(1 << 40), "huge": np.asarray([1 << 20, 1 << 20]),
    }  # fmt: skip
    assert message in refusal(tmp_path, onnx_model(*nodes, shape=ROW, **constants))


def test_all_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    nodes = [node("Foo", "x", "a"), node("Relu", "a", "b"), node("Bar", "b", "c"), node("Det", "x", "d"),
             node("Add", "c d", "y")]  # fmt: skip
    text = refusal(tmp_path, onnx_model(*nodes, shape=ROW))
    assert "3 layers cannot be converted" in text
    assert text.count("this operator is not supported") == 1
    assert all(f"ONNX {kind}" in text for kind in ("Foo", "Bar", "Det"))


@pytest.mark.parametrize(
    ("opset", "advice"), [(9, "opset_version=17"), (24, "opset_version=23"), (0, "opset 0")]
)
def test_operator_sets(tmp_path: Path, opset: int, advice: str) -> None:
    text = refusal(tmp_path, onnx_model(node("Relu", "x", "y"), shape=ROW, opset=opset))
    assert f"of opset {opset}, 13 to 23 are read" in text
    assert advice in text


def test_inputs_that_are_no_tensors_of_numbers(tmp_path: Path) -> None:
    nodes = fields(1, [node("Relu", "x", "y")]) + field(12, value_info("y", None))
    for info in (field(1, "x"), value_info("x", ROW, STRING)):
        assert "the input 'x' is no tensor of numbers" in refusal(tmp_path, model(nodes + field(11, info)))
    assert "the model has no input" in refusal(tmp_path, model(nodes))
    assert "has no shape behind the batch" in refusal(
        tmp_path, model(nodes + field(11, value_info("x", ["N"])))
    )
    many = model(nodes + field(11, value_info("x", [1] * 1000)))
    assert "has 1000 axes, the limit is 8" in refusal(tmp_path, many)


def test_inputs_with_different_batches(tmp_path: Path) -> None:
    content = graph([node("Add", "x z", "y")], {"x": (2, 4), "z": (3, 4)}, ["y"], {})
    assert "its inputs have different batches: ['2', '3']" in refusal(tmp_path, model(content))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(onnx_fields=30), "more fields than the limit allows"),
        (Limits(weights_bytes=100), "bytes, the limit is 100"),
        (Limits(parameters=7), "more than 7 values in constants"),
        (Limits(layers=1), "more than 1 layers"),
    ],
)
def test_limits(tmp_path: Path, limits: Limits, message: str) -> None:
    content = onnx_model(node("MatMul", "x w", "y"), shape=ROW, w=np.ones((4, 2), "f4"))
    assert message in refusal(tmp_path, content, limits)


def test_nesting_has_a_limit(tmp_path: Path) -> None:
    content = field(1, "x")
    for _ in range(50):
        content = field(5, field(1, "g") + field(6, field(1, content)))
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_model(field(2, "y") + content, shape=ROW))
    with pytest.raises(ConversionError):  # bodies of loops are skipped, not entered
        spikeserve.convert(path)


def test_empty_messages_cost_little_memory(tmp_path: Path) -> None:
    content = model(fields(1, [b""] * 100_000) + field(12, value_info("y", None)))
    tracemalloc.start()
    try:
        assert "more fields than the limit allows" in refusal(tmp_path, content, Limits(onnx_fields=100_000))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20 << 20


def test_packed_numbers() -> None:
    values = [0, 1, 127, 128, 300, -1, 2**40, -(2**63), 2**63 - 1] * 200_000  # several blocks
    packed = b"".join(varint(value) for value in values[:9]) * 200_000
    assert varints(packed).tolist() == values
    for wrong in (b"\x80", b"\x01\xff", b"\xff" * 11 + b"\x01"):
        with pytest.raises(ValueError, match=r"cut off|64 bits"):
            varints(wrong)


def _place(content: bytearray, rng: random.Random) -> int:
    """Anywhere, or near one of the ends, where there is more structure than weights."""
    near = rng.randrange(min(600, len(content)))
    return rng.choice((near, len(content) - 1 - near, rng.randrange(len(content))))


def _cut(content: bytearray, rng: random.Random) -> None:
    del content[_place(content, rng) :]


def _flip(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        content[_place(content, rng)] = rng.randrange(256)


def _copy(content: bytearray, rng: random.Random) -> None:
    start, target = _place(content, rng), _place(content, rng)
    content[target:target] = content[start : start + rng.randint(1, 64)]


@pytest.mark.parametrize("change", [_cut, _flip, _copy])
@pytest.mark.parametrize("name", ["digits_cnn", "residual_old", "unet_one"])
def test_mutations_give_a_model_or_one_clear_error(
    change: Callable[[bytearray, random.Random], None], name: str, tmp_path: Path
) -> None:
    original = (MODELS / "onnx" / f"{name}.onnx").read_bytes()
    path = tmp_path / "model.onnx"
    messages: list[str] = []
    for seed in range(60):
        rng = random.Random(seed)
        content = bytearray(original)
        change(content, rng)
        path.write_bytes(content)
        try:
            read_model(path)
        except ConversionError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert all(message.startswith(str(path)) for message in messages)
