"""Networks as NIR files: what the package `nir` reads, what comes back, and what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_files import L, input_layer, keras_file, random_dense
from nir_files import affine, chain, neuron, write_nir

import spikeserve
from spikeserve import ConversionError, ConversionWarning
from spikeserve.convert.definition.forward import run_rates

RNG = np.random.default_rng(4)
MEMORY = "it takes spikes back, which NIR's IF does not"
SIGNED = "it keeps what is above the threshold"


def quiet(call: Any, *args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        return call(*args, **options)


def keras(path: Path, *layers: L, **options: Any) -> spikeserve.Network:
    """The network of a Keras model."""
    network: spikeserve.Network = quiet(
        spikeserve.convert, keras_file(path, *layers), scale_firing_rates=3.0, **options
    )
    return network


def conv2d(filters: int, kernel: Any, inner: int, **config: Any) -> L:
    weights = [RNG.normal(size=(*kernel, inner, filters)).astype("f4"), RNG.normal(size=filters).astype("f4")]
    usual = {"filters": filters, "kernel_size": list(kernel), "activation": "linear"}
    return L("Conv2D", {**usual, **config}, weights)


def outputs(network: spikeserve.Network, x: Any) -> Any:
    definition = network.definition
    name = next(op.name for op in definition.operations if op.HasField("input"))
    return run_rates(definition, {name: x})[definition.probes[0].target]


IMAGES = {
    "same padding": [conv2d(3, (2, 4), 2, padding="same", strides=[2, 3])],
    "dilation": [conv2d(3, (2, 3), 2, padding="same", dilation_rate=[3, 2])],
    "padding and cropping": [
        L("ZeroPadding2D", {"padding": [[1, 2], [0, 3]]}), L("Cropping2D", {"cropping": [[2, 0], [1, 1]]}),
        conv2d(2, (2, 2), 2),
    ],
    "pooling": [
        L("AveragePooling2D", {"pool_size": [2, 3], "strides": [2, 3], "padding": "valid"}),
        conv2d(2, (1, 1), 2),
    ],
    "dense on pixels": [random_dense(2, 4)],
    "flatten": [conv2d(3, (2, 2), 2), L("Flatten"), random_dense(3 * 6 * 8, 5)],
}  # fmt: skip


@pytest.mark.parametrize("sums", [False, True])
@pytest.mark.parametrize("name", IMAGES)
def test_images_come_back_with_their_channels_first(tmp_path: Path, name: str, sums: bool) -> None:
    network = keras(tmp_path, input_layer(7, 9, 2), *IMAGES[name])
    quiet(network.to_nir, tmp_path / "o.nir", sum_pools=sums)
    back = quiet(spikeserve.read_nir, tmp_path / "o.nir", dt=1e-3)
    x = RNG.normal(size=(3, 7, 9, 2)).astype(np.float32)
    moved = back.definition.operations[0].input.shape[0] == 2
    wanted, found = outputs(network, x), outputs(back, np.moveaxis(x, -1, 1) if moved else x)
    if moved and wanted.ndim == 4:
        wanted = np.moveaxis(wanted, -1, 1)
    assert moved or name == "dense on pixels"
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("preset", "text"), [("balanced", MEMORY), ("spikeserve", SIGNED), ("nengo_dl", SIGNED)]
)
def test_what_nir_cannot_say_is_refused_or_said(tmp_path: Path, preset: str, text: str) -> None:
    layers = [
        input_layer(4),
        random_dense(4, 6, "relu", 1),
        random_dense(6, 5, "relu", 2),
        random_dense(5, 3),
    ]
    network = keras(tmp_path, *layers, preset=preset)
    with pytest.raises(ConversionError) as caught:
        network.to_nir(tmp_path / "o.nir")
    assert str(caught.value).count(text) == 1
    assert "2 layers" in str(caught.value)
    assert not (tmp_path / "o.nir").exists()
    with pytest.warns(ConversionWarning, match=text):
        network.to_nir(tmp_path / "o.nir", approximate=True)
    with h5py.File(tmp_path / "o.nir") as file:
        for name, node in file["node/nodes"].items():
            if node["type"][()] == b"IF":  # as other tools take it
                assert (node["r"][()] == 1).all(), name
                assert (node["v_threshold"][()] == 1).all()
    back = quiet(spikeserve.read_nir, tmp_path / "o.nir", dt=1e-3, reset="subtract")
    x = RNG.normal(size=(20, 4)).astype(np.float32)
    np.testing.assert_allclose(outputs(back, x), outputs(network, x), rtol=1e-3, atol=1e-4)


def test_a_synapse_in_front_of_lif_neurons_becomes_cuba(tmp_path: Path) -> None:
    graph = chain([3], affine(np.eye(3)), neuron("CubaLIF", 3, w_in=4.0), affine(np.ones((2, 3))), out=[2])
    network = quiet(spikeserve.read_nir, write_nir(tmp_path / "a.nir", graph), dt=1e-4)
    with pytest.warns(ConversionWarning, match="one step"):
        network.to_nir(tmp_path / "b.nir")
    with h5py.File(tmp_path / "b.nir") as file:
        kinds = {name: node["type"][()].decode() for name, node in file["node/nodes"].items()}
        assert kinds == {
            "input": "Input",
            "n0": "Affine",
            "n1": "CubaLIF",
            "n2": "Affine",
            "output": "Output",
        }
        assert file["node/nodes/n1/tau_syn"][()] == pytest.approx(1e-3)


def test_a_bias_keeps_the_synapse_apart(tmp_path: Path) -> None:
    """A synapse here does not filter it, one of NIR's behind it would."""
    graph = chain([3], neuron("LI", 3), affine(np.eye(3), [1, 2, 3]), neuron("LIF", 3))
    network = quiet(spikeserve.read_nir, write_nir(tmp_path / "a.nir", graph), dt=1e-4)
    quiet(network.to_nir, tmp_path / "b.nir")
    with h5py.File(tmp_path / "b.nir") as file:
        assert {node["type"][()] for node in file["node/nodes"].values()} >= {b"LI", b"LIF"}
    back = quiet(spikeserve.read_nir, tmp_path / "b.nir", dt=1e-4)
    assert back.definition.operations == network.definition.operations
    assert back.definition.connections == network.definition.connections


