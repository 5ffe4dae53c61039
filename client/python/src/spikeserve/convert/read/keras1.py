"""What Keras 1 wrote, in the words and the layouts of Keras 2; and kernels of Theano, which flips them."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.graph import Config, Layer

_CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose",
}
_KEYS = {
    "output_dim": "units",
    "bias": "use_bias",
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample": "strides",
    "subsample_length": "strides",
    "stride": "strides",
    "atrous_rate": "dilation_rate",
    "border_mode": "padding",
    "pool_length": "pool_size",
    "length": "size",
    "concat_axis": "axis",
}
_MERGES = {"sum": "Add", "concat": "Concatenate", "mul": "Multiply", "ave": "Average", "max": "Maximum"}
_LAYOUTS = {"th": "channels_first", "tf": "channels_last"}
_RESAVE = "load it in Keras 2 and save it again"


def in_words_of_keras2(value: Any) -> Any:
    """A stored configuration with all records of layers in it renamed; anything else stays as it is."""
    if isinstance(value, list):
        return [in_words_of_keras2(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("class_name"), str) and isinstance(value.get("config"), dict):
        return _record({key: in_words_of_keras2(item) for key, item in value.items()})
    return {key: in_words_of_keras2(item) for key, item in value.items()}


def _record(record: dict[str, Any]) -> dict[str, Any]:
    """One record of a layer; its own words stay beside those of Keras 2."""
    old: Config = record["config"]
    config = {_KEYS[key]: item for key, item in old.items() if key in _KEYS} | old
    name = record["class_name"]
    if {"nb_row", "nb_col"} <= set(config):
        config["kernel_size"] = [config["nb_row"], config["nb_col"]]
    if config.get("dim_ordering") in _LAYOUTS:
        config["data_format"] = _LAYOUTS[config["dim_ordering"]]
    if name == "ZeroPadding2D" and isinstance(config.get("padding"), list) and len(config["padding"]) == 4:
        config["padding"] = [config["padding"][:2], config["padding"][2:]]
    if name == "BatchNormalization" and config.get("mode", 0) != 0:
        raise ConversionError(
            f"'{config.get('name')}' (BatchNormalization) has mode {config['mode']}, which normalizes by its "
            "own input; train with mode 0"
        )
    if name == "Merge":
        name = _MERGES.get(str(config.get("mode")), name)
    return record | {"class_name": _CLASSES.get(name, name), "config": config}


def in_layout_of_keras2(layer: Layer, backend: str) -> None:
    """Brings the kernel of a convolution that Keras 1 wrote to [kernel..., in, out]."""
    if layer.class_name not in ("Conv1D", "Conv2D") or "nb_filter" not in layer.config or not layer.weights:
        return
    kernel = layer.weights[0]
    first = layer.config.get("data_format") == "channels_first"
    if kernel.ndim != 4:
        raise ConversionError(f"'{layer.name}' has a kernel of the shape {kernel.shape}; {_RESAVE}")
    if layer.class_name == "Conv1D":
        size = layer.config.get("kernel_size")
        moved = kernel if kernel.shape[:2] == (size, 1) else kernel.transpose(2, 3, 1, 0)
        layer.weights[0] = moved[:, 0]
        return
    if first and not backend and max(kernel.shape[2:]) > 1:
        raise ConversionError(
            f"'{layer.name}' may have been trained with Theano, which flips kernels: the file does not "
            f"say; {_RESAVE}, or set its attribute 'backend' to 'theano' or 'tensorflow'"
        )
    layer.weights[0] = kernel.transpose(2, 3, 1, 0) if first else kernel


def unflipped(layer: Layer) -> None:
    """Flips the kernel [kernel..., in, out] of a convolution that was trained with Theano."""
    if layer.class_name in ("Conv1D", "Conv2D", "Conv2DTranspose") and layer.weights:
        kernel: Array = layer.weights[0]
        layer.weights[0] = np.flip(kernel, tuple(range(kernel.ndim - 2)))
