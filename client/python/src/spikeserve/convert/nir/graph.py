"""The nodes of a NIR file and which fields each kind has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spikeserve.convert.arrays import Array

Edge = tuple[str, str]
GRAPH = "NIRGraph"

# Of each kind the numbers that it must have and those that it may have.
FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Input": (("shape",), ()),
    "Output": (("shape",), ()),
    "Affine": (("weight",), ("bias",)),
    "Linear": (("weight",), ()),
    "Scale": (("scale",), ()),
    "Conv1d": (("weight", "stride", "padding", "dilation", "groups"), ("bias", "input_shape")),
    "Conv2d": (("weight", "stride", "padding", "dilation", "groups"), ("bias", "input_shape")),
    "SumPool2d": (("kernel_size", "stride", "padding"), ()),
    "AvgPool2d": (("kernel_size", "stride", "padding"), ()),
    "Flatten": (("start_dim", "end_dim"), ("input_type",)),
    "Delay": (("delay",), ()),
    "Threshold": (("threshold",), ()),
    "I": (("r",), ()),
    "LI": (("tau", "r", "v_leak"), ()),
    "IF": (("r", "v_threshold"), ("v_reset",)),
    "LIF": (("tau", "r", "v_leak", "v_threshold"), ("v_reset",)),
    "CubaLI": (("tau_syn", "tau_mem", "r", "v_leak"), ("w_in",)),
    "CubaLIF": (("tau_syn", "tau_mem", "r", "v_leak", "v_threshold"), ("v_reset", "w_in")),
}


@dataclass(eq=False)
class NirNode:
    """One node as it is in the file."""

    name: str  # path of names, graphs within graphs joined by "/"
    kind: str
    values: dict[str, Array] = field(default_factory=dict)
    padding: str = ""  # of a convolution that gives it as a word


@dataclass(eq=False)
class NirGraph:
    """A graph, which may be a node of another one."""

    name: str
    nodes: dict[str, NirNode | NirGraph] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)


@dataclass
class FlatGraph:
    """The nodes of a file without graphs in between, each after those it reads."""

    nodes: list[NirNode]
    sources: dict[str, list[str]]  # by node, what it reads: the sum of all
    inputs: list[str]
    outputs: list[str]
    warnings: list[str] = field(default_factory=list)
