"""A node of a traced module with its arguments by name, and the registry of operators of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.tensors.writer import GraphWriter, Signal

Operator = Callable[["Call"], Signal | list[Signal]]  # a list for several outputs
OPERATORS: dict[str, Operator] = {}


@dataclass(frozen=True)
class Call:
    """One call of an operator; an argument is a Signal, a tensor of torch, a number, a list or None."""

    operator: str  # as in the schemas of torch, without "aten::"
    name: str
    arguments: Mapping[str, Any]
    writer: GraphWriter

    def get(self, *names: str, default: Any = None) -> Any:
        """The first argument of these names that is there."""
        found = [self.arguments[name] for name in names if name in self.arguments]
        return found[0] if found and found[0] is not None else default

    def signal(self, *names: str) -> Signal:
        """A tensor that depends on the inputs, "self" or "input" where nothing else is told."""
        value = self.get(*(names or ("self", "input")))
        if not isinstance(value, Signal):
            raise UnsupportedError(f"its argument {names or 'input'} is a constant", "give it a signal")
        return value

    def constant(self, name: str) -> Array | None:
        """A tensor of torch as an array, or a number as one of size 1; None where it is left out."""
        value = self.get(name)
        if isinstance(value, Signal):
            raise UnsupportedError(f"its {name} depends on the inputs", "use a parameter or a buffer")
        return None if value is None else as_array(value)

    def needed(self, name: str) -> Array:
        """As `constant`, where it may not be left out."""
        values = self.constant(name)
        if values is None:
            raise UnsupportedError(f"its {name} is missing", "give it one")
        return values

    def ints(self, name: str, count: int, default: int = 0) -> list[int]:
        """Whole numbers, one for each of `count` axes; one number stands for all."""
        value = self.get(name, default=default)
        values = [int(n) for n in value] if isinstance(value, Sequence) else [int(value)]
        values = values * count if len(values) == 1 else values
        if len(values) != count:
            raise UnsupportedError(f"its {name} is {value}", f"give {count} numbers")
        return values


def operator(*names: str) -> Callable[[Operator], Operator]:
    """Registers what to do for operators of torch; those that end with "_" work in place."""

    def register(function: Operator) -> Operator:
        for name in names:
            OPERATORS[name] = function
        return function

    return register


def as_array(value: Any) -> Array:
    """A tensor or a number as an array of floats."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    array = np.asarray(value)
    return array.astype(np.float32) if np.array_equal(array.astype(np.float32), array) else array
