"""What a conversion with a preset with memory refuses, warns about and notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import neurons, quiet, random_dense
from test_memory_presets import SAMPLES, convert, simple

import spikeserve
from spikeserve.convert.definition.forward import run_rates


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({"delay_steps": 1}, r"delay_steps \(1\)"),
        ({"synapse": 0.005}, r"synapse \(lowpass 0\.005 s\)"),
        ({"probe_synapse": 0.005}, r"probe_synapse \(lowpass 0\.005 s\)"),
        ({"readout": "last"}, r"readout \(last\)"),
        ({"readout": ("mean", 1), "steps": 3}, r"readout \(mean, skipping 1\)"),
    ],
)
def test_sparse_refuses_runs_that_it_does_not_search_with(
    tmp_path: Path, options: dict[str, Any], given: str
) -> None:
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    with pytest.raises(spikeserve.ConversionError, match=rf"without synapses and delays, and got {given}; "):
        convert(path, preset="sparse", **options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"swap_activations": {"relu": "IntegrateAndFire"}}, "the network has no neurons with memory"),
        ({"target_rate_hz": 100}, "target_rate_hz sets the scales"),
        ({"scale_firing_rates": 100}, "scale_firing_rates sets the scales"),
    ],
)
def test_sparse_says_where_it_has_nothing_to_search(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    text = convert(path, preset="sparse", **options).report.text()
    assert f"preset 'sparse' has nothing to search: {reason}" in text
    assert "nothing to search" not in convert(path, **options).report.text()


def test_sparse_warns_where_samples_are_of_one_class(tmp_path: Path) -> None:
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    one = convert(path, np.zeros((400, 4), "f4"), preset="sparse").report.warnings
    assert any("the model gives all 267 samples" in text and "the same class" in text for text in one)
    assert "the same class" not in convert(path, preset="sparse").report.text()


def test_sparse_says_where_its_levels_do_not_keep_the_classes(tmp_path: Path) -> None:
    """Of very many classes the best is a matter of finer differences than it starts with."""
    report = convert(simple(tmp_path, random_dense(5, 400, seed=2)), preset="sparse").report
    (text,) = report.warnings
    assert "found no levels that keep the classes: with the most that it tries, 6, the class is the" in text
    assert "(wanted at least 96%); the others cost" in text
    assert text.endswith("Take preset 'balanced'")
    assert report.layers


def test_what_is_corrected_and_which_scales_are_means_is_noted(tmp_path: Path) -> None:
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    text = convert(path).report.text()
    corrected = "rounding is corrected for in the initial voltages of 'second/neuron', from 400 samples"
    assert corrected in text
    assert "with a scale for each channel, the mean of which is reported: 'hidden', 'second'" in text
    convert(path).save(tmp_path / "n.spk")
    assert corrected in spikeserve.load_network(tmp_path / "n.spk").report.text()
    assert "rounding is corrected for" not in convert(path, initial_voltage=0.25).report.text()
    assert "rounding is corrected for in biases" in convert(path, preset="sparse").report.text()
    single = convert(path, scale_firing_rates=500).report.text()
    assert "rounding is corrected" not in single
    assert "for each channel" not in single


@pytest.mark.parametrize("preset", ["accurate", "balanced", "spikeserve"])
def test_outputs_of_hidden_layers_come_back_to_those_of_keras(tmp_path: Path, preset: str) -> None:
    """By gain and amplitude, as the page on records says."""
    path = simple(tmp_path, random_dense(5, 3, seed=2))
    network, plain = convert(path, preset=preset), quiet(path, preset="nengo_dl", sample_data=SAMPLES)
    tensors = {tensor.id: np.frombuffer(tensor.data, "<f4") for tensor in network.definition.tensors}
    found, wanted = (run_rates(one.definition, {"input": SAMPLES}) for one in (network, plain))
    for name, neuron in neurons(network).items():
        gain = tensors[neuron.gain.tensor] if neuron.gain.tensor else neuron.gain.scalar
        amplitude = getattr(neuron, str(neuron.WhichOneof("model"))).amplitude
        assert found[name] / (gain * amplitude) == pytest.approx(wanted[name], rel=1e-4, abs=1e-5)
    same = all(np.allclose(found[name], wanted[name], rtol=1e-3, atol=1e-5) for name in neurons(network))
    assert same == (preset == "spikeserve")
