"""Model files that nobody vouches for: what is dangerous is refused before it is touched."""

from __future__ import annotations

import io
import json
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_files import MODELS, archive, input_layer, keras_file, random_dense, sequential_config

import spikeserve
from spikeserve import ConversionError
from spikeserve.convert.read.limits import DEFAULT_LIMITS, Limits
from spikeserve.convert.read.safe_hdf5 import SafeFile
from spikeserve.convert.read.safe_json import parse_json
from spikeserve.convert.read.safe_zip import read_members

CONFIG = json.dumps(sequential_config([input_layer(4), random_dense(4, 2)]))


def weights(change: Callable[[h5py.File], Any]) -> bytes:
    """The weights file of CONFIG after `change`."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"] = np.zeros((4, 2), "f4")
        group["1"] = np.zeros(2, "f4")
        change(file)
    return content.getvalue()


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the names that appear twice
        for name, content in members:
            target.writestr(name, content)
    return path


def good_members() -> list[tuple[str | zipfile.ZipInfo, bytes]]:
    return [("config.json", CONFIG.encode()), ("model.weights.h5", weights(lambda file: None))]


def test_the_file_without_a_change_is_fine(tmp_path: Path) -> None:
    assert spikeserve.convert(zipped(tmp_path / "m.keras", *good_members())).report.max_error is not None


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("config.json", "twice"),
        ("model.weights.h5", "twice"),
        ("/etc/passwd", "unsafe path"),
        ("../up", "unsafe path"),
        ("a/../../b", "unsafe path"),
        ("a\\b", "unsafe path"),
        ("C:x", "unsafe path"),
    ],
)
def test_archive_members(tmp_path: Path, member: str, message: str) -> None:
    path = zipped(tmp_path / "m.keras", *good_members(), (member, b"x"))
    with pytest.raises(ConversionError, match=message):
        spikeserve.convert(path)


def test_links_and_encryption_in_archives(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with pytest.raises(ConversionError, match="is a link"):
        spikeserve.convert(zipped(tmp_path / "m.keras", *good_members(), (link, b"/etc/passwd")))
    path = zipped(tmp_path / "e.keras", *good_members())
    content = bytearray(path.read_bytes())
    content[content.find(b"PK\x01\x02") + 8] |= 1  # the flag in the directory entry
    path.write_bytes(content)
    with pytest.raises(ConversionError, match="encrypted"):
        spikeserve.convert(path)


def test_zip_bombs_are_refused_by_their_directory(tmp_path: Path) -> None:
    path = zipped(tmp_path / "m.keras", *good_members(), ("assets/x", bytes(1 << 20)))
    with pytest.raises(ConversionError, match=r"grow \d+-fold"):
        read_members(path, Limits(ratio_threshold=1 << 16))
    with pytest.raises(ConversionError, match="3 archive members, the limit is 2"):
        read_members(path, Limits(archive_members=2))
    with pytest.raises(ConversionError, match="the limit is 10"):
        read_members(path, Limits(config_bytes=10))


def test_a_member_that_is_larger_than_it_says(tmp_path: Path) -> None:
    path = zipped(tmp_path / "m.keras", *good_members())
    content = path.read_bytes().replace(
        len(CONFIG).to_bytes(4, "little"), (len(CONFIG) // 2).to_bytes(4, "little")
    )
    path.write_bytes(content)
    with pytest.raises(ConversionError):
        spikeserve.convert(path)


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_missing_members(tmp_path: Path, missing: str) -> None:
    members = [member for member in good_members() if member[0] != missing]
    with pytest.raises(ConversionError, match=f"no {missing}"):
        spikeserve.convert(zipped(tmp_path / "m.keras", *members, ("model.weights.npz", b"x")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 101 + "]" * 101, "nested deeper"),
        ('{"a": 1, "a": 2}', "appears twice"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "1" * 5000 + "}", "not valid JSON"),
        ('{"a": "\\ud800"}', "not valid text"),
        ('{"a": ', "not valid JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (" " * 2000, "the limit is 1000"),
        (json.dumps([0] * 60), "more than 50"),
    ],
    ids=["deep", "keys", "nan", "inf", "1e999", "digits", "surrogate", "cut", "bytes", "long", "items"],
)
def test_json(text: str | bytes, message: str) -> None:
    limits = Limits(config_bytes=1000 if text == " " * 2000 else 100_000, json_items=50)
    with pytest.raises(ConversionError, match=message):
        parse_json(text, "config", limits)


def external_file(file: h5py.File) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", (4, 2), "f4", external=[("/etc/passwd", 0, 32)])


def virtual(file: h5py.File) -> None:
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((4, 2), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (4, 2))
    file["layers/dense/vars"].create_virtual_dataset("0", layout)


def replaced(values: Any, **options: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset("0", data=values, **options)

    return change


def linked(target: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = target

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (linked(h5py.SoftLink("/layers/dense/vars/1")), "link, which is not followed"),
        (linked(h5py.ExternalLink("/etc/passwd", "/x")), "link, which is not followed"),
        (external_file, "in another file"),
        (virtual, "virtual dataset"),
        (replaced(np.full((4, 2), np.nan, "f4")), "NaN or infinity"),
        (replaced(np.full((4, 2), np.inf, "f8")), "NaN or infinity"),
        (replaced(np.full((4, 2), 1e300)), "outside of float32"),
        (replaced(np.array(b"text")), "wanted numbers"),
        (replaced(np.zeros((4, 2), "c8")), "wanted numbers"),
        (replaced(np.array("text", h5py.string_dtype())), "wanted numbers"),
        (replaced(np.zeros((4, 2), [("a", "f4")])), "wanted numbers"),
        (lambda file: file.__delitem__("layers/dense/vars/0"), "unexpected members"),
        (lambda file: file["layers/dense/vars"].attrs.update(name="else"), "belong to 'else'"),
        (lambda file: file.__delitem__("layers"), "weights have the shapes"),
    ],
    ids=[
        "soft", "external-link", "external-file", "virtual", "nan", "inf", "float32", "text", "complex",
        "string", "compound", "gap", "name", "nothing",
    ],
)  # fmt: skip
def test_weights(tmp_path: Path, change: Callable[[h5py.File], None], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        spikeserve.convert(archive(tmp_path / "m.keras", CONFIG, weights(change)))


def test_hdf5_limits(tmp_path: Path) -> None:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("bomb", (1 << 40,), "f4", chunks=(1 << 16,), compression="gzip")
        file.create_dataset("thin", (1 << 20,), "f4", chunks=(1 << 16,), compression="gzip")
        file.create_dataset("plain", data=np.zeros(100, "f4"))
        file.attrs["long"] = np.zeros(100)
    limits = Limits(ratio_threshold=1 << 16, parameters=150, config_bytes=400)
    with SafeFile(content.getvalue(), "file", limits) as safe:
        with pytest.raises(ConversionError, match="over the limit"):
            safe.weight("bomb")
        with pytest.raises(ConversionError, match="stores only"):
            safe.weight("thin")
        assert safe.weight("plain").shape == (100,)
        with pytest.raises(ConversionError, match="more than 150 parameters"):
            safe.weight("plain")
        with pytest.raises(ConversionError, match="attribute 'long'"):
            safe.attribute("", "long")
    assert tmp_path.exists()


def names_of_variable_length(count: int, text: bytes) -> bytes:
    """A file whose `layer_names` are `count` references to one string."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        names = np.array([text] + [b"x"] * (count - 1), object)
        file.attrs.create("layer_names", names, dtype=h5py.string_dtype("ascii"))
    data = bytearray(content.getvalue())
    first = 0
    for at in range(0, len(data) - 32, 4):  # length, address and index of the first, then of the second
        lengths = (bytes(data[at : at + 4]), bytes(data[at + 16 : at + 20]))
        if lengths == (len(text).to_bytes(4, "little"), (1).to_bytes(4, "little")):
            first = at
    for i in range(1, count):
        data[first + 16 * i : first + 16 * (i + 1)] = data[first : first + 16]
    return bytes(data)


