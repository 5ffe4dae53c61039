"""The neuron types that an activation can be converted to: by name, from Nengo, to the wire and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from spikeserve.convert.models import functions, integrating, rates, wrappers
from spikeserve.convert.models.functions import *  # noqa: F403
from spikeserve.convert.models.integrating import *  # noqa: F403
from spikeserve.convert.models.neuron import TYPES
from spikeserve.convert.models.neuron import NeuronModel as NeuronModel
from spikeserve.convert.models.rates import *  # noqa: F403
from spikeserve.convert.models.rates import RateModel as RateModel
from spikeserve.convert.models.spelling import parse_neuron
from spikeserve.convert.models.wrappers import *  # noqa: F403
from spikeserve.v1 import network_pb2 as pb

# The types alone: what the package exports too.
__all__ = [*functions.__all__, *integrating.__all__, *rates.__all__, *wrappers.__all__]

_BY_NAME = {cls.__name__: cls for cls in TYPES.values()}


def as_neuron(value: object) -> NeuronModel:
    """A neuron model from an instance, a class, a name or Nengo's object of the same name.

    A name may have parameters and a base: "LIF(tau_rc=0.03)", "RegularSpiking(Tanh)".
    """
    if isinstance(value, NeuronModel):
        return value
    named = value.__name__ if isinstance(value, type) else value
    if isinstance(named, str):
        return parse_neuron(named, _BY_NAME)
    cls = _BY_NAME.get(type(value).__name__)
    if cls is not None and type(value).__module__.split(".")[0] == "nengo":
        return _from_nengo(cls, value)
    raise ValueError(f"{value!r} is not a neuron; choose one of {', '.join(_BY_NAME)}")


def _make(cls: type[NeuronModel], **parameters: Any) -> NeuronModel:
    return cls(**parameters)


def _from_nengo(cls: type[NeuronModel], value: object) -> NeuronModel:
    given: dict[str, Any] = {}
    for name in [item.name for item in fields(cls)]:
        source = "base_type" if name == "base" else name
        if hasattr(value, source):
            found = getattr(value, source)
            given[name] = as_neuron(found) if name == "base" else float(found)
    return _make(cls, **given)


def set_model(neuron: pb.NeuronOperation, model: NeuronModel) -> None:
    """Writes `model` into the operation."""
    _write(neuron, model)


def _write(holder: Any, model: NeuronModel) -> None:
    message = getattr(holder, model.wire_field)
    for item in fields(model):
        value = getattr(model, item.name)
        if item.name == "base":
            _write(message.base, value)
        elif item.name == "function":
            message.function = type(message).Function.Value(value.upper())
        elif not (value == item.default and _may_be_absent(message, item.name)):
            setattr(message, item.name, value)
    message.SetInParent()


def get_model(neuron: pb.NeuronOperation) -> NeuronModel:
    """The model of an operation; ValueError where it has none or one out of its ranges."""
    return _read(neuron)


def _read(holder: Any) -> NeuronModel:
    field = holder.WhichOneof("model")
    if field is None:
        raise ValueError("no neuron model is set")
    message, cls = getattr(holder, field), TYPES[field]
    given: dict[str, Any] = {}
    for name in [item.name for item in fields(cls)]:
        if name == "base":
            given[name] = _read(message.base)
        elif name == "function":
            given[name] = _function_name(message)
        elif not _may_be_absent(message, name) or message.HasField(name):
            given[name] = getattr(message, name)
    return _make(cls, **given)


def _function_name(message: Any) -> str:
    known = {value: name.lower() for name, value in type(message).Function.items()}
    return str(known.get(message.function, message.function))


def _may_be_absent(message: Any, name: str) -> bool:
    """Whether a parameter is optional on the wire, where absence stands for the default."""
    return bool(message.DESCRIPTOR.fields_by_name[name].has_presence)


def is_rate(neuron: pb.NeuronOperation) -> bool:
    """Whether the model of an operation is a rate neuron; its parameters may be wrong."""
    return issubclass(TYPES.get(str(neuron.WhichOneof("model")), object), RateModel)
