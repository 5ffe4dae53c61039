"""Outputs that are not classes are those of the model, and inputs on another scale are not passed over."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikeserve
from spikeserve.v1 import network_pb2 as pb

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "data" / "models"
PRESETS = ("balanced", "accurate", "sparse", "spikeserve", "nengo_dl")
FASHION = ("fashion_mlp", "fashion_lenet", "fashion_cnn", "legacy_fashion_mlp", "legacy_fashion_cnn")
RNG = np.random.default_rng(11)


def converted(model: Any, **options: Any) -> spikeserve.Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        return spikeserve.convert(model, **options)


def heads(steps: int = 4) -> spikeserve.Network:
    """Input [6] -> 16 neurons with memory -> three heads, each left with its own activation."""
    definition = pb.NetworkDefinition(format_version=1)
    definition.operations.add(name="input").input.shape.extend([6])
    links = [("input", "hidden"), ("hidden", "spikes")]
    definition.operations.add(name="hidden").affine.weight = "w"
    neuron = definition.operations.add(name="spikes").neuron
    neuron.memory_rectified_linear.amplitude = 1 / 4000
    neuron.gain.scalar = 4000
    neuron.initial_voltage.constant = 0.5
    weights: dict[str, np.ndarray] = {"w": RNG.normal(size=(16, 6)).astype(np.float32)}
    functions = {
        "chance": (1, pb.OUTPUT_FUNCTION_SIGMOID),
        "kind": (3, pb.OUTPUT_FUNCTION_SOFTMAX),
        "amount": (2, pb.OUTPUT_FUNCTION_SOFTPLUS),
    }
    for name, (size, function) in functions.items():
        weights[f"w.{name}"] = RNG.normal(scale=0.25, size=(size, 16)).astype(np.float32)
        definition.operations.add(name=name).affine.weight = f"w.{name}"
        links.append(("spikes", name))
        probe = definition.probes.add(name=name, target=name, quantity=pb.PROBE_QUANTITY_OUTPUT)
        probe.activation.function = function
    for source, target in links:
        definition.connections.add(source=source, target=target)
    for name, values in weights.items():
        definition.tensors.add(
            id=name, shape=values.shape, data_type=pb.DATA_TYPE_FLOAT32, data=values.tobytes()
        )
    definition.defaults.steps = steps
    definition.defaults.output_kind = pb.OUTPUT_KIND_LOGIT
    return spikeserve.Network(definition)


def test_a_softmax_is_what_keras_gave(client: spikeserve.Client) -> None:
    reference = np.load(MODELS / "digits_mlp.reference.npz")
    inputs, wanted = reference["inputs"].astype(np.float32), reference["outputs"]
    network = converted(MODELS / "digits_mlp.keras", preset="accurate", sample_data=inputs, steps=64)
    if not network.definition.probes[0].HasField("activation"):
        network.definition.probes[0].activation.function = pb.OUTPUT_FUNCTION_SOFTMAX
        wanted = np.exp(wanted) / np.exp(wanted).sum(axis=1, keepdims=True)
    client.load("digits-softmax", network)
    result = client.simulate("digits-softmax", inputs)
    assert np.sqrt(np.mean((result.outputs - wanted) ** 2)) < 2e-3
    np.testing.assert_allclose(result.outputs.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(result.classes, result.logits.argmax(axis=1))


def test_heads_are_named_and_judged_each_by_its_own(client: spikeserve.Client) -> None:
    network = heads(steps=256)
    client.load("heads", network)
    x = RNG.normal(size=(300, 6)).astype(np.float32)
    floats = {name: spikeserve.float_outputs(network, x, name) for name in ("chance", "kind", "amount")}
    result = client.simulate("heads", x)
    for name, wanted in floats.items():
        error = np.sqrt(np.mean((result.probes[name].outputs - wanted) ** 2))
        assert error < 5e-4, name  # a mean over the steps of the function would be off by far more
    labels = {
        "kind": floats["kind"].argmax(axis=1),
        "chance": (floats["chance"][:, 0] > 0.5).astype(int),
        "amount": floats["amount"],
    }
    found = spikeserve.evaluate(client, "heads", x, labels, float_outputs=floats)
    assert {name: one.task for name, one in found.heads.items()} == {
        "kind": "classes",
        "chance": "binary",
        "amount": "regression",
    }
    kind, chance, amount = found.heads.values()
    assert (kind.accuracy or 0) > 0.98
    assert (chance.threshold, chance.float_accuracy) == (0.5, 1)
    assert (chance.auc or 0) > 0.999
    assert amount.rmse == amount.rmse_to_float
    assert (amount.r2 or 0) > 0.999
    assert found.accuracy == kind.accuracy
    assert "chance AUC" in repr(found)
    with pytest.raises(ValueError, match="labels for 'other', network 'heads' answers chance, kind, amount"):
        spikeserve.evaluate(client, "heads", x, {"other": labels["kind"]})


def test_more_steps_come_closer_to_the_model_of_a_sigmoid(client: spikeserve.Client) -> None:
    network = heads()
    client.load("close", network)
    x = RNG.normal(size=(300, 6)).astype(np.float32)
    wanted = spikeserve.float_outputs(network, x)
    errors = [
        float(np.sqrt(np.mean((client.simulate("close", x, steps=steps).outputs - wanted) ** 2)))
        for steps in (4, 32, 256)
    ]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]
    last = list(client.stream("close", x, report_every=64, steps=256))[-1]
    np.testing.assert_allclose(last.outputs, wanted, atol=5e-3)
    with client.session("close", 300) as session:
        session.advance(x, 200)
        np.testing.assert_allclose(session.advance(x, 56).outputs, last.outputs, rtol=1e-6)


def images(name: str, count: int) -> np.ndarray:
    """Samples of the test networks' data, of which every one is at hand."""
    inputs = np.load(MODELS / f"{name.removeprefix('legacy_')}.reference.npz")["inputs"]
    return np.asarray(inputs[:count], np.float32)


