"""Brings every spelling of an activation down to one canonical kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spikeserve.convert.read.graph import Layer
from spikeserve.convert.read.records import custom_origin

# Layers that are nothing but an activation, by the kind they compute.
ACTIVATION_LAYERS = {
    "Activation": "",
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "Softmax": "softmax",
    "ELU": "elu",
    "PReLU": "prelu",
    "ThresholdedReLU": "thresholded_relu",
    "Relu": "relu",  # keras.ops.relu recorded in a functional model
}
_ALIASES = {
    "": "linear",
    "identity": "linear",
    "rectified_linear": "relu",
    "leakyrelu": "leaky_relu",
    "swish": "silu",
    "relu_layer": "relu",
    "hard_swish": "hard_silu",
}


@dataclass(frozen=True)
class Activation:
    """A canonical activation; `options` hold what differs from its plain form."""

    kind: str
    options: dict[str, float] = field(default_factory=dict)
    custom: str | None = None


def canonical_name(spelling: object) -> str:
    """The kind for a name, `tf.nn.relu`-like path, function, class or layer object."""
    if spelling is None:
        return "linear"
    if not isinstance(spelling, str):
        spelling = getattr(spelling, "__name__", type(spelling).__name__)
    assert isinstance(spelling, str)
    name = spelling.rsplit(".", 1)[-1]
    if name in ACTIVATION_LAYERS and name != "Activation":
        return ACTIVATION_LAYERS[name]
    name = name.lower()
    return _ALIASES.get(name, name)


def resolve(entry: Any, keras_major: int = 3) -> Activation:
    """The activation of a configuration entry: null, a name, a function or a layer record."""
    if entry is None or isinstance(entry, str):
        return _named(canonical_name(entry), {}, None, keras_major)
    if not isinstance(entry, dict):
        return Activation("unknown", custom=repr(entry)[:60])
    class_name = str(entry.get("class_name"))
    if class_name == "__lambda__":
        return Activation("lambda", custom="a lambda")
    origin = custom_origin(entry)
    config = entry.get("config")
    if class_name == "function":
        custom = origin or (config if isinstance(config, str) and ">" in config else None)
        return _named(canonical_name(str(config)), {}, custom, keras_major)
    if class_name in ACTIVATION_LAYERS and isinstance(config, dict) and origin is None:
        return layer_activation(Layer("activation", class_name, config, keras_major=keras_major))
    return Activation("unknown", custom=origin or class_name)


def layer_activation(layer: Layer) -> Activation:
    """What a layer applies to its linear output; linear for layers without an activation."""
    config = layer.config
    kind = ACTIVATION_LAYERS.get(layer.class_name)
    if not kind:
        entry = config.get("activation")
        return resolve(entry, layer.keras_major)
    if kind == "relu":
        return Activation("relu", _relu_options(config))
    if kind == "leaky_relu":
        slope = config.get("negative_slope", config.get("alpha", 0.3))
        return Activation("leaky_relu", {"negative_slope": _number(slope)})
    if kind == "prelu" and len(layer.weights) == 1 and np.unique(layer.weights[0]).size == 1:
        return Activation("leaky_relu", {"negative_slope": float(layer.weights[0].flat[0])})
    if kind == "elu":
        return Activation("elu", {"alpha": _number(config.get("alpha", 1.0))})
    if kind == "softmax":
        axis = config.get("axis", -1)
        return Activation("softmax", {} if axis == -1 else {"axis": _number(axis)})
    return Activation(kind)


def _named(kind: str, options: dict[str, float], custom: str | None, keras_major: int) -> Activation:
    if kind == "leaky_relu" and not options:
        options = {"negative_slope": 0.2}  # the function's default; the layer's is 0.3
    if kind == "relu6":
        options = {"max_value": 6.0}
    if kind == "hard_sigmoid" and keras_major < 3:
        options = {"slope": 0.2}  # Keras 3 has a sixth
    return Activation(kind, options, custom)


def _relu_options(config: dict[str, Any]) -> dict[str, float]:
    """Options of a ReLU layer that make it something else than max(x, 0)."""
    options = {}
    if config.get("max_value") is not None:
        options["max_value"] = _number(config["max_value"])
    for key in ("negative_slope", "threshold"):
        value = _number(config.get(key) or 0.0)
        if value != 0:
            options[key] = value
    return options


def _number(value: Any) -> float:
    if isinstance(value, dict):
        value = value.get("config", {}).get("value", 0.0)
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else float("nan")
    return float(value)