def test_many_references_to_one_long_name_are_refused_before_they_are_read() -> None:
    limits = Limits(ratio_threshold=1 << 20)
    with SafeFile(names_of_variable_length(2, b"a" * 1000), "file", limits) as safe:
        assert safe.names("", "layer_names") == ["a" * 1000] * 2
    with (
        SafeFile(names_of_variable_length(400, b"a" * 10_000), "file", limits) as safe,
        pytest.raises(ConversionError, match="400 values of variable length"),
    ):
        safe.names("", "layer_names")


def test_names_are_not_longer_than_the_file() -> None:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["names0"] = np.array([b"a" * 1000])
    data = content.getvalue()
    with SafeFile(data, "file", DEFAULT_LIMITS) as safe:
        assert safe.names("", "names") == ["a" * 1000]
        safe._file_bytes = 999
        with pytest.raises(ConversionError, match="longer than the file"):
            safe.names("", "names")


def test_chunks_larger_than_the_dataset_are_refused() -> None:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("x", (64,), "f4", maxshape=(None,), chunks=(1 << 16,), compression="gzip")
    with SafeFile(content.getvalue(), "file", DEFAULT_LIMITS) as safe:
        assert safe.weight("x").shape == (64,)
    with (
        SafeFile(content.getvalue(), "file", Limits(hdf5_chunk_bytes=1 << 17)) as safe,
        pytest.raises(ConversionError, match="chunks of 262144 bytes"),
    ):
        safe.weight("x")