def test_operations_without_a_node(tmp_path: Path) -> None:
    both = [
        input_layer(6),
        random_dense(6, 6, "relu", 1),
        L("Reshape", {"target_shape": [2, 3]}),
        L("Flatten"),
    ]
    with pytest.raises(ConversionError, match=r"it makes the shape \(2, 3\); NIR can only flatten"):
        keras(tmp_path, *both, random_dense(6, 2), preset="spikeserve").to_nir(tmp_path / "o.nir")
    tanh = keras(
        tmp_path,
        input_layer(6),
        random_dense(6, 2, "tanh"),
        swap_activations={"tanh": "RegularSpiking(Tanh)"},
    )
    with pytest.raises(ConversionError, match="NIR has no RegularSpiking neuron"):
        tanh.to_nir(tmp_path / "o.nir", approximate=True)


def test_the_package_reads_what_is_written(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir", reason="the package nir is not installed")
    layers = [
        input_layer(8, 8, 1),
        conv2d(3, (3, 3), 1, activation="relu"),
        L("AveragePooling2D", {"pool_size": 2}),
    ]
    network = keras(tmp_path, *layers, L("Flatten"), random_dense(27, 4), preset="nengo_dl")
    quiet(network.to_nir, tmp_path / "o.nir", approximate=True)
    graph = nir.read(tmp_path / "o.nir")  # which checks all shapes
    nir.write(tmp_path / "again.nir", graph)
    ours, theirs = (quiet(spikeserve.read_nir, tmp_path / name, dt=1e-3) for name in ("o.nir", "again.nir"))
    assert ours.definition.operations == theirs.definition.operations
    assert ours.definition.tensors == theirs.definition.tensors
    assert theirs.definition.provenance.source_format == f"NIR {nir.version}"
