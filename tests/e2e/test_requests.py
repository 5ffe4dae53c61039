"""Encodings, early exit, probes of a request, energy and sessions, on the real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import accuracy_table
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ServerMaker
from trained_models import TrainedModel

import spikeserve
from spikeserve import encodings
from spikeserve.cli import main

DIGITS = TrainedModel("digits_mlp.keras", "digits")


@pytest.fixture(scope="module")
def digits() -> spikeserve.Network:
    return accuracy_table.convert(DIGITS, "spikeserve")


@pytest.fixture
def loaded(client: spikeserve.Client, digits: spikeserve.Network) -> Iterator[str]:
    client.load("options", digits)
    yield "options"
    client.unload("options")


def test_encodings_classify_as_direct_current_does(client: spikeserve.Client, loaded: str) -> None:
    samples, labels = DIGITS.test_samples(150, (8, 8))
    burst = encodings.Burst(window_steps=20)
    for encoding in (None, "poisson", encodings.Bernoulli(), "regular", burst):
        result = client.simulate(loaded, samples, steps=100, encoding=encoding, seed=1)
        assert np.mean(result.classes == labels) > 0.9, encoding


def test_random_encodings_do_not_depend_on_the_split_into_requests(
    server: spikeserve.LocalServer, loaded: str
) -> None:
    samples, _ = DIGITS.test_samples(20, (8, 8))
    outputs = []
    for max_batch in (20, 7):
        with spikeserve.Client(server.address, max_batch=max_batch) as client:
            outputs.append(client.simulate(loaded, samples, steps=20, encoding="poisson", seed=5).outputs)
    assert outputs[0].tobytes() == outputs[1].tobytes()


@pytest.mark.client("Python asyncio", "session", "records")
def test_an_async_session_answers_as_a_session_does(
    server: spikeserve.LocalServer, client: spikeserve.Client, loaded: str
) -> None:
    samples, _ = DIGITS.test_samples(4, (8, 8))
    record = [spikeserve.Record(client.get(loaded).layers[-2].name.removesuffix("/neuron"), "spikes")]

    async def run() -> list[spikeserve.SessionProgress]:
        async with spikeserve.AsyncClient(server.address) as waiting:
            async with await waiting.session(loaded, 4, initial_voltage=0.25, record=record) as session:
                assert session.settings.initial_voltage == 0.25
                answers = [await session.advance(samples, 5), await session.advance(samples, 3)]
                await session.reset([1])
            async with await waiting.session(loaded, 4) as session:
                with pytest.raises(spikeserve.InvalidArgumentError, match="samples"):
                    await session.reset([9])
            return answers

    with client.session(loaded, 4, initial_voltage=0.25, record=record) as session:
        wanted = [session.advance(samples, 5), session.advance(samples, 3)]
    for got, want in zip(asyncio.run(run()), wanted, strict=True):
        assert got.outputs.tobytes() == want.outputs.tobytes()
        assert got.records.keys() == want.records.keys()


def test_an_encoding_that_does_not_fit_is_refused_by_name(client: spikeserve.Client, loaded: str) -> None:
    samples = np.full((2, 8, 8), 3, np.float32)
    with pytest.raises(spikeserve.InvalidArgumentError, match=r"encodings\[0\].latency: got 3 at index 0"):
        client.simulate(loaded, samples, encoding="latency")


def test_calibrated_early_exit_keeps_accuracy(client: spikeserve.Client, loaded: str) -> None:
    samples, labels = DIGITS.test_samples(250, (8, 8))
    found = spikeserve.calibrate_early_exit(
        client, loaded, samples[:125], labels[:125], max_loss=0.01, steps=40
    )
    assert found.mean_steps < found.steps
    assert found.accuracy >= found.full_accuracy - 0.01
    full = client.simulate(loaded, samples[:125], steps=40)
    early = client.simulate(loaded, samples[:125], steps=40, early_exit=found.early_exit)
    assert early.steps_used is not None
    assert early.steps_used.mean() == pytest.approx(found.mean_steps, abs=0.5)
    assert np.mean(early.classes == labels[:125]) >= np.mean(full.classes == labels[:125]) - 0.02
    layer = early.stats[0]
    assert layer.mean_rate_hz == pytest.approx(layer.spikes / (64 * 0.001 * early.steps_used.sum()))


@pytest.mark.client("Python", "records", "statistics")
def test_probes_of_a_request_agree_with_the_statistics(client: spikeserve.Client, loaded: str) -> None:
    samples, _ = DIGITS.test_samples(6, (8, 8))
    layer = client.simulate(loaded, samples[:1], steps=1).stats[0].layer
    result = client.simulate(
        loaded, samples, steps=30,
        record=[
            spikeserve.Record(layer, "spikes"),
            spikeserve.Record(layer, "spikes", reduction="sum", name="counts"),
            spikeserve.Record(layer, "voltage", every=10),
            spikeserve.Record(layer, "current", reduction="mean", first_step=11),
        ],
    )  # fmt: skip
    spikes = result.records[f"{layer}.spikes"]
    assert spikes.shape[:2] == (6, 30)
    assert spikes.sum() == result.stats[0].spikes
    np.testing.assert_array_equal(spikes.sum(axis=1), result.records["counts"])
    assert result.records[f"{layer}.voltage"].shape[:2] == (6, 3)
    assert result.records[f"{layer}.current"].shape == result.records["counts"].shape
    with pytest.raises(spikeserve.InvalidArgumentError, match='target: got "nowhere"'):
        client.simulate(loaded, samples, record=[spikeserve.Record("nowhere")])


def test_energy_counts_the_events_of_the_run(
    client: spikeserve.Client, loaded: str, digits: spikeserve.Network
) -> None:
    samples, _ = DIGITS.test_samples(10, (8, 8))
    result = client.simulate(loaded, samples, steps=20)
    loihi = spikeserve.estimate_energy(digits, result, "loihi")
    operations = sum(layer.synaptic_operations for layer in result.stats) / 10
    assert loihi.synaptic_operations == operations
    assert loihi.input_operations == 64 * 64 * 20
    assert loihi.neuron_updates == 64 * 20
    assert loihi.synaptic_j == pytest.approx((operations + 64 * 64 * 20) * 27.1e-12)
    assert loihi.neuron_j == pytest.approx(64 * 20 * 81e-12)
    assert loihi.float_j == pytest.approx((64 * 64 + 64 * 10) * 27.1e-12 + 64 * 81e-12)
    cpu = spikeserve.estimate_energy(digits, result, "cpu")
    assert cpu.total_j == pytest.approx(20 * cpu.float_j)
    own = spikeserve.Device("mine", 1, 0, True)
    assert spikeserve.estimate_energy(digits, result, own).total_j == operations + 64 * 64 * 20
    with pytest.raises(ValueError, match="device is 'abacus'"):
        spikeserve.estimate_energy(digits, result, "abacus")


def test_corrected_mean_is_the_plain_one_without_filters(client: spikeserve.Client, loaded: str) -> None:
    samples, _ = DIGITS.test_samples(5, (8, 8))
    plain = client.simulate(loaded, samples, steps=20)
    corrected = client.simulate(loaded, samples, steps=20, readout="corrected_mean")
    assert corrected.settings.readout == "corrected_mean"
    np.testing.assert_allclose(corrected.outputs, plain.outputs, rtol=1e-5, atol=1e-4)


@pytest.mark.client("Python", "session")
def test_session_in_pieces_equals_one_run(client: spikeserve.Client, loaded: str) -> None:
    samples, _ = DIGITS.test_samples(12, (8, 8))
    whole = client.simulate(loaded, samples, steps=60, trajectories=True, encoding="regular")
    with client.session(loaded, 12, trajectories=True) as session:
        pieces = [session.advance(samples, steps, encoding="regular") for steps in (1, 20, 3, 36)]
        assert pieces[-1].steps_done == 60
        assert pieces[-1].outputs.tobytes() == whole.outputs.tobytes()
        np.testing.assert_array_equal(pieces[-1].classes, whole.classes)
        name = next(iter(whole.trajectories))
        together = np.concatenate([piece.probes[name].trajectory for piece in pieces], axis=1)
        assert together.tobytes() == whole.trajectories[name].tobytes()
        assert [layer.spikes for layer in pieces[-1].stats] == [layer.spikes for layer in whole.stats]
        session.reset([3])
        after = session.advance(samples, 5)
        assert after.sample_steps.tolist() == [65, 65, 65, 5] + [65] * 8
        fresh = client.simulate(loaded, samples[3:4], steps=5)
        assert after.outputs[3].tobytes() == fresh.outputs[0].tobytes()
    with (
        client.session(loaded, 1) as session,
        pytest.raises(spikeserve.InvalidArgumentError, match="got a batch of 2, wanted the 1"),
    ):
        session.advance(samples[:2], 1)


def test_a_session_ends_with_the_server(start_server: ServerMaker, digits: spikeserve.Network) -> None:
    server = start_server()
    with spikeserve.Client(server.address) as client:
        client.load("net", digits)
        with client.session("net", 1) as session:
            session.advance(np.zeros((1, 8, 8), np.uint8), 5)
            server.stop()
            assert server.process.returncode == 0
            with pytest.raises(spikeserve.UnavailableError):
                session.advance(np.zeros((1, 8, 8), np.uint8), 5)


@pytest.mark.client("CLI", "run options", "records", "numpy files")
def test_simulate_command(
    server: spikeserve.LocalServer, loaded: str, digits: spikeserve.Network, tmp_path: Path
) -> None:
    samples, _ = DIGITS.test_samples(4, (8, 8))
    np.save(tmp_path / "x.npy", samples)
    digits.save(tmp_path / "net.spk")
    layer = next(op.name for op in digits.definition.operations if op.HasField("neuron"))
    arguments = [
        "simulate", loaded, tmp_path / "x.npy", "--server", server.address, "--steps", 20,
        "--encoding", "poisson:max_rate_hz=500", "--seed", 2, "--probe", f"{layer}.spikes:every=2",
        "--npz", tmp_path / "out.npz", "--energy", "loihi", "--network", tmp_path / "net.spk", "--json",
    ]  # fmt: skip
    result = CliRunner().invoke(main, [str(item) for item in arguments], prog_name="spikeserve")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["steps"] == 20
    assert printed["records"] == {f"{layer}.spikes": [4, 10, 64]}
    assert printed["energy_estimate"]["device"]["name"] == "loihi"
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays[f"record/{layer}.spikes"].shape == (4, 10, 64)
        assert arrays["classes"].shape == (4,)
    text = CliRunner().invoke(main, [str(item) for item in arguments[:-1]], prog_name="spikeserve").stdout
    assert "energy on loihi (an estimate)" in text
    bad = CliRunner().invoke(main, ["simulate", loaded, str(tmp_path / "x.npy"), "--encoding", "morse"])
    assert bad.exit_code != 0
