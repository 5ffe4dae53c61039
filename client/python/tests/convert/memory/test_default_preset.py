"""What the default preset makes of models and options that its few levels are not for."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, input_layer, keras_file, neurons, random_dense
from test_memory_presets import SAMPLES, convert, simple

import spikeserve
from spikeserve.convert.definition.forward import run_rates
from spikeserve.convert.memory.counts import run_counts
from spikeserve.v1 import network_pb2 as pb

LABELS = ["a", "b", "c"]
KEPT = "the class is the model's on "


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """4 -> hidden (6, relu) -> second (5, relu) -> 3 classes."""
    return simple(tmp_path, random_dense(5, 3, seed=2, name="out"))


def default(path: Path, **options: Any) -> spikeserve.Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        return spikeserve.convert(path, **{"sample_data": SAMPLES, "class_labels": LABELS, **options})


def test_the_default_is_balanced(path: Path) -> None:
    network, balanced = default(path), convert(path, preset="balanced", class_labels=LABELS)
    assert network.definition == balanced.definition
    assert network.definition.defaults.steps == 2
    assert {n.WhichOneof("model") for n in neurons(network).values()} == {"memory_rectified_linear"}
    assert "as with preset 'spikeserve'" not in network.report.text()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sample_data": None}, "there is no sample_data to correct for rounding with"),
        ({"sample_data": SAMPLES[:63]}, "sample_data has 63 samples, and to correct for rounding takes 64"),
        ({"synapse": 0.005}, r"synapse (lowpass 0.005 s): few steps are for plain means"),
        ({"probe_synapse": 0.005}, r"probe_synapse (lowpass 0.005 s): few steps"),
        ({"delay_steps": 1}, "delay_steps (1): few steps"),
        ({"readout": "last"}, "readout (last): few steps"),
        ({"readout": ("mean", 4)}, "readout (mean, skipping 4): few steps"),
        ({"scale_firing_rates": {"hidden": 300}}, "scale_firing_rates sets how often neurons spike"),
        ({"target_rate_hz": 300}, "target_rate_hz sets how often neurons spike"),
        ({"initial_voltage": "uniform"}, "initial_voltage takes the place of corrections"),
        ({"swap_activations": {"relu": "LIF"}}, "neurons without memory in 'hidden', 'second'"),
        ({"class_labels": None}, "nothing says that the output 'out' is classes (class_labels says that"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_few_steps_are_not_for_takes_those_of_before(
    path: Path, options: dict[str, Any], reason: str
) -> None:
    network = default(path, **options)
    assert network.definition.defaults.steps == 16
    (note,) = [one for one in network.report.notes if one.startswith("16 steps as with preset 'spikeserve'")]
    assert "not the 2 of preset 'balanced': " + reason in note
    told = default(path, **{"readout": None, **options, "steps": 3}) if "readout" not in options else None
    assert told is None or told.definition.defaults.steps == 3


@pytest.mark.parametrize("swap", ["IntegrateAndFire", "LIF"])
@pytest.mark.parametrize("steps", [None, 100])
def test_who_asks_for_other_neurons_gets_the_network_of_before(
    path: Path, swap: str, steps: int | None
) -> None:
    options = {"swap_activations": {"relu": swap}, "steps": steps}
    network, before = default(path, **options), default(path, **options, preset="spikeserve")
    for one in (network, before):
        one.definition.ClearField("provenance")
    assert network.definition == before.definition


def test_without_samples_a_spike_counts_for_what_it_did(path: Path) -> None:
    network = default(path, sample_data=None)
    before = default(path, sample_data=None, preset="spikeserve")
    assert {n.WhichOneof("model") for n in neurons(network).values()} == {"memory_rectified_linear"}
    for neuron, old in zip(neurons(network).values(), neurons(before).values(), strict=True):
        assert neuron.gain == old.gain
        assert neuron.memory_rectified_linear.amplitude == old.integrate_and_fire.amplitude


def test_values_come_closer_to_the_model_than_classes_have_to(tmp_path: Path) -> None:
    """A regression of many values, rounded by 32 levels, not 8."""
    path = simple(tmp_path, random_dense(5, 3, seed=2))

    def error(network: spikeserve.Network) -> float:
        target, steps = network.definition.probes[0].target, network.definition.defaults.steps
        floats = run_rates(network.definition, {"input": SAMPLES})[target]
        found = run_counts(network.definition, {"input": SAMPLES}, steps)[target]
        return float(np.sqrt(np.mean((found - floats) ** 2)) / floats.std())

    assert error(default(path, class_labels=None)) < 0.05
    assert error(default(path, class_labels=None)) < error(default(path)) / 2


def test_classes_that_are_kept_are_noted(tmp_path: Path, path: Path) -> None:
    (note,) = [note for note in default(path).report.notes if note.startswith(KEPT)]
    assert note.endswith("% of 400 samples over 2 steps")
    assert KEPT not in default(path, synapse=0.005).report.text()
    tanh = simple(tmp_path, random_dense(5, 4, "tanh", seed=4), random_dense(4, 3, seed=5))
    mixed = default(tanh, swap_activations={"tanh": "RegularSpiking(Tanh)"})
    assert "rounding is corrected for" in mixed.report.text()
    assert KEPT not in mixed.report.text()


def test_a_network_that_loses_classes_takes_more_steps(tmp_path: Path) -> None:
    many = {"class_labels": [str(i) for i in range(400)]}  # which finer differences decide
    path = simple(tmp_path, random_dense(5, 400, seed=2))
    network = default(path, **many)
    steps = network.definition.defaults.steps
    assert steps in (4, 8, 16)
    (text,) = [text for text in network.report.notes + network.report.warnings if text.startswith(KEPT)]
    assert "% of 400 samples over 2 steps and " in text
    assert f"% over {steps} steps, so that a run takes {steps}" in text
    few, more = (float(part) for part in re.findall(r"([0-9.]+)%", text)[:2])
    assert few < 97
    assert few < more
    short = default(path, **many, steps=2)
    assert short.definition.defaults.steps == 2
    (warning,) = short.report.warnings
    assert warning.startswith(f"{KEPT}{few}% of 400 samples over 2 steps. It would be the model's on ")
    assert warning.endswith(" over 16 steps; give more steps, such as steps=16")
    for long, brief in zip(network.report.layers, short.report.layers, strict=True):
        assert long.expected_spikes == pytest.approx(steps / 2 * (brief.expected_spikes or 0))


def test_a_steep_leaky_relu_at_the_output_is_left_to_clients(tmp_path: Path) -> None:
    """No neuron with memory has its slope."""
    leaky = L("LeakyReLU", {"negative_slope": 3.0, "name": "leak"})
    network = default(simple(tmp_path, random_dense(5, 3, seed=2), leaky))
    assert network.definition.probes[0].activation == pb.OutputActivation(
        function=pb.OUTPUT_FUNCTION_RELU, alpha=3
    )


def test_outputs_of_neurons_are_fine_without_samples_too(tmp_path: Path) -> None:
    """Spikes that meet no weights cost nothing."""
    network = default(simple(tmp_path), sample_data=None, class_labels=None)
    hidden, output = network.report.layers
    assert (hidden.scale, output.scale) != (0, 0)
    before = default(tmp_path / "model.keras", sample_data=None, class_labels=None, preset="spikeserve")
    assert hidden.scale == before.report.layers[0].scale
    assert output.scale == pytest.approx(8 * before.report.layers[1].scale)


def test_a_scale_of_one_number_takes_quanta_of_channels(tmp_path: Path) -> None:
    """A Rescaling behind a population is one number until each channel has its own."""
    path = keras_file(
        tmp_path,
        input_layer(4),
        random_dense(4, 6, "relu"),
        L("Rescaling", {"scale": 0.5, "offset": 0.25}),
        L("ReLU", {"max_value": 1.0}),
        random_dense(6, 3, seed=1),
    )
    network = default(path)
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-5


@pytest.mark.parametrize(
    ("options", "late"),
    [
        ({"synapse": 0.005, "steps": 2, "class_labels": None}, 12),
        ({"synapse": spikeserve.Alpha(0.005), "steps": 40}, 22),
        ({"synapse": spikeserve.Triangle(0.03), "steps": 40}, 22),
        ({"synapse": spikeserve.LinearFilter([1], [0.01, 1]), "steps": 40}, 22),
        ({"synapse": spikeserve.LinearFilter([0.1], [1, -0.9], analog=False), "steps": 40}, 22),
        ({"synapse": 0.005, "delay_steps": 3, "steps": 30}, 18),
        ({"synapse": 0.005, "steps": 10, "readout": "corrected_mean"}, 12),
        ({"synapse": 0.005, "steps": 20, "readout": ("mean", 3)}, 12),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("preset", ["balanced", "spikeserve"])
def test_drive_that_biases_outweigh_is_warned_about(
    path: Path, preset: str, options: dict[str, Any], late: int
) -> None:
    """Two filters, each with a step of its own."""
    text = default(path, preset=preset, **options).report.text()
    steps = options["steps"]
    skipped = 3 if "mean" in options.get("readout", "") and steps == 20 else 0
    if late < steps:
        assert f"reaches the output 'out' by about {late} steps of the {steps} of a run" in text
        assert f"give steps={4 * late + skipped} or more" in text
    settled = default(path, preset=preset, **{**options, "steps": 4 * late + skipped}).report.text()
    assert "hold back" not in settled
