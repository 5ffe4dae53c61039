"""The part of the ONNX format that is read: messages with the numbers of their fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from spikeserve.convert.read.onnx.wire import Field, Kind


@dataclass
class Entry:
    """A key and a value: where external data lie."""

    key: str = ""
    value: str = ""
    FIELDS: ClassVar[dict[int, Field]] = {1: Field("key", Kind.TEXT), 2: Field("value", Kind.TEXT)}


@dataclass
class Tensor:
    """Constant values, in one of several forms."""

    dims: list[int] = field(default_factory=list)
    data_type: int = 0
    name: str = ""
    raw_data: memoryview | None = None
    float_data: list[memoryview] = field(default_factory=list)
    int32_data: list[memoryview] = field(default_factory=list)
    int64_data: list[memoryview] = field(default_factory=list)
    double_data: list[memoryview] = field(default_factory=list)
    uint64_data: list[memoryview] = field(default_factory=list)
    external_data: list[Entry] = field(default_factory=list)
    data_location: int = 0  # 1: external
    FIELDS: ClassVar[dict[int, Field]] = {
        1: Field("dims", Kind.INT, True),
        2: Field("data_type", Kind.INT),
        4: Field("float_data", Kind.PACKED),
        5: Field("int32_data", Kind.PACKED),
        7: Field("int64_data", Kind.PACKED),
        8: Field("name", Kind.TEXT),
        9: Field("raw_data", Kind.BYTES),
        10: Field("double_data", Kind.PACKED),
        11: Field("uint64_data", Kind.PACKED),
        13: Field("external_data", Entry, True),
        14: Field("data_location", Kind.INT),
    }


@dataclass
class Subgraph:
    """A body of a loop or a branch, of which nothing is kept but that it is there."""

    FIELDS: ClassVar[dict[int, Field]] = {}


@dataclass
class Attribute:
    """A setting of a node."""

    name: str = ""
    type: int = 0
    f: float = 0.0
    i: int = 0
    s: memoryview | None = None
    t: Tensor | None = None
    g: Subgraph | None = None
    floats: list[float] = field(default_factory=list)
    ints: list[int] = field(default_factory=list)
    strings: list[memoryview] = field(default_factory=list)
    FIELDS: ClassVar[dict[int, Field]] = {
        1: Field("name", Kind.TEXT),
        2: Field("f", Kind.FLOAT),
        3: Field("i", Kind.INT),
        4: Field("s", Kind.BYTES),
        5: Field("t", Tensor),
        6: Field("g", Subgraph),
        7: Field("floats", Kind.FLOAT, True),
        8: Field("ints", Kind.INT, True),
        9: Field("strings", Kind.BYTES, True),
        20: Field("type", Kind.INT),
    }


@dataclass
class Node:
    """A call of an operator."""

    input: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    name: str = ""
    op_type: str = ""
    domain: str = ""
    attribute: list[Attribute] = field(default_factory=list)
    FIELDS: ClassVar[dict[int, Field]] = {
        1: Field("input", Kind.TEXT, True),
        2: Field("output", Kind.TEXT, True),
        3: Field("name", Kind.TEXT),
        4: Field("op_type", Kind.TEXT),
        5: Field("attribute", Attribute, True),
        7: Field("domain", Kind.TEXT),
    }


@dataclass
class Dimension:
    """A size, or a name for one that is open."""

    dim_value: int = 0
    dim_param: str = ""
    FIELDS: ClassVar[dict[int, Field]] = {
        1: Field("dim_value", Kind.INT),
        2: Field("dim_param", Kind.TEXT),
    }


@dataclass
class Shape:
    """The sizes of a tensor, the batch among them."""

    dim: list[Dimension] = field(default_factory=list)
    FIELDS: ClassVar[dict[int, Field]] = {1: Field("dim", Dimension, True)}


@dataclass
class TensorType:
    """Type and shape of a tensor; no shape where the model leaves even the rank open."""

    elem_type: int = 0
    shape: Shape | None = None
    FIELDS: ClassVar[dict[int, Field]] = {1: Field("elem_type", Kind.INT), 2: Field("shape", Shape)}


@dataclass
class Type:
    """The type of an input; anything but a tensor leaves it empty."""

    tensor_type: TensorType | None = None
    FIELDS: ClassVar[dict[int, Field]] = {1: Field("tensor_type", TensorType)}


@dataclass
class ValueInfo:
    """An input or output of the graph."""

    name: str = ""
    type: Type | None = None
    FIELDS: ClassVar[dict[int, Field]] = {1: Field("name", Kind.TEXT), 2: Field("type", Type)}


@dataclass
class Sparse:
    """A sparse constant, of which nothing is kept but that it is there."""

    FIELDS: ClassVar[dict[int, Field]] = {}


@dataclass
class Graph:
    """Nodes in the order in which they can be computed."""

    node: list[Node] = field(default_factory=list)
    initializer: list[Tensor] = field(default_factory=list)
    input: list[ValueInfo] = field(default_factory=list)
    output: list[ValueInfo] = field(default_factory=list)
    sparse_initializer: list[Sparse] = field(default_factory=list)
    FIELDS: ClassVar[dict[int, Field]] = {
        1: Field("node", Node, True),
        5: Field("initializer", Tensor, True),
        11: Field("input", ValueInfo, True),
        12: Field("output", ValueInfo, True),
        15: Field("sparse_initializer", Sparse, True),
    }


@dataclass
class OperatorSet:
    """The version of the operators of a domain."""

    domain: str = ""
    version: int = 0
    FIELDS: ClassVar[dict[int, Field]] = {1: Field("domain", Kind.TEXT), 2: Field("version", Kind.INT)}


@dataclass
class Model:
    """What a file holds."""

    ir_version: int = 0
    producer_name: str = ""
    graph: Graph | None = None
    opset_import: list[OperatorSet] = field(default_factory=list)
    FIELDS: ClassVar[dict[int, Field]] = {
        1: Field("ir_version", Kind.INT),
        2: Field("producer_name", Kind.TEXT),
        7: Field("graph", Graph),
        8: Field("opset_import", OperatorSet, True),
    }
