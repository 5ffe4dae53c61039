"""From the nodes of an ONNX graph to layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import spikeserve.convert.read.onnx.elementwise
import spikeserve.convert.read.onnx.linear
import spikeserve.convert.read.onnx.moves  # noqa: F401  (all three register their operators)
from spikeserve.convert.errors import ConversionError, UnsupportedError, reading_configuration
from spikeserve.convert.read.graph import Graph as Layers
from spikeserve.convert.read.graph import InputShape
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.onnx.call import OPERATORS, Call, Value
from spikeserve.convert.read.onnx.constants import Constants
from spikeserve.convert.read.onnx.folding import FOLDED, fold
from spikeserve.convert.read.onnx.inputs import read_inputs
from spikeserve.convert.read.onnx.schema import Graph, Node
from spikeserve.convert.read.tensors.writer import GraphWriter, Signal

_DOMAINS = ("", "ai.onnx")
_NO_FLOW = ("chooses at run time what is computed", "export the model without branches and loops")
_NO_STATE = ("recurrent layers are not supported", "use a feed-forward network")
_NO_LABEL = ("gives numbers of classes instead of values", "end the model in front of it")
_ADVICE = {
    "If": _NO_FLOW,
    "Loop": _NO_FLOW,
    "Scan": _NO_FLOW,
    "LSTM": _NO_STATE,
    "GRU": _NO_STATE,
    "RNN": _NO_STATE,
    "ArgMax": _NO_LABEL,
    "TopK": _NO_LABEL,
    "InstanceNormalization": ("normalizes by its own input", "train with batch normalization instead"),
    "GroupNormalization": ("normalizes by its own input", "train with batch normalization instead"),
}


class Translation:
    """One walk over the nodes of a graph, which stand in the order of their computation."""

    def __init__(self, graph: Graph, opset: int, constants: Constants, limits: Limits, label: str) -> None:
        self._graph = graph
        self._opset = opset
        self._constants = constants
        self._limits = limits
        self._label = label
        self._values: dict[str, Value] = {}
        self._lost: set[str] = set()  # behind something that is refused
        self._extra: set[str] = set()  # further outputs of a node, which are not computed

    def run(self, input_shape: InputShape) -> Layers:
        """The layers; ConversionError for a graph that is damaged as a whole."""
        for tensor in self._graph.initializer:
            self._values[tensor.name] = self._constants.array(tensor)
        inputs = [item for item in self._graph.input if item.name not in self._values]
        if not inputs:
            raise ConversionError(f"{self._label}: the model has no input")
        writer, signals = read_inputs(inputs, input_shape, self._limits, self._label)
        self._values |= signals
        for index, node in enumerate(self._graph.node):
            self._visit(node, index, writer)
        return writer.finish({item.name: self._output(item.name) for item in self._graph.output})

    def _output(self, name: str) -> Signal | None:
        if name in self._lost:
            return None
        value = self._values.get(name)
        if not isinstance(value, Signal):
            raise ConversionError(f"{self._label}: the output '{name}' does not depend on the inputs")
        return value

    def _visit(self, node: Node, index: int, writer: GraphWriter) -> None:
        name = node.name or next((item for item in node.output if item), f"{node.op_type}_{index}")
        missing = [item for item in node.input if item and not self._knows(item)]
        taken = [item for item in node.output if item and self._knows(item)]
        if missing or taken or not any(node.output):
            raise ConversionError(
                f"{self._label}: a damaged ONNX graph: '{name}' ({node.op_type}) reads {missing[:3]}, which "
                f"nothing gives before, or writes {taken[:3]} again"
            )
        inputs = [self._values.get(item) if item else None for item in node.input]
        call = Call(node, name, inputs, writer, self._constants, self._opset)
        results: Sequence[Value] = ()
        try:
            results = self._evaluate(call)
        except UnsupportedError as error:
            signals = [item for item in inputs if isinstance(item, Signal)]
            writer.refuse(name, f"ONNX {node.op_type}", (error.reason, error.advice), signals)
        self._values.update((item, value) for item, value in zip(node.output, results, strict=False) if item)
        rest = (item for item in node.output[len(results) :] if item)
        (self._extra if results else self._lost).update(rest)

    def _knows(self, name: str) -> bool:
        return name in self._values or name in self._lost or name in self._extra

    def _evaluate(self, call: Call) -> Sequence[Value]:
        """The outputs that are known, from the first on; none where an input is lost."""
        node = call.node
        if node.domain not in _DOMAINS:
            raise UnsupportedError(
                f"it is of the domain '{node.domain}', not an operator of ONNX itself",
                "export the model with operators of ONNX, not optimized for one runtime",
            )
        kind = node.op_type
        if kind not in OPERATORS and kind not in FOLDED and kind != "Shape":
            raise UnsupportedError(
                *_ADVICE.get(kind, ("this operator is not supported", "replace it by supported ones"))
            )
        if any(item in self._extra for item in node.input):
            raise UnsupportedError("it reads a second output of a node", "use the first outputs alone")
        if any(item in self._lost for item in node.input):
            return ()
        with reading_configuration():
            if kind == "Shape" and call.has(0):
                return [_shape(call)]
            if not any(isinstance(value, Signal) for value in call.inputs) and kind in FOLDED:
                return [self._constants.computed(fold(call))]
            if kind not in OPERATORS:
                raise UnsupportedError(
                    "it is computed for constants alone", "replace it by supported operators"
                )
            result = OPERATORS[kind](call)
        return result if isinstance(result, list) else [result]


def _shape(call: Call) -> np.ndarray:
    """The sizes of a tensor, the batch among them."""
    shape: Sequence[int] = call.value(0).shape
    start, end = call.integer("start", 0), call.integer("end", len(shape))
    return np.asarray(list(shape)[start:end], np.int64)
