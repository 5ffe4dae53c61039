"""Live models are asked for their configuration and weights; Keras is never imported."""

from __future__ import annotations

import json
import sys
import zipfile
from typing import Any

import numpy as np
import pytest
from keras_files import MODELS, outputs, quiet

import spikeserve
from spikeserve import ConversionError
from spikeserve.convert.read.keras_zip import read_keras_zip
from spikeserve.convert.read.limits import DEFAULT_LIMITS


class FakeLayer:
    def __init__(self, name: str, weights: list[np.ndarray]) -> None:
        self.name = name
        self._weights = weights

    def get_weights(self) -> list[np.ndarray]:
        return self._weights


class Sequential:
    """Looks like keras.Sequential to the converter."""

    __module__ = "keras.src.models.sequential"

    def __init__(self, config: dict[str, Any], layers: list[FakeLayer]) -> None:
        self.name = "live"
        self.layers = layers
        self._config = config

    def get_config(self) -> dict[str, Any]:
        return self._config


class Functional(Sequential):
    __module__ = "keras.src.models.functional"


def live(name: str) -> Sequential:
    """The model of a file as Keras would hold it."""
    path = MODELS / f"{name}.keras"
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
    graph = read_keras_zip(path, DEFAULT_LIMITS).graph
    layers = {node.layer.name: FakeLayer(node.layer.name, node.layer.weights) for node in graph.nodes}
    cls = Functional if config["class_name"] == "Functional" else Sequential
    return cls(config["config"], list(layers.values()))


@pytest.mark.parametrize("name", ["digits_mlp", "fashion_lenet", "layers/residual", "layers/branches"])
def test_a_live_model_gives_the_network_of_its_file(name: str) -> None:
    from_file, from_memory = quiet(MODELS / f"{name}.keras").definition, quiet(live(name)).definition
    assert from_memory.provenance.source_format == "live Keras model"
    for definition in (from_file, from_memory):
        definition.ClearField("provenance")
    assert from_file == from_memory


def test_keras_is_not_imported() -> None:
    spikeserve.convert(live("digits_mlp"), scale_firing_rates=100)
    assert not {"keras", "tensorflow", "tf_keras"} & set(sys.modules)


def test_numpy_values_and_functions_in_configurations_are_read() -> None:
    def relu(x: Any) -> Any:
        return x

    relu.__module__ = "keras.src.activations"
    kernel = np.eye(3, dtype="f4")
    layer = {"name": "d", "units": np.int64(3), "activation": relu, "use_bias": np.bool_(False)}
    records = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": (None, np.int32(3))}},
        {"class_name": "Dense", "config": layer},
    ]
    network = quiet(Sequential({"name": "m", "layers": records}, [FakeLayer("d", [kernel])]))
    assert outputs(network, [[1, -2, 3]])[0] == pytest.approx(np.array([[1, 0, 3]]))


def test_subclassed_models_are_refused() -> None:
    class Mine(Sequential):
        __module__ = "mine"

    with pytest.raises(ConversionError, match=r"mine\.Mine is not Sequential or Functional"):
        spikeserve.convert(Mine({}, []))


def test_models_without_a_configuration_are_refused() -> None:
    class Model(Sequential):
        __module__ = "keras"

        def get_config(self) -> dict[str, Any]:
            raise NotImplementedError("subclassed")

    with pytest.raises(ConversionError, match=r"no usable get_config\(\): subclassed"):
        spikeserve.convert(Model({}, []))


def test_weights_of_live_models_are_checked() -> None:
    model = live("digits_mlp")
    model.layers[-1].get_weights()[0][0, 0] = np.nan
    with pytest.raises(ConversionError, match="NaN or infinity"):
        spikeserve.convert(model)
