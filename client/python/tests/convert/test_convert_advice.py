"""What a conversion warns about and what it advises helps."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, dense, input_layer, keras_file, random_dense

import spikeserve
from spikeserve import ConversionError
from spikeserve.v1 import network_pb2 as pb

SAMPLES = np.random.default_rng(3).uniform(0, 1, (40, 4)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    hidden = random_dense(4, 6, "relu", name="hidden")
    return keras_file(tmp_path, input_layer(4), hidden, random_dense(6, 3, seed=2, name="out"))


def warned(path: Path, **options: Any) -> str:
    with pytest.warns(spikeserve.ConversionWarning):
        return "\n".join(spikeserve.convert(path, **options).report.warnings)


@pytest.mark.parametrize(
    ("neuron", "scales"),
    [
        ("SpikingRectifiedLinear", True),
        ("RegularSpiking(RectifiedLinear)", True),
        ("LIF", False),
        ("AdaptiveLIF", False),
        ("RegularSpiking(LIFRate)", False),
    ],
)
def test_a_scale_is_suggested_only_where_it_helps(path: Path, neuron: str, scales: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        network = spikeserve.convert(
            path, preset="nengo_dl", sample_data=SAMPLES, swap_activations={"relu": neuron}
        )
    (hidden,) = network.report.layers
    assert (hidden.expected_spikes or 0) < 1
    assert ("give scale_firing_rates={'hidden'" in network.report.text()) == scales
    assert (hidden.suggested_scale is not None) == scales


def test_outputs_behind_a_nonlinearity_are_warned_about(tmp_path: Path, path: Path) -> None:
    layers = [input_layer(4), random_dense(4, 5, "relu"), random_dense(5, 3, name="top")]
    leaky = keras_file(tmp_path, *layers, L("LeakyReLU", {"negative_slope": 0.1, "name": "leak"}))
    assert spikeserve.convert(leaky, preset="spikeserve", sample_data=SAMPLES).report.warnings == []
    soft = keras_file(tmp_path, *layers[:2], random_dense(5, 3, "softmax", name="top"))
    assert "the output 'top' is the mean over the steps of its softmax" in warned(
        soft, sample_data=SAMPLES, keep_softmax=True
    )
    assert spikeserve.convert(soft, sample_data=SAMPLES).report.warnings == []


def test_suggestions_from_random_inputs_say_so(path: Path) -> None:
    assert "a guess from random inputs" in warned(path, preset="nengo_dl")
    assert "a guess" not in warned(path, preset="nengo_dl", sample_data=SAMPLES)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("corrected_mean", pb.READOUT_KIND_CORRECTED_MEAN),
        (("corrected_mean", 4), pb.READOUT_KIND_CORRECTED_MEAN),
        ("last", pb.READOUT_KIND_LAST),
        (None, pb.READOUT_KIND_MEAN),
    ],
)
def test_every_readout_can_be_the_default(path: Path, given: Any, kind: pb.ReadoutKind) -> None:
    readout = spikeserve.convert(path, sample_data=SAMPLES, readout=given).definition.defaults.readout
    assert readout == pb.Readout(kind=kind, skip_steps=4 if isinstance(given, tuple) else 0)
    again = spikeserve.convert(path, sample_data=SAMPLES, readout=readout).definition.defaults.readout
    assert again == readout


def test_delays_are_of_connections_that_leave_populations(path: Path) -> None:
    for given in (3, {"hidden": 3}):
        links = spikeserve.convert(path, sample_data=SAMPLES, delay_steps=given).definition.connections
        assert {link.source: link.delay_steps for link in links} == {
            "input": 0,
            "hidden": 0,
            "hidden/neuron": 3,
        }
    for wrong, message in ((-1, "wanted a whole number"), (4097, "at most 4096"), ({"x": 1}, "names 'x'")):
        with pytest.raises(ConversionError, match=f"delay_steps.*{message}"):
            spikeserve.convert(path, sample_data=SAMPLES, delay_steps=wrong)


def test_labels_of_another_number_are_refused(path: Path) -> None:
    with pytest.raises(ConversionError, match="class_labels has 2 names, the network has 3 outputs"):
        spikeserve.convert(path, sample_data=SAMPLES, class_labels=["a", "b"])
    network = spikeserve.convert(path, sample_data=SAMPLES, class_labels=["a", "b", "c"])
    assert list(network.definition.defaults.class_labels) == ["a", "b", "c"]


def test_more_steps_than_a_server_takes_are_warned_about(path: Path) -> None:
    assert "--max-steps" in warned(path, sample_data=SAMPLES, steps=10_001)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "leaky_relu"])
def test_the_advised_neuron_spikes_and_converts(tmp_path: Path, name: str) -> None:
    layers = [input_layer(4), random_dense(4, 3, name, name="hidden"), random_dense(3, 2)]
    path = keras_file(tmp_path, *layers)
    with pytest.raises(ConversionError) as caught:
        spikeserve.convert(path, preset="spikeserve")
    assert f"'{name}' has no neuron by default" in str(caught.value)
    swap = eval(str(caught.value).split("swap_activations=")[1].split("}")[0] + "}")
    network = spikeserve.convert(path, preset="spikeserve", swap_activations=swap, sample_data=SAMPLES)
    assert "piking" in str(network.report.layers[0].model)
    assert ("with a bias" in str(caught.value)) == (name != "leaky_relu")


def test_what_bends_spikes_is_said_to_be_biased(tmp_path: Path) -> None:
    layers = [
        input_layer(4),
        random_dense(4, 6, "tanh", name="first"),  # of inputs that do not vary: exact
        random_dense(6, 6, "relu", name="second"),
        random_dense(6, 6, "tanh", name="third"),
        random_dense(6, 2, name="out"),
    ]
    path = keras_file(tmp_path, *layers)
    swap = {"tanh": "RegularSpiking(Tanh)"}
    text = warned(path, preset="spikeserve", swap_activations=swap, sample_data=SAMPLES)
    assert "the neurons of 'third' are biased" in text
    assert "'first'" not in text
    quick = {"tanh": "MemoryRectifiedLinear"}
    network = spikeserve.convert(path, preset="spikeserve", swap_activations=quick, sample_data=SAMPLES)
    assert "biased" not in network.report.text()


def test_neurons_with_a_trained_response_that_hardly_spike_are_warned_about(path: Path) -> None:
    options: dict[str, Any] = {
        "preset": "nengo_dl",
        "sample_data": SAMPLES,
        "swap_activations": {"relu": "LIF"},
    }
    text = warned(path, **options)
    assert (
        "fewer than one expected spike per active neuron and run, so the outputs will be poor: 'hidden'"
        in text
    )
    steps = int(text.split("give more steps (steps=")[1].split(" ")[0])
    assert steps > 100
    network = spikeserve.convert(path, **options, steps=steps)
    assert (network.report.layers[0].expected_spikes or 0) >= 5
    assert "fewer than one" not in network.report.text()


def test_the_ranges_of_samples_are_kept_and_those_of_stand_ins_are_not(path: Path) -> None:
    (found,) = spikeserve.convert(path, sample_data=SAMPLES).definition.provenance.input_ranges
    assert found.input == "input"
    assert (found.lowest, found.highest) == (SAMPLES.min(), SAMPLES.max())
    assert found.mean_magnitude == pytest.approx(SAMPLES.mean())
    with pytest.warns(spikeserve.ConversionWarning):
        assert not spikeserve.convert(path).definition.provenance.input_ranges


def test_a_layer_is_refused_and_counted_once(tmp_path: Path) -> None:
    recurrent = L("LSTM", {"activation": "tanh", "recurrent_activation": "sigmoid", "name": "memory"})
    with pytest.raises(ConversionError, match="1 layer cannot be converted") as caught:
        spikeserve.convert(keras_file(tmp_path, input_layer(3, 4), recurrent))
    assert str(caught.value).count("'memory'") == 1


def test_weights_that_are_not_finite_are_refused_by_layer(tmp_path: Path) -> None:
    broken = dense(3, [np.full((4, 3), np.nan), np.zeros(3)], name="broken")
    with pytest.raises(ConversionError, match="'broken' holds NaN or infinity"):
        spikeserve.convert(keras_file(tmp_path, input_layer(4), broken))


@pytest.mark.parametrize(
    ("preset", "options", "late"),
    [
        ("balanced", {"delay_steps": 2, "steps": 2}, 2),
        ("balanced", {"synapse": 0.005, "delay_steps": 1, "steps": 2}, 2),
        ("balanced", {"synapse": 0.005, "probe_synapse": 0.005, "steps": 2}, 2),
        ("accurate", {"delay_steps": {"hidden": 16}}, 16),
        ("spikeserve", {"delay_steps": 16}, 16),
        ("nengo_dl", {"delay_steps": 98}, 100),
    ],
)
def test_inputs_that_never_reach_the_output_are_warned_about(
    path: Path, preset: str, options: dict[str, Any], late: int
) -> None:
    text = warned(path, preset=preset, sample_data=SAMPLES, **options)
    steps = options.get("steps", 100 if preset == "nengo_dl" else 16)
    assert f"no spike of the input reaches the output 'out' in {steps} steps: " in text
    assert f"delays on the way take {late}; give steps={late + steps} or more" in text
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        spikeserve.convert(path, preset=preset, sample_data=SAMPLES, **{**options, "steps": late + 1})
    assert "no spike of the input" not in "\n".join(str(item.message) for item in caught)
