"""Neurons as text: "LIF", "RegularSpiking(Tanh)", "MemoryRectifiedLinear(max_value=6)"."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from spikeserve._keywords import check
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.wrappers import Wrapper


def parse_neuron(text: str, types: Mapping[str, type[NeuronModel]]) -> NeuronModel:
    """The neuron that a name stands for, with its parameters in parentheses or without.

    `types`: by name. Parameters are numbers by name, a base is a neuron. ValueError for anything else.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(text, types) from None
    return _neuron(tree, text, types)


def has_parameters(text: str) -> bool:
    """Whether such a text sets parameters, beside a base."""
    return "=" in text


def _neuron(tree: ast.expr, text: str, types: Mapping[str, type[NeuronModel]]) -> NeuronModel:
    call = tree if isinstance(tree, ast.Call) else None
    name = tree if call is None else call.func
    cls = types.get(name.id) if isinstance(name, ast.Name) else None
    if cls is None:
        raise _unreadable(text, types)
    given: dict[str, Any] = {}
    wraps = issubclass(cls, Wrapper)
    if call is not None:
        if len(call.args) > int(wraps) or any(word.arg is None for word in call.keywords):
            raise ValueError(f"{text!r}: the parameters of {cls.__name__} are given by name, {_example(cls)}")
        words = [("base", base) for base in call.args]
        words += [(str(word.arg), word.value) for word in call.keywords]
        for key, value in words:
            given[key] = _neuron(value, text, types) if key == "base" else _value(key, value, text)
    if wraps and "base" not in given:
        raise ValueError(f"{cls.__name__} wants a base, e.g. {cls.__name__}(Tanh())")
    try:
        check(cls.__name__, given, [item.name for item in fields(cls)])
    except TypeError as error:
        raise ValueError(f"{text!r}: {error}") from error
    missing = [item.name for item in fields(cls) if item.default is MISSING and item.name not in given]
    if missing:
        raise ValueError(f"{cls.__name__} wants its {missing[0]}, e.g. {cls.__name__}({missing[0]}='tanh')")
    return cls(**given)


def _value(key: str, value: ast.expr, text: str) -> float | str:
    """A number, or the name of a function."""
    if key == "function" and isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    return _number(key, value, text)


def _number(key: str, value: ast.expr, text: str) -> float:
    try:
        number = ast.literal_eval(value)
    except (ValueError, TypeError):
        number = None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{text!r}: {key} is {ast.unparse(value)}, wanted a number")
    return float(number)


def _example(cls: type[NeuronModel]) -> str:
    names = [item.name for item in fields(cls) if item.name != "base"]
    return f"such as {names[0]}=1" if names else "and it has none"


def _unreadable(text: str, types: Mapping[str, type[NeuronModel]]) -> ValueError:
    return ValueError(f"{text!r} is not a neuron; choose one of {', '.join(types)}")
