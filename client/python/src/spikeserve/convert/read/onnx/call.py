"""A node of an ONNX graph with the values that it reads, and the registry of operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.read.onnx.constants import Constants
from spikeserve.convert.read.onnx.schema import Attribute, Node
from spikeserve.convert.read.tensors.writer import GraphWriter, Signal

Value = Signal | Array
Operator = Callable[["Call"], Value | list[Signal]]  # a list for several outputs
_LONGEST = 64  # of lists of axes and sizes
OPERATORS: dict[str, Operator] = {}


@dataclass(frozen=True)
class Call:
    """One node; inputs that are left out are None."""

    node: Node
    name: str
    inputs: Sequence[Value | None]
    writer: GraphWriter
    constants: Constants
    opset: int

    def has(self, index: int) -> bool:
        """Whether there is an input of this number."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """An input, constant or not."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None:
            raise UnsupportedError(f"its input {index} is missing", "the file is damaged; export it again")
        return value

    def signal(self, index: int = 0) -> Signal:
        """An input that depends on the model's inputs."""
        value = self.value(index)
        if not isinstance(value, Signal):
            raise UnsupportedError(
                f"its input {index} is a constant", "export the model with constants folded"
            )
        return value

    def constant(self, index: int, what: str) -> Array:
        """An input that is a constant; `what` says in a message what it is for."""
        value = self.value(index)
        if isinstance(value, Signal):
            raise UnsupportedError(f"its {what} depend on the inputs", "export the model with fixed ones")
        return value

    def optional(self, index: int, what: str) -> Array | None:
        """An input that is a constant, or None where it is left out."""
        return self.constant(index, what) if self.has(index) else None

    def whole(self, index: int, what: str) -> list[int]:
        """A constant list of whole numbers."""
        values = self.constant(index, what)
        if values.dtype.kind not in "iu" or values.ndim > 1 or values.size > _LONGEST:
            raise UnsupportedError(f"its {what} are no list of whole numbers", "export the model again")
        return [int(value) for value in values.reshape(-1)]

    def attribute(self, name: str) -> Attribute | None:
        """A setting, or None where it has its default."""
        return next((item for item in self.node.attribute if item.name == name), None)

    def integer(self, name: str, default: int) -> int:
        """A whole number."""
        found = self.attribute(name)
        return default if found is None else found.i

    def number(self, name: str, default: float) -> float:
        """A number."""
        found = self.attribute(name)
        if found is not None and not math.isfinite(found.f):
            raise UnsupportedError(f"its {name} is {found.f}", "the file is damaged; export it again")
        return default if found is None else found.f

    def word(self, name: str, default: str) -> str:
        """A word."""
        found = self.attribute(name)
        return default if found is None or found.s is None else bytes(found.s).decode("utf-8", "replace")

    def integers(self, name: str, default: Sequence[int]) -> list[int]:
        """Whole numbers."""
        found = self.attribute(name)
        return list(default if found is None else found.ints)

    def axes(self, index: int, rank: int) -> list[int] | None:
        """Axes from 0, of a setting or, in later operator sets, of an input; None where they are left out."""
        given = self.integers("axes", []) if self.attribute("axes") else None
        if given is None and self.has(index):
            given = self.whole(index, "axes")
        if given is None:
            return None
        if any(not -rank <= axis < rank for axis in given) or len({axis % rank for axis in given}) != len(
            given
        ):
            raise UnsupportedError(f"its axes are {given} for a tensor of {rank} axes", "check the model")
        return [axis % rank for axis in given]


def operator(*names: str) -> Callable[[Operator], Operator]:
    """Registers what to do for operators of ONNX."""

    def register(function: Operator) -> Operator:
        for name in names:
            OPERATORS[name] = function
        return function

    return register


def as_float(values: Array) -> Array:
    """A constant as float64."""
    return np.asarray(values, np.float64)
