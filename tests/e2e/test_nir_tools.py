"""NIR files of other simulators here, and ours there: the same spikes, where those are installed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikeserve

torch: Any = pytest.importorskip("torch", reason="torch is not installed, without which none of them runs")
nir: Any = pytest.importorskip("nir", reason="the package nir is not installed")
MODELS = Path(__file__).parents[1] / "data" / "models"
STEPS = 100


def read(path: Path, **options: Any) -> spikeserve.Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        return spikeserve.read_nir(path, steps=STEPS, **options)


def outputs(client: spikeserve.Client, name: str, network: spikeserve.Network, x: Any) -> Any:
    """[batch, steps, outputs] of what the first probe shows in every step."""
    client.load(name, network)
    return client.simulate(name, x, trajectories=True).trajectories["output"]


def spikes(*shape: int, share: float = 0.4) -> Any:
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(7)) < share).float()


def written(path: Path, graph: Any) -> Path:
    """The graph in a file, with tensors as arrays; compression would refuse scalars."""
    for node in graph.nodes.values():
        for name, value in vars(node).items():
            if isinstance(value, torch.Tensor):
                setattr(node, name, value.numpy())
    nir.write(path, graph, compression=None)
    return path


def sinabs_network() -> Any:
    layers = pytest.importorskip("sinabs.layers", reason="sinabs is not installed")
    torch.manual_seed(3)

    def neurons() -> Any:
        return layers.IAFSqueeze(batch_size=3, min_v_mem=-1.0)

    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1, bias=False), neurons(), layers.SumPool2d(2),
        torch.nn.Conv2d(4, 6, 3), neurons(), torch.nn.Flatten(), torch.nn.Linear(96, 10), neurons(),
    )  # fmt: skip
    for layer in (network[0], network[3], network[6]):
        layer.weight.data *= 2  # as they are made, hardly anything gets through
    return network


def test_a_convolutional_network_of_sinabs(client: spikeserve.Client, tmp_path: Path) -> None:
    network = sinabs_network()
    export = pytest.importorskip("sinabs.nir", reason="sinabs is not installed")
    x = spikes(3, STEPS, 2, 12, 12)
    with torch.no_grad():
        wanted = network(x.flatten(0, 1)).numpy().reshape(3, STEPS, 10)
        graph = export.to_nir(network, x.flatten(0, 1))
    graph.infer_types()
    ours = read(written(tmp_path / "s.nir", graph), dt=1e-3, reset="subtract", min_voltage=-1)
    assert wanted.sum() > 50
    np.testing.assert_array_equal(outputs(client, "sinabs", ours, x.numpy()), wanted)


def test_a_dense_network_of_snntorch(client: spikeserve.Client, tmp_path: Path) -> None:
    snn = pytest.importorskip("snntorch", reason="snntorch is not installed")
    export = pytest.importorskip("snntorch.export_nir", reason="snntorch is not installed")
    torch.manual_seed(3)
    first, second = torch.nn.Linear(12, 30), torch.nn.Linear(30, 6, bias=False)
    second.weight.data *= 3
    neurons = [
        snn.Leaky(beta=beta, threshold=top, reset_mechanism="zero", reset_delay=False)
        for beta, top in ((0.9, 1.0), (0.8, 0.7))
    ]
    parts = [export._extract_snntorch_module(one) for one in (first, neurons[0], second, neurons[1])]
    ends = nir.Input(input_type={"input": np.array([12])}), nir.Output(output_type={"output": np.array([6])})
    graph = nir.NIRGraph.from_list(ends[0], *parts, ends[1], type_check=False)
    x = spikes(4, STEPS, 12)
    voltages, wanted = [one.init_leaky() for one in neurons], []
    with torch.no_grad():
        for step in range(STEPS):
            hidden, voltages[0] = neurons[0](first(x[:, step]), voltages[0])
            shown, voltages[1] = neurons[1](second(hidden), voltages[1])
            wanted.append(shown.numpy())
    ours = read(written(tmp_path / "s.nir", graph), dt=1e-4)  # snnTorch's own, whatever the network
    assert np.sum(wanted) > 50
    np.testing.assert_array_equal(outputs(client, "snntorch", ours, x.numpy()), np.stack(wanted, 1))


def test_a_converted_network_in_sinabs(client: spikeserve.Client, tmp_path: Path) -> None:
    """A trained LeNet: the classes of its spikes are the same here and there."""
    sinabs = pytest.importorskip("sinabs.nir", reason="sinabs is not installed")
    images = np.load(MODELS / "fashion_lenet.reference.npz")["inputs"][:20].astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        network = spikeserve.convert(MODELS / "fashion_lenet.keras", preset="spikeserve", sample_data=images)
        network.to_nir(tmp_path / "l.nir", approximate=True, sum_pools=True)
    x = np.moveaxis(images, -1, 1)
    there = sinabs.from_nir(nir.read(tmp_path / "l.nir"), batch_size=len(x))
    with torch.no_grad():
        made = there(torch.tensor(np.repeat(x[:, None], STEPS, 1)).flatten(0, 1))
    logits = (made[0] if isinstance(made, tuple) else made).numpy().reshape(len(x), STEPS, 10).mean(1)
    back = read(tmp_path / "l.nir", dt=1e-3, reset="subtract", min_voltage=-1)
    ours = outputs(client, "lenet", back, x).mean(1)
    client.load("lenet-original", network)
    np.testing.assert_array_equal(ours.argmax(1), logits.argmax(1))
    np.testing.assert_array_equal(
        ours.argmax(1), client.simulate("lenet-original", images, steps=STEPS).classes
    )
    # Real weights: a spike that hangs on the last bit of float32 comes a step early or late.
    np.testing.assert_allclose(ours, logits, atol=0.02 * np.abs(logits).max())
