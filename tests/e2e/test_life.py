"""The life of a network: converted, loaded, run, streamed, kept over a restart, unloaded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import accuracy_table
import numpy as np
import pytest
import servers
import trained_models
from conftest import ServerMaker
from trained_models import TrainedModel

import spikeserve

DIGITS = TrainedModel("digits_mlp.keras", "digits")


@pytest.fixture(scope="module")
def digits() -> spikeserve.Network:
    return accuracy_table.convert(DIGITS, "spikeserve")


@pytest.mark.client("Python", "load", "unload", "statistics", "run options")
def test_convert_load_simulate_unload(client: spikeserve.Client, digits: spikeserve.Network) -> None:
    samples, labels = DIGITS.test_samples(200, (8, 8))
    version = client.load("life", digits)
    info = client.get("life")
    assert (info.name, info.version, info.state, info.mode) == ("life", version, "ready", "exact")
    assert info.neurons == 64
    assert info.parameters == 4810
    assert info.resident_bytes > 0
    assert info.inputs[0].shape == (8, 8)
    assert "uint8" in info.inputs[0].data_types
    result = client.simulate("life", samples, steps=16, top_k=3, softmax=True)
    assert np.mean(result.classes == labels) > 0.95
    assert result.outputs.shape == (200, 10)
    np.testing.assert_array_equal(result.outputs.argmax(axis=1), result.classes)
    ranked = np.sort(result.logits, axis=1)
    np.testing.assert_allclose(result.margins, ranked[:, -1] - ranked[:, -2], rtol=1e-5)
    assert result.top_k is not None
    np.testing.assert_array_equal(result.top_k.classes[:, 0], result.classes)
    assert result.scores is not None
    np.testing.assert_allclose(result.scores.sum(axis=1), 1, rtol=1e-5)
    assert result.settings.steps == 16
    assert result.settings.version == version
    assert 0 <= result.timing.compute_s <= result.timing.total_s
    (layer,) = result.stats
    assert layer.neurons == 64
    assert layer.synaptic_operations == 10 * layer.spikes
    assert layer.mean_rate_hz == pytest.approx(layer.spikes / (200 * 64 * 0.016))
    assert client.unload("life") == [version]
    with pytest.raises(spikeserve.NotFoundError, match="life"):
        client.simulate("life", samples)


@pytest.mark.client("Python", "uint8", "float32")
def test_bytes_and_floats_give_the_same_class(client: spikeserve.Client, digits: spikeserve.Network) -> None:
    samples, _ = DIGITS.test_samples(100, (8, 8))
    client.load("bytes", digits)
    from_bytes = client.simulate("bytes", samples, steps=16)
    from_floats = client.simulate("bytes", samples / np.float32(16), steps=16)
    np.testing.assert_allclose(from_bytes.outputs, from_floats.outputs, rtol=1e-5, atol=1e-4)
    client.unload("bytes")


def test_a_sample_alone_equals_itself_in_a_batch(
    client: spikeserve.Client, digits: spikeserve.Network
) -> None:
    samples, _ = DIGITS.test_samples(9, (8, 8))
    client.load("alone", digits)
    together = client.simulate("alone", samples, steps=20).outputs
    for index in range(9):
        alone = client.simulate("alone", samples[index : index + 1], steps=20).outputs
        assert alone[0].tobytes() == together[index].tobytes()
    client.unload("alone")


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_a_mode_is_close_to_reference_mode(
    client: spikeserve.Client, digits: spikeserve.Network, mode: str
) -> None:
    samples, _ = DIGITS.test_samples(100, (8, 8))
    client.load("mode", digits, version=1, mode=mode)
    client.load("mode", digits, version=2, mode="reference")
    other = client.simulate("mode", samples, version=1, steps=32)
    reference = client.simulate("mode", samples, version=2, steps=32)
    assert (other.settings.mode, reference.settings.mode) == (mode, "reference")
    assert reference.outputs.dtype == np.float64
    scale = np.abs(reference.logits).max()
    assert np.mean(np.abs(other.logits - reference.logits) <= 1e-3 * scale) > 0.99
    assert np.mean(other.classes == reference.classes) >= 0.995
    client.unload("mode")


@pytest.mark.client("Python", "stream")
def test_stream_updates_are_runs_of_fewer_steps(
    client: spikeserve.Client, digits: spikeserve.Network
) -> None:
    samples, _ = DIGITS.test_samples(20, (8, 8))
    client.load("stream", digits)
    *updates, last = client.stream("stream", samples, steps=30, report_every=10)
    assert isinstance(last, spikeserve.SimulationResult)
    whole = client.simulate("stream", samples, steps=30)
    np.testing.assert_array_equal(last.outputs, whole.outputs)
    assert updates
    for update in updates:
        assert isinstance(update, spikeserve.Progress)
        shorter = client.simulate("stream", samples, steps=update.steps_done)
        np.testing.assert_allclose(update.logits, shorter.logits, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(update.outputs.argmax(axis=1), update.classes)
    client.unload("stream")


@pytest.mark.client("Python asyncio", "uint8", "run options")
def test_asyncio_gives_the_same(
    server: spikeserve.LocalServer, client: spikeserve.Client, digits: spikeserve.Network
) -> None:
    samples, _ = DIGITS.test_samples(30, (8, 8))
    expected_version = client.load("async", digits)
    expected = client.simulate("async", samples, steps=12)

    async def main() -> list[spikeserve.SimulationResult]:
        async with spikeserve.AsyncClient(server.address, max_batch=10) as other:
            assert (await other.get("async")).version == expected_version
            calls = (other.simulate("async", samples, steps=12) for _ in range(4))
            return await asyncio.gather(*calls)

    for result in asyncio.run(main()):
        np.testing.assert_array_equal(result.outputs, expected.outputs)
    client.unload("async")


def test_batches_beyond_the_message_limit(client: spikeserve.Client) -> None:
    """300 samples of 256 KiB go out in two requests of at most 64 MiB."""
    client.load("large", servers.pooling_network(256))
    values = np.linspace(0, 1, 300, dtype=np.float32)
    batch = np.broadcast_to(values[:, None, None, None], (300, 256, 256, 1))
    done: list[int] = []
    result = client.simulate("large", batch, steps=100, on_progress=lambda count, _: done.append(count))
    client.unload("large")
    assert done == [255, 300]
    np.testing.assert_allclose(result.outputs[:, 0, 0, 0], values, atol=0.01 + 1e-6)  # one spike of a hundred


def test_answers_beyond_the_message_limit(client: spikeserve.Client) -> None:
    """Trajectories of 10 MB a sample: six samples fit into an answer of 64 MiB."""
    client.load("long", servers.small_network(256))
    samples = servers.samples(10, 256)
    done: list[int] = []
    result = client.simulate(
        "long", samples, steps=10_000, trajectories=True, on_progress=lambda count, _: done.append(count)
    )
    client.unload("long")
    assert done == [6, 10]
    assert result.trajectories["output"].shape == (10, 10_000, 256)
    np.testing.assert_allclose(
        result.trajectories["output"].mean(axis=1), result.outputs, rtol=1e-4, atol=1e-4
    )


def test_versions(client: spikeserve.Client) -> None:
    network = servers.small_network()
    assert client.load("versions", network) == 1
    assert client.load("versions", network, version=5) == 5
    assert client.load("versions", network) == 6
    with pytest.raises(spikeserve.AlreadyExistsError, match="5"):
        client.load("versions", network, version=5)
    assert client.simulate("versions", servers.samples(1)).settings.version == 6
    assert client.simulate("versions", servers.samples(1), version=5).settings.version == 5
    assert client.unload("versions", 6) == [6]
    assert client.simulate("versions", servers.samples(1)).settings.version == 5
    assert client.unload("versions") == [1, 5]


def test_a_restart_brings_the_networks_back(start_server: ServerMaker, repository: Path) -> None:
    samples = servers.samples(5)
    first = start_server()
    with spikeserve.Client(first.address) as client:
        client.load("kept", servers.small_network())
        client.load("kept", servers.small_network(scale=50.0), version=3, mode="reference")
        client.load("kept", servers.small_network(scale=70.0), version=4, mode="fast")
        client.load("gone", servers.small_network())
        client.unload("gone")
        before = client.list()
        expected = client.simulate("kept", samples, version=1).outputs
    assert first.stop() == 0
    assert servers.files_in(repository) == [f"kept/{n}/network.spk" for n in (1, 3, 4)]
    second = start_server()
    with spikeserve.Client(second.address) as client:
        servers.eventually(lambda: all(n.state == "ready" for n in client.list()), "all networks are ready")
        after = client.list()
        assert [(n.name, n.version, n.mode, n.sha256) for n in after] == [
            (n.name, n.version, n.mode, n.sha256) for n in before
        ]
        np.testing.assert_array_equal(client.simulate("kept", samples, version=1).outputs, expected)


def test_a_damaged_file_is_skipped_and_left_alone(start_server: ServerMaker, repository: Path) -> None:
    first = start_server()
    with spikeserve.Client(first.address) as client:
        client.load("good", servers.small_network())
        client.load("bad", servers.small_network())
    first.stop()
    path = repository / "bad" / "1" / "network.spk"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    second = start_server()
    with spikeserve.Client(second.address) as client:
        assert [info.name for info in client.list()] == ["good"]
        assert client.simulate("good", servers.samples(1)).samples == 1
    assert servers.log_lines(second, "bad")
    assert path.read_bytes() == content


def test_a_refused_network_names_every_violation_and_leaves_nothing(
    start_server: ServerMaker, repository: Path
) -> None:
    server = start_server()
    network = servers.small_network()
    network.definition.connections.add(source="nowhere", target="output")
    network.definition.operations[1].name = "not a name"
    network.definition.tensors[0].data = network.definition.tensors[0].data[:-1]
    with spikeserve.Client(server.address) as client:
        before = servers.memory_used(server)
        with pytest.raises(spikeserve.InvalidArgumentError) as caught:
            client.load("refused", network)
        for part in (
            "'nowhere'",
            "'not a name'",
            "tensor 'in': has 63 bytes, wanted 4 for each of 16 values",
        ):
            assert part in caught.value.message
        assert client.list() == ()
        assert servers.files_in(repository) == []
        assert servers.memory_used(server) == before


@pytest.mark.parametrize("name", [model.name for model in trained_models.ALL if model.data == "fashion"])
def test_float_outputs_survive_the_wire(client: spikeserve.Client, name: str) -> None:
    """With the reference outputs recorded from Keras: many steps come close to them."""
    model = next(item for item in trained_models.ALL if item.name == name)
    record = model.path.with_name(f"{name.removeprefix('legacy_')}.reference.npz")
    if model.name.startswith("legacy_") or not record.is_file():
        pytest.skip("no outputs of this network were recorded")
    with np.load(record) as stored:
        inputs, expected = stored["inputs"][:10], stored["outputs"][:10]
    client.load(name, accuracy_table.convert(model, "spikeserve"))
    result = client.simulate(name, inputs, steps=200)
    np.testing.assert_array_equal(result.classes, expected.argmax(axis=1))
    client.unload(name)
