"""Networks on disk: the header that the server reads, and every kind of damage."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import pytest
from keras_files import MODELS, quiet

import spikeserve
from spikeserve.network import (
    DamagedNetworkFileError,
    NetworkFileError,
    NetworkFileVersionError,
    NotANetworkFileError,
)


@pytest.fixture(scope="module")
def network() -> spikeserve.Network:
    return quiet(MODELS / "digits_mlp.keras")


@pytest.fixture
def path(network: spikeserve.Network, tmp_path: Path) -> Path:
    network.save(tmp_path / "n.spk")
    return tmp_path / "n.spk"


def test_round_trip(network: spikeserve.Network, path: Path) -> None:
    loaded = spikeserve.load_network(path)
    assert loaded.definition == network.definition
    assert loaded.to_bytes() == network.to_bytes()
    assert loaded.report.notes == network.report.notes
    assert os.listdir(path.parent) == ["n.spk"]  # no temporary file is left


def test_the_header_is_the_documented_one(network: spikeserve.Network, path: Path) -> None:
    content, payload = path.read_bytes(), network.to_bytes()
    assert content[:8] == b"SPKNET\r\n"
    assert struct.unpack("<IIQ", content[8:24]) == (1, 0, len(payload))
    assert content[24:56] == hashlib.sha256(payload).digest()
    assert content[56:] == payload


def test_files_that_a_server_stored_can_be_read(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for mode in (1, 2, 3):
        content[12] = mode
        path.write_bytes(content)
        assert spikeserve.load_network(path).definition.operations


@pytest.mark.parametrize(
    ("position", "value", "error", "message"),
    [
        (0, b"X", NotANetworkFileError, "wrong magic"),
        (6, b"\n\n", NotANetworkFileError, "wrong magic"),  # as after a transfer in text mode
        (8, b"\x02", NetworkFileVersionError, "file version 2, this version reads 1"),
        (12, b"\x05", DamagedNetworkFileError, "mode 5"),
        (16, b"\x01\x00\x00", DamagedNetworkFileError, "declares 1 bytes, the file holds more"),
        (16, b"\xff" * 8, DamagedNetworkFileError, "the limit is"),
        (24, b"\x00\x00", DamagedNetworkFileError, "SHA-256"),
        (500, b"\x00\x01\x02", DamagedNetworkFileError, "SHA-256"),
    ],
)
def test_damage(path: Path, position: int, value: bytes, error: type[NetworkFileError], message: str) -> None:
    content = bytearray(path.read_bytes())
    content[position : position + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(error, match=message) as caught:
        spikeserve.load_network(path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("size", [0, 7, 30, 56, 100])
def test_truncation(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(NetworkFileError):
        spikeserve.load_network(path)


def with_payload(path: Path, payload: bytes) -> Path:
    digest = hashlib.sha256(payload).digest()
    path.write_bytes(struct.pack("<8sIIQ32s", b"SPKNET\r\n", 1, 0, len(payload), digest) + payload)
    return path


def test_payloads_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(DamagedNetworkFileError, match="not a network definition"):
        spikeserve.load_network(with_payload(tmp_path / "a.spk", b"\xff\xff\xff"))
    with pytest.raises(NetworkFileVersionError, match="definition format 7"):
        spikeserve.load_network(with_payload(tmp_path / "b.spk", b"\x08\x07"))


def test_a_failed_save_keeps_the_old_file(
    network: spikeserve.Network, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        network.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["n.spk"]


def test_summary_and_report(network: spikeserve.Network) -> None:
    text = network.summary()
    assert "dense/neuron" in text
    assert "64 neurons, 4,810 parameters; 16 steps of 0.001 s" in text
    assert "dense/neuron: scale" in network.report.text()
    assert "5 operations" in repr(network)
