"""NIR files that nobody vouches for: one clear error, soon, and no file or memory that they point at."""

from __future__ import annotations

import contextlib
import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from nir_files import G, N, affine, chain, conv, neuron, write_nir

import spikeserve
from spikeserve import ConversionError, ConversionWarning

WEIGHT = "node/nodes/n0/weight"
TEXT = h5py.string_dtype()
SOON = 30.0  # s, on a machine that does much else


def good(path: Path) -> Path:
    return write_nir(
        path, chain([2, 4, 4], conv(np.ones((2, 2, 2, 2))), neuron("IF", (2, 3, 3)), out=[2, 3, 3])
    )


def refused(path: Path, text: str) -> None:
    begin = time.monotonic()
    with pytest.raises(ConversionError, match=text):
        spikeserve.read_nir(path, dt=1e-3)
    assert time.monotonic() - begin < SOON


def replace(file: h5py.File, name: str, **options: object) -> None:
    del file[name]
    file.create_dataset(name, **options)


CHANGES: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "huge weights": (
        lambda f: replace(f, WEIGHT, shape=(1 << 20, 1 << 20), dtype="f4", chunks=(64, 64)),
        "over the limit",
    ),
    "a huge chunk": (
        lambda f: replace(f, WEIGHT, shape=(1 << 16, 1 << 12), dtype="f4", chunks=(1 << 15, 1 << 11)),
        "chunks",
    ),
    "many edges": (
        lambda f: replace(f, "node/edges", shape=(1 << 30, 2), dtype=TEXT, chunks=(64, 2)), "values|bytes",
    ),
    "a long name": (lambda f: replace(f, "node/type", data="x" * 100_000, dtype=TEXT), "at most 4096"),
    "numbers for a type": (lambda f: replace(f, "node/type", data=7), "no text"),
    "text for weights": (
        lambda f: replace(f, WEIGHT, data="abc", dtype=TEXT), "wanted numbers",
    ),
    "NaN": (lambda f: replace(f, WEIGHT, data=np.full((2, 2, 2, 2), np.nan)), "NaN"),
    "a strange stride": (lambda f: replace(f, "node/nodes/n0/stride", data=0), "stride is 0, wanted 2 whole"),
    "half a stride": (lambda f: replace(f, "node/nodes/n0/stride", data=1.5), "stride is 1.5"),
    "a large pad": (lambda f: replace(f, "node/nodes/n0/padding", data=1 << 30), "pad by less than"),
    "a word for padding": (
        lambda f: replace(f, "node/nodes/n0/padding", data="mirror", dtype=TEXT), "'mirror'",
    ),
    "no edges": (lambda f: f.__delitem__("node/edges"), "edges' is missing"),
    "odd edges": (lambda f: replace(f, "node/edges", data=["a", "b", "c"], dtype=TEXT), "no pairs"),
    "a large input": (lambda f: replace(f, "node/nodes/input/shape", data=[2, 60_000, 60_000]), "limits are"),
    "a negative input": (lambda f: replace(f, "node/nodes/input/shape", data=[-2, 4, 4]), "shape is"),
    "many axes": (lambda f: replace(f, "node/nodes/input/shape", data=np.ones(1000, int)), "1000 axes"),
    "a future version": (lambda f: replace(f, "version", data="2.0.0", dtype=TEXT), "'2.0.0'"),
    "no version": (lambda f: replace(f, "version", data="new", dtype=TEXT), "version 'new'"),
    "another root": (lambda f: replace(f, "node/type", data="LIF", dtype=TEXT), "it has no tau"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_damage(tmp_path: Path, name: str) -> None:
    change, text = CHANGES[name]
    with h5py.File(good(tmp_path / "g.nir"), "a") as file:
        change(file)
    refused(tmp_path / "g.nir", text)


@pytest.mark.parametrize("link", [h5py.SoftLink("/node/nodes/n0"), h5py.ExternalLink("other.h5", "/")])
def test_links_are_not_followed(tmp_path: Path, link: object) -> None:
    with h5py.File(good(tmp_path / "g.nir"), "a") as file:
        del file["node/nodes/n1"]
        file["node/nodes/n1"] = link
    refused(tmp_path / "g.nir", "link, which is not followed")


def test_data_in_another_file(tmp_path: Path) -> None:
    with h5py.File(good(tmp_path / "g.nir"), "a") as file:
        outside = [(str(tmp_path / "secret"), 0, 64)]
        replace(file, WEIGHT, shape=(2, 2, 2, 1), dtype="f8", external=outside)
    refused(tmp_path / "g.nir", "data in another file")


def test_a_graph_that_is_its_own_node(tmp_path: Path) -> None:
    with h5py.File(good(tmp_path / "g.nir"), "a") as file:
        file["node/nodes/self"] = file["node"]
    refused(tmp_path / "g.nir", "nested deeper than 16")


def test_many_nodes(tmp_path: Path) -> None:
    with h5py.File(good(tmp_path / "g.nir"), "a") as file:
        for index in range(10_000):
            file.create_group(f"node/nodes/x{index}")
    refused(tmp_path / "g.nir", "more than 10000 nodes")


@pytest.mark.parametrize("shape", [[1 << 20], [4, 4096, 4096]])
def test_one_parameter_for_a_large_population(tmp_path: Path, shape: list[int]) -> None:
    refused(write_nir(tmp_path / "g.nir", chain(shape, neuron("IF", 1))), "the limits are")


def test_many_large_populations(tmp_path: Path) -> None:
    refused(write_nir(tmp_path / "g.nir", chain([256, 65536], *[neuron("IF", 1)] * 2)), "values in all nodes")


def test_branches_that_ask_for_ever_more_filters(tmp_path: Path) -> None:
    """Each stage doubles the delays that its input is asked for."""
    nodes: dict[str, N | G] = {"input": N("Input", {"shape": np.array([1])}), "s0": affine([[1]])}
    edges = [("input", "s0")]
    for stage in range(12):
        nodes[f"d{stage}"] = neuron("Delay", 1, delay=1e-3 * 2**stage)
        nodes[f"s{stage + 1}"] = affine([[1]])
        edges += [(f"s{stage}", f"d{stage}"), (f"s{stage}", f"s{stage + 1}"), (f"d{stage}", f"s{stage + 1}")]
    nodes |= {"if": neuron("IF", 1), "output": N("Output", {"shape": np.array([1])})}
    edges += [("s12", "if"), ("if", "output")]
    refused(write_nir(tmp_path / "g.nir", G(nodes, edges)), "more than 64 filters")


def test_truncated_and_changed_bytes(tmp_path: Path) -> None:
    content = good(tmp_path / "g.nir").read_bytes()
    rng = random.Random(5)
    damaged = tmp_path / "d.nir"
    for _ in range(150):
        if rng.random() < 0.4:
            changed = bytearray(content[: rng.randrange(len(content))])
        else:
            changed = bytearray(content)
            for _ in range(rng.randrange(1, 8)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        damaged.write_bytes(bytes(changed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConversionWarning)
            with contextlib.suppress(ConversionError):  # anything else fails the test
                spikeserve.read_nir(damaged, dt=1e-3)