@pytest.mark.parametrize("name", FASHION)
def test_inputs_on_another_scale_are_warned_of_and_no_others(client: spikeserve.Client, name: str) -> None:
    x = images(name, 200)
    samples = np.concatenate([x, x[:, ::-1]])  # enough of them for every preset
    path = MODELS / (f"{name}.h5" if name.startswith("legacy") else f"{name}.keras")
    dark = x[:9].copy()
    dark[3] = 0
    # The search of "sparse" takes long for many layers; "accurate" differs from "balanced" in its steps.
    for preset in PRESETS if "cnn" not in name else ("balanced", "spikeserve", "nengo_dl"):
        network = converted(path, preset=preset, sample_data=samples if preset == "sparse" else x[:100])
        client.load(f"{name}-{preset}", network)

        def said(inputs: np.ndarray, run: str = f"{name}-{preset}") -> str:
            return "\n".join(client.simulate(run, inputs).warnings)

        for meant in (
            x[:32],
            x[:1],
            dark,
            dark[3:4],
            np.zeros_like(dark),
            np.round(x[:9] * 255).astype("u1"),
        ):
            assert said(meant) == ""
        assert "no value is beyond" in said(x[:9] / 255)
        assert "values reach 255, but the network was calibrated on values from 0 to 1" in said(x[:9] * 255)
    bytes_ = converted(path, preset="balanced", sample_data=x[:100] * 255)
    client.load(f"{name}-bytes", bytes_)
    assert client.simulate(f"{name}-bytes", x[:9] * 255).warnings == ()
    (text,) = client.simulate(f"{name}-bytes", x[:9]).warnings
    assert "no value is beyond 1, but the network was calibrated on values from 0 to 255" in text
    assert "convert again with samples such as these" in text


def test_layers_that_are_silent_or_flooded_are_named(client: spikeserve.Client) -> None:
    x = images("fashion_mlp", 16)
    network = converted(MODELS / "fashion_mlp.keras", preset="spikeserve", scale_firing_rates=20)
    client.load("few", network)
    (text,) = client.simulate("few", x / 50).warnings
    assert "no neuron of " in text
    assert "run more steps" in text
    assert client.simulate("few", x / 50, statistics=False).warnings == ()
    assert client.simulate("few", x[:1] / 50).warnings == ()  # one sample may be of no class
    assert client.simulate("few", np.repeat(x[:1], 16, axis=0) / 50).warnings == ()
    many = converted(MODELS / "fashion_mlp.keras", preset="spikeserve", scale_firing_rates=1e7)
    client.load("many", many)
    (text,) = client.simulate("many", x).warnings
    assert "times in a step" in text


def test_a_command_says_it_on_stderr(server: spikeserve.LocalServer, tmp_path: Path) -> None:
    x = images("fashion_mlp", 100)
    network = converted(MODELS / "fashion_mlp.keras", sample_data=x)
    with spikeserve.Client(server.address, timeout=120) as client:
        client.load("told", network)
    np.save(tmp_path / "x.npy", x[:9] * 255)
    command = [sys.executable, "-m", "spikeserve.cli", "classify", "told", str(tmp_path / "x.npy")]
    done = subprocess.run(
        [*command, "--server", server.address], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr.startswith('warning: input "')
    assert "values reach 255" in done.stderr