def test_filters_that_need_a_plugin_are_refused() -> None:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("x", data=np.arange(100), scaleoffset=0)
    with (
        SafeFile(content.getvalue(), "file", DEFAULT_LIMITS) as safe,
        pytest.raises(ConversionError, match="HDF5 filters"),
    ):
        safe.weight("x")


def test_truncated_files(tmp_path: Path) -> None:
    for name in ("digits_mlp.keras", "digits_mlp.h5"):
        whole = (MODELS / name).read_bytes()
        path = tmp_path / name
        for size in (9, 100, len(whole) // 2, len(whole) - 10):
            path.write_bytes(whole[:size])
            with pytest.raises(ConversionError):
                spikeserve.convert(path)


def test_model_json_of_a_few_bytes_cannot_ask_for_much(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="limits are"):
        spikeserve.convert(keras_file(tmp_path, input_layer(65536, 65536), random_dense(65536, 2)))


VALUES: list[Any] = [
    None, -1, 0, 1, 3, 1e9, 10**30, "same", "relu", "", [], [1], [1, 2], {}, True, 2.5, ["a", 0, 0],
    {"class_name": "x"},
]  # fmt: skip


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [prefix, *(path for key, item in items for path in paths(item, (*prefix, key)))]


def damage(config: Any, rng: random.Random) -> None:
    path = rng.choice(paths(config)[1:])
    for key in path[:-1]:
        config = config[key]
    if rng.random() < 0.7:
        config[path[-1]] = rng.choice(VALUES)
    else:
        del config[path[-1]]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("source", sorted((MODELS / "layers").glob("*.keras")), ids=lambda p: p.stem)
def test_damaged_configurations_convert_or_say_why(tmp_path: Path, source: Path) -> None:
    rng = random.Random(source.stem)
    with zipfile.ZipFile(source) as file:
        text, content = file.read("config.json"), file.read("model.weights.h5")
    for _ in range(15):
        config = json.loads(text)
        damage(config, rng)
        try:
            spikeserve.convert(archive(tmp_path / "m.keras", config, content))
        except ConversionError as error:
            assert "internal check" not in str(error)  # noqa: PT017
