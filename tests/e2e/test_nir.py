"""Networks from NIR files on the real server: the spikes of their equations, and the way back into a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nir_equations
import numpy as np
import pytest
from click.testing import CliRunner
from nir_files import G, N, affine, chain, conv, f4, neuron, pool, write_nir

import spikeserve
from spikeserve.cli import main

RNG = np.random.default_rng(11)
START = RNG.bit_generator.state
STEPS = 120
DT = 1e-4


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """Every test draws the same numbers, whichever others ran before."""
    RNG.bit_generator.state = START


def drawn(*shape: int, size: float = 0.6) -> Any:
    """Multiples of 1/64: sums in float32 and float64 are equal, so that no spike hangs on a rounding."""
    return np.round(RNG.normal(0, size, shape) * 64) / 64


def mlp() -> G:
    lif = neuron("LIF", 24, r=20.0, v_leak=drawn(24, size=0.1), v_threshold=RNG.uniform(0.6, 1.2, 24))
    return chain(
        [10], affine(drawn(24, 10), drawn(24, size=0.1)), lif, affine(drawn(6, 24)), neuron("IF", 6), out=[6]
    )


def image() -> G:
    return chain(
        [2, 12, 10],
        conv(drawn(4, 2, 3, 3), stride=np.array([2, 1]), padding=np.array([1, 1])),
        neuron("IF", (4, 6, 10), v_reset=-1.0),
        conv(drawn(6, 2, 3, 3), drawn(6, size=0.05), padding=np.array([2, 2]), dilation=2, groups=2),
        neuron("LIF", (6, 6, 10), r=f4(np.linspace(10, 30, 6)).reshape(6, 1, 1)),
        pool("SumPool2d", (2, 2), (2, 2)),
        pool("AvgPool2d", (2, 2), (1, 2), (1, 0)),
        N("Flatten", {"start_dim": 0, "end_dim": -1, "input_type": np.array([6, 4, 2])}),
        affine(drawn(5, 48, size=0.3)),
        neuron("IF", 5),
        out=[5],
    )  # fmt: skip


def currents() -> G:
    """Filters of all kinds: two in a row, one in front of a sum, delays, a threshold; per-neuron numbers."""
    cuba = neuron("CubaLIF", 16, r=20.0, w_in=RNG.uniform(5, 12, 16), v_threshold=RNG.uniform(0.5, 1.5, 16))
    nodes = {
        "input": N("Input", {"shape": np.array([8])}),
        "first": N("Linear", {"weight": f4(drawn(16, 8))}),
        "cuba": cuba,
        "second": N("Linear", {"weight": f4(drawn(5, 16))}),
        "late": neuron("Delay", 5, delay=7 * DT),
        "smooth": neuron("CubaLI", 5, r=3.0),
        "level": neuron("Threshold", 5, threshold=[-0.2, 0.1, 0.4, 0.8, 1.5]),
        "third": N("Linear", {"weight": f4(drawn(3, 5))}),
        "leak": neuron("LI", 3, r=[1.0, 2.0, -3.0]),
        "scale": neuron("Scale", 3, scale=[0.5, 2.0, 1.0]),
        "output": N("Output", {"shape": np.array([3])}),
    }
    edges = [
        ("input", "first"), ("first", "cuba"), ("cuba", "second"), ("second", "late"), ("second", "smooth"),
        ("late", "level"), ("smooth", "level"), ("level", "third"), ("third", "leak"), ("leak", "scale"),
        ("scale", "output"),
    ]  # fmt: skip
    return G(nodes, edges)


def read(path: Path, **options: Any) -> spikeserve.Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        return spikeserve.read_nir(path, dt=DT, steps=STEPS, **options)


def populations(network: spikeserve.Network) -> list[str]:
    return [op.name for op in network.definition.operations if op.HasField("neuron")]


def simulate(client: spikeserve.Client, name: str, network: spikeserve.Network, x: Any, mode: str) -> Any:
    client.load(name, network, mode=mode)
    records = [spikeserve.Record(one, quantity="spikes") for one in populations(network)]
    return client.simulate(name, x, trajectories=True, record=records)


@pytest.mark.parametrize("mode", ["exact", "reference"])
@pytest.mark.parametrize("graph", [mlp, image, currents])
def test_the_spikes_are_those_of_the_equations(
    client: spikeserve.Client, tmp_path: Path, graph: Any, mode: str
) -> None:
    made = graph()
    network = read(write_nir(tmp_path / "g.nir", made))
    shape = made.nodes["input"].fields["shape"]
    x = (RNG.random((2, STEPS, *shape)) < 0.4).astype(np.float32)
    result = simulate(client, f"equations-{graph.__name__}-{mode}", network, x, mode)
    for sample in range(2):
        wanted = nir_equations.run(made, x[sample], DT)
        for name in populations(network):
            spikes = np.stack([step[name] for step in wanted])
            if spikes.ndim == 4:
                spikes = np.moveaxis(spikes, 1, -1)  # the server has channels last
            assert spikes.sum() > 5, name
            np.testing.assert_array_equal(result.records[f"{name}.spikes"][sample], spikes, err_msg=name)
        outputs = np.stack([step["output"] for step in wanted])
        np.testing.assert_allclose(result.trajectories["output"][sample], outputs, rtol=1e-5, atol=1e-5)


def test_a_running_sum(client: spikeserve.Client, tmp_path: Path) -> None:
    made = chain([3], affine(np.eye(3)[:2]), neuron("I", 2, r=[1.0, -2.0]), out=[2])
    network = read(write_nir(tmp_path / "i.nir", made), readout="last")
    x = np.zeros((1, STEPS, 3), np.float32)
    x[0, 10:60, :2] = 0.5, 0.25
    result = simulate(client, "sum", network, x, "exact")
    wanted = np.stack([step["output"] for step in nir_equations.run(made, x[0], DT)])
    np.testing.assert_allclose(result.trajectories["output"][0], wanted, rtol=1e-6)
    np.testing.assert_allclose(result.outputs[0], [25.0, -25.0], rtol=1e-6)


def test_several_spikes_per_step_with_the_rest_kept(client: spikeserve.Client, tmp_path: Path) -> None:
    """As Sinabs steps an IF layer, whose voltage stays above minus the threshold."""
    made = chain([4], affine(np.diag([0.75, 1.25, 3.5, -2.0])), neuron("IF", 4, v_threshold=2.0))
    network = read(write_nir(tmp_path / "m.nir", made), reset="subtract", min_voltage=-1.0)
    x = (RNG.random((1, STEPS, 4)) < 0.5).astype(np.float32) * 2
    result = simulate(client, "multi", network, x, "exact")
    v = np.zeros(4)
    for step in range(STEPS):
        v = np.maximum(v, -2.0) + [0.75, 1.25, 3.5, -2.0] * x[0, step]
        spikes = np.maximum(np.floor(v / 2), 0)
        v -= 2 * spikes
        np.testing.assert_array_equal(result.records["n1.spikes"][0, step], spikes)


@pytest.mark.parametrize("graph", [mlp, image, currents])
def test_a_file_and_back_has_the_same_bytes(client: spikeserve.Client, tmp_path: Path, graph: Any) -> None:
    made = graph()
    first = read(write_nir(tmp_path / "a.nir", made))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        first.to_nir(tmp_path / "b.nir")
    second = read(tmp_path / "b.nir")
    x = (RNG.random((2, STEPS, *made.nodes["input"].fields["shape"])) < 0.4).astype(np.float32)
    results = [simulate(client, f"round-{i}", one, x, "exact") for i, one in enumerate((first, second))]
    assert results[0].trajectories["output"].tobytes() == results[1].trajectories["output"].tobytes()
    assert results[0].records.keys() == results[1].records.keys()
    for name, values in results[0].records.items():
        assert values.tobytes() == results[1].records[name].tobytes()


def test_from_the_command_line(client: spikeserve.Client, tmp_path: Path) -> None:
    source = write_nir(tmp_path / "g.nir", mlp())
    run = CliRunner().invoke(main, ["convert", str(source), "-o", str(tmp_path / "g.spk"), "--dt", str(DT)])
    assert run.exit_code == 0, run.output
    back = CliRunner().invoke(main, ["export-nir", str(tmp_path / "g.spk"), str(tmp_path / "b.nir")])
    assert back.exit_code == 0, back.output
    network = spikeserve.load_network(tmp_path / "g.spk")
    client.load("shell", network)
    assert client.simulate("shell", np.ones((1, 10), np.float32)).outputs.shape == (1, 6)
    assert read(tmp_path / "b.nir").definition.operations == network.definition.operations
