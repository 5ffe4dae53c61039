"""The loss that a model was trained with, which says what its outputs mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_ALIASES = {
    "bce": "binary_crossentropy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "logcosh": "log_cosh",
}


@dataclass(frozen=True)
class Loss:
    """Name of the loss of the first output as Keras' functions are called, "" where it is not known."""

    name: str = ""
    from_logits: bool = False


def stored_loss(training: Any) -> Loss:
    """The loss of a stored training configuration, of which nothing is promised."""
    return read_loss(training.get("loss")) if isinstance(training, dict) else Loss()


def read_loss(value: Any) -> Loss:
    """The loss of a name, a stored record, an object or function of Keras, or the first of several."""
    if isinstance(value, str):
        return Loss(_name(value))
    if isinstance(value, list | tuple):
        return read_loss(value[0]) if value else Loss()
    if isinstance(value, dict):
        return _record(value)
    if value is None:
        return Loss()
    name = getattr(value, "__name__", type(value).__name__)
    return Loss(_name(str(name)), getattr(value, "from_logits", False) is True)


def _record(value: dict[Any, Any]) -> Loss:
    name, config = value.get("class_name"), value.get("config")
    if not isinstance(name, str):  # the losses of several outputs by name
        return read_loss(next(iter(value.values()), None))
    if name == "function" and isinstance(config, str):
        return Loss(_name(config))
    logits = isinstance(config, dict) and config.get("from_logits") is True
    return Loss(_name(name), logits)


def _name(text: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.rpartition(".")[2]).lower()
    return _ALIASES.get(snake, snake)
