"""Neurons with memory, from an activation to the definition."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import L, input_layer, keras_file, random_dense

import spikeserve
from spikeserve import MemoryRectifiedLinear
from spikeserve.convert.definition.forward import run_rates
from spikeserve.convert.definition.summary import settings_lines
from spikeserve.convert.models import neurons
from spikeserve.v1 import network_pb2 as pb

SAMPLES = np.random.default_rng(3).uniform(-1, 1, (40, 4)).astype(np.float32)
MEMORY: dict[Any, Any] = {"relu": "MemoryRectifiedLinear", "leaky_relu": "MemoryRectifiedLinear"}


def convert(path: Path, **options: Any) -> spikeserve.Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        return spikeserve.convert(path, sample_data=SAMPLES, **options)


def population(network: spikeserve.Network) -> pb.NeuronOperation:
    (found,) = [op.neuron for op in network.definition.operations if op.HasField("neuron")]
    return found


def with_layer(folder: Path, layer: L) -> Path:
    return keras_file(folder, input_layer(4), random_dense(4, 6), layer, random_dense(6, 3, seed=1))


def test_absent_options_stay_absent() -> None:
    message = pb.NeuronOperation()
    neurons.set_model(message, MemoryRectifiedLinear())
    assert not message.memory_rectified_linear.HasField("max_value")
    assert neurons.get_model(message) == MemoryRectifiedLinear()


@pytest.mark.parametrize("preset", ["spikeserve", "nengo_dl"])
def test_it_starts_from_one_half_unless_told_otherwise(tmp_path: Path, preset: str) -> None:
    """A uniform start, the default of nengo_dl, would only add noise: counts are rounded."""
    path = with_layer(tmp_path, L("ReLU"))
    swaps = {"relu": MemoryRectifiedLinear}
    usual = population(convert(path, preset=preset, swap_activations=swaps))
    assert usual.initial_voltage.constant == 0.5
    given = population(convert(path, preset=preset, swap_activations=swaps, initial_voltage=0.25))
    assert given.initial_voltage.constant == 0.25


@pytest.mark.parametrize(
    ("layer", "bound", "slope"),
    [
        (L("ReLU"), None, 0),
        (L("ReLU", {"max_value": 2.5}), 2.5, 0),
        (L("ReLU", {"max_value": 2.0, "negative_slope": 0.25}), 2, 0.25),
        (L("Activation", {"activation": "relu6"}), 6, 0),
        (L("LeakyReLU", {"negative_slope": 0.125}), None, 0.125),
    ],
    ids=lambda value: f"{value.class_name}{value.config}" if isinstance(value, L) else "",
)
def test_the_options_of_a_relu_are_taken_over(tmp_path: Path, layer: L, bound: Any, slope: float) -> None:
    swaps = {**MEMORY, "relu6": "MemoryRectifiedLinear"}
    path = with_layer(tmp_path, layer)
    network = convert(path, swap_activations=swaps, scale_firing_rates=300)
    neuron = population(network).memory_rectified_linear
    assert (neuron.max_value if neuron.HasField("max_value") else None) == bound
    assert neuron.negative_slope == slope
    assert network.report.max_error is not None
    assert network.report.max_error < 1e-6
    kernel = np.random.default_rng(0)  # as random_dense draws
    weights, bias = kernel.normal(size=(4, 6)).astype("f4"), kernel.normal(size=6).astype("f4")
    drive = SAMPLES @ weights + bias
    (rates,) = rates_of(network)
    limit = np.inf if bound is None else bound
    assert rates == pytest.approx(np.minimum(np.where(drive < 0, slope * drive, drive), limit), abs=1e-5)


def rates_of(network: spikeserve.Network) -> list[np.ndarray]:
    values = run_rates(network.definition, {"input": SAMPLES})
    return [values[op.name] for op in network.definition.operations if op.HasField("neuron")]


def test_a_threshold_is_still_refused(tmp_path: Path) -> None:
    layer = L("ReLU", {"max_value": 1.0, "threshold": 0.5})
    with pytest.raises(spikeserve.ConversionError, match=r"max_value=1, threshold=0\.5"):
        convert(with_layer(tmp_path, layer))


@pytest.mark.parametrize("given", ["MemoryRectifiedLinear", MemoryRectifiedLinear, MemoryRectifiedLinear()])
def test_a_threshold_is_refused_however_the_neuron_is_given(tmp_path: Path, given: Any) -> None:
    path = with_layer(tmp_path, L("ReLU", {"threshold": 0.5}))
    for options in ({"swap_activations": {"relu": given}}, {"preset": "accurate"}):
        with pytest.raises(spikeserve.ConversionError) as caught:
            convert(path, **options)
        assert "has a threshold, which MemoryRectifiedLinear does not compute" in str(caught.value)
        assert "swap_activations" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "layer", "found", "note"),
    [
        (MemoryRectifiedLinear(), {"max_value": 6.0}, (6, 0), "takes max_value=6 of the layer"),
        (MemoryRectifiedLinear(max_value=2), {"max_value": 6.0}, (2, 0), ""),
        (
            MemoryRectifiedLinear(max_value=2),
            {"max_value": 6.0, "negative_slope": 0.25},
            (2, 0.25),
            "takes negative_slope=0.25 of the layer",
        ),
    ],
)
def test_an_object_takes_what_it_says_nothing_about(
    tmp_path: Path, given: MemoryRectifiedLinear, layer: dict[str, Any], found: Any, note: str
) -> None:
    network = convert(with_layer(tmp_path, L("ReLU", layer)), swap_activations={"relu": given})
    neuron = population(network).memory_rectified_linear
    assert (neuron.max_value, neuron.negative_slope) == found
    assert note in network.report.text()
    assert ("of the layer" in network.report.text()) == bool(note)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (L("ReLU", {"max_value": 6.0}), "relu"),
        (L("ReLU", {"negative_slope": 0.25, "max_value": 1.0}), "relu"),
        (L("Activation", {"activation": "relu6"}), "relu6"),
    ],
    ids=["max_value", "slope", "relu6"],
)
def test_advice_for_what_memory_computes_converts(tmp_path: Path, layer: L, kind: str) -> None:
    path = with_layer(tmp_path, layer)
    with pytest.raises(spikeserve.ConversionError) as caught:
        convert(path, preset="spikeserve")
    text = str(caught.value)
    assert "IntegrateAndFire'" not in text
    assert "take preset 'accurate' or 'balanced'" in text
    assert f"swap_activations={{'{kind}': 'MemoryRectifiedLinear'}}" in text
    convert(path, preset="spikeserve", swap_activations={kind: "MemoryRectifiedLinear"})
    for preset in ("accurate", "balanced"):
        convert(path, preset=preset)


@pytest.mark.parametrize("layer", ["ReLU", "LeakyReLU"])
def test_a_steep_slope_has_a_neuron_without_memory(tmp_path: Path, layer: str) -> None:
    path = with_layer(tmp_path, L(layer, {"negative_slope": 3.0}))
    kind = {"ReLU": "relu", "LeakyReLU": "leaky_relu"}[layer]
    for options in ({"preset": "accurate"}, {"swap_activations": {kind: MemoryRectifiedLinear()}}):
        with pytest.raises(spikeserve.ConversionError, match="negative_slope is 3") as caught:
            convert(path, **options)
        assert f"give swap_activations={{'{kind}': 'SpikingLeakyReLU'}}" in str(caught.value)
    network = convert(path, swap_activations={kind: "SpikingLeakyReLU"})
    assert population(network).spiking_leaky_rectified_linear.negative_slope == 3


def test_inspect_names_its_options(tmp_path: Path) -> None:
    path = with_layer(tmp_path, L("ReLU", {"max_value": 2.5}))
    network = convert(path, swap_activations=MEMORY)
    network.save(tmp_path / "model.spk")
    read = spikeserve.load_network(tmp_path / "model.spk")
    text = "\n".join(settings_lines(read.definition))
    assert "max_value=2.5" in text
    assert "initial voltage 0.5" in text
