"""Writes Keras model files by hand: what Keras would write, and what nobody should."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import spikeserve
from spikeserve.v1 import network_pb2 as pb

ROOT = Path(__file__).resolve().parents[4]
MODELS = ROOT / "tests" / "data" / "models"


@dataclass
class L:
    """A layer record: class, configuration, weights; `module` None leaves it out (Keras 2)."""

    class_name: str
    config: dict[str, Any] = field(default_factory=dict)
    weights: list[Any] = field(default_factory=list)
    module: str | None = "keras.layers"
    registered_name: str | None = None

    def record(self, index: int) -> dict[str, Any]:
        config = {"name": f"{self.class_name.lower()}_{index}", **self.config}
        record = {"class_name": self.class_name, "config": config, "registered_name": self.registered_name}
        return record if self.module is None else {"module": self.module, **record}


def input_layer(*shape: int | None) -> L:
    return L("InputLayer", {"name": "input", "batch_shape": [None, *shape]})


def dense(units: int, weights: Iterable[Any], activation: Any = "linear", **config: Any) -> L:
    values = list(weights)
    settings = {"units": units, "activation": activation, "use_bias": len(values) == 2, **config}
    return L("Dense", settings, values)


def random_dense(inputs: int, units: int, activation: Any = "linear", seed: int = 0, **config: Any) -> L:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(inputs, units)).astype("f4"), rng.normal(size=units).astype("f4")]
    return dense(units, weights, activation, **config)


def sequential_config(layers: list[L]) -> dict[str, Any]:
    records = [layer.record(index) for index, layer in enumerate(layers)]
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "model", "layers": records}}


_GROUPS = {
    "Dense": "dense",
    "Conv1D": "conv1d",
    "Conv2D": "conv2d",
    "Conv1DTranspose": "conv1d_transpose",
    "Conv2DTranspose": "conv2d_transpose",
    "PReLU": "p_re_lu",
}


def weight_groups(layers: list[L]) -> dict[str, list[Any]]:
    """Group path -> weights, by Keras' rule of class names counted per model."""
    groups: dict[str, list[Any]] = {}
    counts: dict[str, int] = {}
    for layer in layers:
        if layer.class_name == "InputLayer":
            continue
        base = _GROUPS.get(layer.class_name, "_".join(_words(layer.class_name)))
        count = counts.get(base, 0)
        counts[base] = count + 1
        groups[f"layers/{base}" + (f"_{count}" if count else "")] = layer.weights
    return groups


def _words(name: str) -> list[str]:
    words: list[str] = []
    for char in name:
        if char.isupper() and (not words or not words[-1][-1:].isupper()):
            words.append("")
        words[-1] += char
    return [word.lower() for word in words]


def weights_file(groups: Mapping[str, list[Any]]) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for path, values in groups.items():
            group = file.create_group(f"{path}/vars")
            for index, array in enumerate(values):
                group.create_dataset(str(index), data=array)
    return content.getvalue()


def archive(path: Path, config: Any, weights: bytes, **members: bytes) -> Path:
    text = config if isinstance(config, (str, bytes)) else json.dumps(config)
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("metadata.json", json.dumps({"keras_version": "3.5.0"}))
        target.writestr("config.json", text)
        target.writestr("model.weights.h5", weights)
        for name, content in members.items():
            target.writestr(name, content)
    return path


def keras_file(folder: Path, *layers: L) -> Path:
    """A Sequential `.keras` file."""
    chain = list(layers)
    return archive(folder / "model.keras", sequential_config(chain), weights_file(weight_groups(chain)))


def h5_file(
    folder: Path, config: Any, weights: Mapping[str, Mapping[str, Any]], version: str = "2.10.0"
) -> Path:
    """A whole-model `.h5`: weights by layer and dataset path, as Keras 2 writes it."""
    path = folder / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = config if isinstance(config, (str, bytes)) else json.dumps(config)
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name in weights]
        for name, datasets in weights.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = [key.encode() for key in datasets]
            for key, values in datasets.items():
                group.create_dataset(key, data=values)
    return path


def outputs(network: spikeserve.Network, *inputs: Any) -> list[np.ndarray]:
    """The outputs of a definition in rate mode."""
    from spikeserve.convert.definition.forward import run_rates

    names = [op.name for op in network.definition.operations if op.HasField("input")]
    arrays = [np.asarray(values, np.float32) for values in inputs]
    values = run_rates(network.definition, dict(zip(names, arrays, strict=True)), np.float32)
    return [values[probe.target] for probe in network.definition.probes]


def quiet(model: Any, **options: Any) -> spikeserve.Network:
    """convert() with data, so that it has nothing to warn about."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        return spikeserve.convert(model, **options)


def neurons(network: spikeserve.Network) -> dict[str, pb.NeuronOperation]:
    return {op.name: op.neuron for op in network.definition.operations if op.HasField("neuron")}


def kinds(network: spikeserve.Network) -> list[str]:
    return [str(op.WhichOneof("kind")) for op in network.definition.operations]
