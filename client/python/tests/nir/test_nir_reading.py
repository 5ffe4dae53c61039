"""NIR files: what their nodes become, and what is refused or warned of."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import nir_equations
import numpy as np
import pytest
from nir_files import G, N, affine, chain, conv, f4, neuron, pool, write_nir

import spikeserve
from spikeserve import ConversionError, ConversionWarning
from spikeserve.convert.definition.forward import run_rates

RNG = np.random.default_rng(3)


def read(path: Path, graph: G, **options: Any) -> spikeserve.Network:
    """The network of a graph, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        return spikeserve.read_nir(write_nir(path / "g.nir", graph), **({"dt": 1e-3} | options))


def lif(network: spikeserve.Network, name: str = "n0") -> Any:
    return next(op.neuron for op in network.definition.operations if op.name == name)


def numbers(network: spikeserve.Network, ident: str) -> Any:
    tensor = next(t for t in network.definition.tensors if t.id == ident)
    return np.frombuffer(tensor.data, "<f4").reshape(tuple(tensor.shape))


LINEAR = {
    "affine": chain([5], affine(RNG.normal(size=(3, 5)), RNG.normal(size=3)), out=[3]),
    "affine of rows": chain([4, 5], affine(RNG.normal(size=(3, 5))), out=[4, 3]),
    "conv": chain(
        [4, 7, 9],
        conv(RNG.normal(size=(6, 2, 3, 2)), RNG.normal(size=6), stride=np.array([2, 3]), groups=2,
             padding=np.array([1, 0]), dilation=np.array([1, 2])),
        out=[6, 4, 3],
    ),
    "pools": chain(
        [3, 8, 9], pool("SumPool2d", (2, 3), (2, 2), (1, 1)), pool("AvgPool2d", (3, 3), (1, 1), (1, 1)),
        out=[3, 5, 5],
    ),
    "flatten": chain(
        [2, 3, 4], conv(RNG.normal(size=(5, 2, 2, 2))),
        N("Flatten", {"start_dim": 0, "end_dim": -1}), affine(RNG.normal(size=(4, 30))), out=[4],
    ),
    "flatten that counts the batch": chain(
        [2, 3, 4], N("Flatten", {"start_dim": 1, "end_dim": -1}), affine(RNG.normal(size=(4, 24))), out=[4],
    ),
    "scale": chain(
        [3, 4, 4], conv(RNG.normal(size=(3, 3, 1, 1))),
        neuron("Scale", (3, 4, 4), scale=RNG.normal(size=(3, 1, 1))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_nodes_without_time(tmp_path: Path, name: str) -> None:
    graph = LINEAR[name]
    network = read(tmp_path, graph)
    first: Any = graph.nodes["input"]
    x = RNG.normal(size=tuple(first.fields["shape"])).astype(np.float32)
    target = network.definition.probes[0].target
    found = run_rates(network.definition, {"input": x[None]})[target][0]
    wanted = nir_equations.run(graph, x[None], 1.0)[0]["output"]
    np.testing.assert_allclose(found, wanted.reshape(found.shape), rtol=1e-5, atol=1e-5)


def test_a_convolution_over_time(tmp_path: Path) -> None:
    weight = RNG.normal(size=(2, 3, 3)).astype(np.float32)
    network = read(tmp_path, chain([3, 8], conv(weight, padding="same"), out=[2, 8]))
    x = RNG.normal(size=(3, 8)).astype(np.float32)
    found = run_rates(network.definition, {"input": x[None]})[network.definition.probes[0].target][0]
    wanted = [[np.sum(np.pad(x, ((0, 0), (1, 1)))[:, i : i + 3] * w) for i in range(8)] for w in weight]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_graph_within_a_graph_is_taken_apart(tmp_path: Path) -> None:
    inner = chain([3], affine(2 * np.eye(3)))
    graph = G(
        {
            "input": N("Input", {"shape": np.array([3])}),
            "part": inner,
            "output": N("Output", {"shape": np.array([3])}),
        },
        [("input", "part"), ("part", "output"), ("input", "output")],
    )
    network = read(tmp_path, graph)
    x = f4([1, 2, 3])
    found = run_rates(network.definition, {"input": x[None]})
    np.testing.assert_allclose(found[network.definition.probes[0].target][0], 3 * x)


def test_euler_and_exact_leaks(tmp_path: Path) -> None:
    graph = chain([2], neuron("LIF", 2, tau=4e-3))
    assert math.exp(-1e-3 / lif(read(tmp_path, graph)).lif.tau_rc) == pytest.approx(0.75)
    assert lif(read(tmp_path, graph, integration="exact")).lif.tau_rc == pytest.approx(4e-3)
    whole = lif(read(tmp_path, graph, dt=4e-3)).lif  # 1 - dt/tau is 0: nothing is kept
    assert math.exp(-4e-3 / whole.tau_rc) < 1e-6  # 4e-3 is rounded in the file


def test_lif_parameters_of_each_neuron(tmp_path: Path) -> None:
    values = {"r": [2.0, 3.0], "v_leak": [0.25, 3.0], "v_threshold": [1.0, 2.0], "v_reset": [-1.0, 0.0]}
    network = read(tmp_path, chain([2], neuron("LIF", 2, **values)))
    np.testing.assert_allclose(numbers(network, "n0/gain"), [1.0, 1.5])
    np.testing.assert_allclose(numbers(network, "n0/bias"), [0.625, 1.5])
    np.testing.assert_allclose(numbers(network, "n0/start"), [0.625, 1.0])  # at rest, below the threshold
    assert lif(network).lif.tau_ref == 0
    assert lif(network).lif.amplitude == 1e-3


def test_inputs_at_once_and_during_a_step(tmp_path: Path) -> None:
    gains = [
        lif(read(tmp_path, chain([1], neuron("IF", 1, r=r)), reset="subtract")).gain.scalar * 1e-3
        for r in (1.0, 1000.0)
    ]
    assert gains == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("missing", ["v_reset", "w_in", "input_shape"])
def test_fields_that_old_files_lack(tmp_path: Path, missing: str) -> None:
    old = neuron("CubaLIF", (2, 2, 2))
    nodes = [conv(np.ones((2, 1, 1, 1)), input_shape=np.array([2, 2])), old]
    for node in nodes:
        node.fields = {key: value for key, value in node.fields.items() if key != missing}
    write_nir(tmp_path / "old.nir", chain([1, 2, 2], *nodes, out=[2, 2, 2]), version="0.1.1")
    with pytest.warns(ConversionWarning, match="one step"):
        network = spikeserve.read_nir(tmp_path / "old.nir", dt=1e-4)
    assert network.definition.provenance.source_format == "NIR 0.1.1"


def test_convert_reads_it_and_refuses_what_is_for_models(tmp_path: Path) -> None:
    path = write_nir(tmp_path / "any.name", chain([2], neuron("IF", 2)))
    assert spikeserve.convert(path, dt=1e-3, steps=7).definition.defaults.steps == 7
    with pytest.raises(ConversionError, match=r"preset, sample_data: not for a NIR file"):
        spikeserve.convert(path, preset="sparse", sample_data=np.zeros((3, 2)))


def test_a_file_with_times_wants_a_step(tmp_path: Path) -> None:
    path = write_nir(tmp_path / "g.nir", chain([2], neuron("LIF", 2)))
    with pytest.warns(ConversionWarning, match=r"no time step: dt is 0.0001 s"):
        spikeserve.read_nir(path)


WARNINGS = {
    "milliseconds": (chain([1], neuron("LIF", 1, tau=20.0)), "are these milliseconds"),
    "late": (chain([1], neuron("LI", 1, tau=0.02)), "'n0' make of an input arrives one step"),
    "bias": (chain([1], affine([[1]], [1]), neuron("CubaLIF", 1)), "'n0': its bias is there from the first"),
    "unknown": (chain([1], N("IF", {**neuron("IF", 1).fields, "shade": 1.0})), "shade is not known"),
    "batch": (LINEAR["flatten that counts the batch"], "start_dim 1 counts the batch"),
    "twice": (
        G(chain([1], affine([[1]])).nodes, [*chain([1], affine([[1]])).edges, ("input", "n0")]),
        "1 edges appear twice",
    ),
    "unused": (
        G({**chain([1]).nodes, "side": affine([[1]])}, [*chain([1]).edges, ("input", "side")]),
        "no output depends on 'side'",
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings(tmp_path: Path, name: str) -> None:
    graph, text = WARNINGS[name]
    with pytest.warns(ConversionWarning, match=text):
        network = spikeserve.read_nir(write_nir(tmp_path / "g.nir", graph), dt=1e-3)
    assert any(text in line for line in network.report.warnings)


def looped() -> G:
    graph = chain([2], neuron("IF", 2), affine(np.eye(2)))
    return G(graph.nodes, [*graph.edges, ("n1", "n0")])


REFUSALS: dict[str, tuple[G, dict[str, Any], str]] = {
    "recurrent edges": (looped(), {}, "recurrent edges: 'n0' <- 'n1' <- 'n0'|recurrent edges: 'n1' <- 'n0'"),
    "times that differ": (chain([2], neuron("LIF", 2, tau=[1e-2, 2e-2])), {}, "tau differs between elements"),
    "subtracting leak": (chain([2], neuron("LIF", 2)), {"reset": "subtract"}, "keeps what is above"),
    "a short time": (chain([2], neuron("LIF", 2, tau=1e-4)), {}, "give dt=0.0001 or less, or integration"),
    "a long delay": (chain([2], neuron("Delay", 2, delay=9.0)), {}, "delay is 9 s, wanted 0 to 4.096 s"),
    "half a step": (chain([2], neuron("Delay", 2, delay=1.5e-3)), {}, "1.5 steps of 0.001 s"),
    "a threshold below": (chain([2], neuron("IF", 2, v_reset=2.0)), {}, "v_threshold is 1 and v_reset 2"),
    "a constant that is summed": (
        chain([1], affine([[1]], [1]), neuron("I", 1), neuron("LIF", 1)), {}, "would grow in every step",
    ),
    "shapes": (chain([3], affine(np.eye(2))), {}, "it takes 2 values and reads the shape"),
    "sums": (
        G(
            {**chain([2], affine(np.ones((3, 2)))).nodes},
            [*chain([2], affine(np.ones((3, 2)))).edges, ("input", "output")],
        ),
        {},
        "it reads the sum of",
    ),
    "an output": (chain([2], affine(np.eye(2)), out=[3]), {}, r"its shape is \(3,\) and it reads \(2,\)"),
    "channels": (chain([2, 5, 5], conv(np.ones((1, 3, 2, 2)))), {}, "reads 2 channels"),
    "an unknown kind": (chain([2], N("LSTM", {})), {}, r"'n0' \(LSTM\): this kind of node is not known"),
    "a missing field": (chain([2], N("IF", {"r": f4([1, 1])})), {}, "it has no v_threshold"),
    "an edge to nowhere": (G(chain([2]).nodes, [("input", "lif1")]), {}, "names 'lif1', which is none of"),
    "a loose node": (
        G({**chain([2]).nodes, "n0": affine(np.eye(2))}, [("n0", "output")]), {}, "nothing leads into 'n0'",
    ),
    "no output": (G({"input": N("Input", {"shape": np.array([1])})}, []), {}, "no Output node"),
    "dt": (chain([2]), {"dt": 0.0}, "dt is 0"),
    "integration": (chain([2]), {"integration": "rk4"}, "integration is 'rk4', choose one of euler, exact"),
    "reset": (chain([2]), {"reset": "soft"}, "reset is 'soft', choose one of value, subtract"),
    "min_voltage": (chain([2]), {"min_voltage": -1.0}, "min_voltage is for reset='subtract'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(tmp_path: Path, name: str) -> None:
    graph, options, text = REFUSALS[name]
    with pytest.raises(ConversionError, match=text):
        read(tmp_path, graph, **options)


def test_all_nodes_that_cannot_be_had_are_named_at_once(tmp_path: Path) -> None:
    graph = chain([2], neuron("LIF", 2, tau=[1.0, 2.0]), neuron("Delay", 2, delay=[0.0, 1.0]))
    two = G(
        {**graph.nodes, "n2": neuron("LIF", 2, tau=1e-9)},
        [
            ("input", "n0"),
            ("input", "n1"),
            ("input", "n2"),
            ("n0", "output"),
            ("n1", "output"),
            ("n2", "output"),
        ],
    )
    with pytest.raises(ConversionError) as caught:
        read(tmp_path, two)
    assert "3 layers cannot be converted" in str(caught.value)
    assert all(
        f"'{name}' ({kind})" in str(caught.value)
        for name, kind in (("n0", "LIF"), ("n1", "Delay"), ("n2", "LIF"))
    )
