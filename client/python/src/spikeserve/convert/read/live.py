"""Reader for live Keras models. Keras itself is never imported: the object is asked, not typed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.graph import SourceModel
from spikeserve.convert.read.inline import inline
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.loss import read_loss
from spikeserve.convert.read.model_tree import ModelTree, TreeParser
from spikeserve.convert.read.safe_json import parse_json


def is_live_model(model: object) -> bool:
    """True for anything that has the interface of a Keras model."""
    return hasattr(model, "get_config") and hasattr(model, "layers")


def read_live_model(model: Any, limits: Limits) -> SourceModel:
    """The graph and weights of a live Sequential or Functional model."""
    class_name = type(model).__name__
    module = str(type(model).__module__)
    try:
        text = json.dumps(model.get_config(), default=_plain)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ConversionError(
            f"the model {class_name} has no usable get_config(): {error}; build it with "
            "keras.Sequential or the functional API"
        ) from error
    record = {"class_name": class_name, "module": module, "config": parse_json(text, "model", limits)}
    major = 2 if "tf_keras" in module or "tensorflow" in module else 3
    tree = TreeParser(major, limits).parse(record)
    _assign(tree, model, limits)
    label = str(getattr(model, "name", class_name))
    loss = read_loss(getattr(model, "loss", None))
    return SourceModel(inline(tree, limits), label, "live Keras model", loss=loss)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "numpy"):
        return np.asarray(value.numpy()).tolist()
    if hasattr(value, "__name__"):
        return value.__name__
    raise TypeError(f"{type(value).__name__} cannot be read")


def _assign(tree: ModelTree, model: Any, limits: Limits) -> None:
    layers = {layer.name: layer for layer in model.layers}
    total = 0
    for entry in tree.entries:
        live = layers.get(entry.name)
        if live is None:  # an input layer or a keras.ops call
            continue
        if isinstance(entry.item, ModelTree):
            _assign(entry.item, live, limits)
            continue
        entry.item.weights = [np.asarray(values) for values in live.get_weights()]
        total += sum(values.size for values in entry.item.weights)
        for values in entry.item.weights:
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise ConversionError(f"'{entry.name}' has weights that are NaN or infinity")
    if total > limits.parameters:
        raise ConversionError(f"the model has {total} parameters, the limit is {limits.parameters}")
