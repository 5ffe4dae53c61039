"""Reader for live modules of torch, by what torch.export traces of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import spikeserve.convert.read.torch.elementwise
import spikeserve.convert.read.torch.linear
import spikeserve.convert.read.torch.moves  # noqa: F401  (all three register their operators)
from spikeserve.convert.errors import ConversionError, UnsupportedError, reading_configuration
from spikeserve.convert.read.graph import Graph, InputShape, SourceModel
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.tensors.writer import GraphWriter, Signal
from spikeserve.convert.read.torch.call import OPERATORS, Call

_BATCH = 2  # of the traced samples: with one of them torch leaves axes out
_ADVICE = "write forward with plain operations of torch, or export the model to ONNX and convert that"


def is_torch_module(model: object) -> bool:
    """True for an object of a class that comes from torch.nn.Module; torch is not imported to tell."""
    return any(
        cls.__name__ == "Module" and cls.__module__ == "torch.nn.modules.module"
        for cls in type(model).__mro__
    )


def read_torch_module(module: Any, limits: Limits, input_shape: InputShape) -> SourceModel:
    """The graph and weights of a module, traced for samples of `input_shape`, without the batch.

    For several inputs a dict by the names of forward's arguments. The module is traced in evaluation mode and
    left as it was. Raises ConversionError for what torch.export cannot trace.
    """
    shapes = _shapes(module, input_shape)
    total = sum(values.numel() for values in module.state_dict().values())
    if total > limits.parameters:
        raise ConversionError(f"the module has {total} parameters, the limit is {limits.parameters}")
    with _evaluating(module):
        program = _trace(module, shapes)
        graph = _Translation(program, shapes, limits).run()
    return SourceModel(graph, type(module).__name__, "live torch module")


def _shapes(module: Any, given: InputShape) -> dict[str, tuple[int, ...]]:
    """The shape of every input by the name of its argument."""
    name = type(module).__name__
    if given is None:
        raise ConversionError(
            f"{name}: a torch module does not know its input; give input_shape=(...), without the batch"
        )
    arguments = list(inspect.signature(module.forward).parameters)
    shapes = dict(given) if isinstance(given, Mapping) else dict.fromkeys(arguments[:1], given)
    unknown = [argument for argument in shapes if argument not in arguments]
    if unknown or not shapes:
        raise ConversionError(f"{name}: input_shape is for {unknown}, forward takes {arguments}")
    found = {
        argument: tuple(int(n) for n in shapes[argument]) for argument in arguments if argument in shapes
    }
    for argument, shape in found.items():
        if not shape or any(n < 1 for n in shape):
            raise ConversionError(f"{name}: the input_shape of '{argument}' is {shape}, wanted sizes from 1")
    return found


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """A module in evaluation mode, every part of it back in its own mode afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _trace(module: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """The exported program: operators without side effects, all shapes fixed."""
    import torch

    if not hasattr(torch, "export") or not hasattr(torch.export, "export"):
        raise ConversionError(f"torch {torch.__version__} has no torch.export; install torch 2.5 or newer")
    like = next((values for values in module.parameters() if values.is_floating_point()), None)
    device, kind = (like.device, like.dtype) if like is not None else (None, torch.float32)
    samples = {
        name: torch.zeros((_BATCH, *shape), device=device, dtype=kind) for name, shape in shapes.items()
    }
    try:
        with torch.no_grad():
            return torch.export.export(module, (), samples).run_decompositions({})
    except Exception as error:  # whatever the module's own code raises
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise ConversionError(
            f"{type(module).__name__}: torch.export cannot trace it for {dict(shapes)}: {lines[0][:300]}; "
            f"{_ADVICE}"
        ) from error


class _Translation:
    """One walk over the nodes of an exported program."""

    def __init__(self, program: Any, shapes: Mapping[str, tuple[int, ...]], limits: Limits) -> None:
        self._program = program
        self._shapes = shapes
        self._writer = GraphWriter(_BATCH, limits)
        self._values: dict[str, Any] = {}  # Signals, tensors of torch, or _LOST
        self._names: set[str] = set()

    def run(self) -> Graph:
        inputs = iter(self._shapes.items())
        outputs: Sequence[Any] = ()
        constants = _constants(self._program)
        for node in self._program.graph.nodes:
            if node.op == "placeholder" and node.name in constants:
                self._values[node.name] = constants[node.name]
            elif node.op == "placeholder":
                self._values[node.name] = self._writer.input(*next(inputs))
            elif node.op == "output":
                outputs = node.args[0]
            else:
                self._values[node.name] = self._visit(node)
        return self._writer.finish(self._outputs(outputs))

    def _outputs(self, outputs: Sequence[Any]) -> dict[str, Signal | None]:
        found: dict[str, Signal | None] = {}
        for node in outputs:
            value = self._values.get(getattr(node, "name", ""))
            if not isinstance(value, Signal | _Lost):
                raise ConversionError("an output of the module does not depend on its inputs")
            found[node.name] = value if isinstance(value, Signal) else None
        if not found:
            raise ConversionError("the module has no output")
        return found

    def _visit(self, node: Any) -> Any:
        arguments = _by_name(node)
        values = {key: self._resolved(value) for key, value in arguments.items()}
        flat = [item for value in values.values() for item in (value if isinstance(value, list) else [value])]
        signals = [item for item in flat if isinstance(item, Signal)]
        lost = any(isinstance(item, _Lost) for item in flat)
        if not signals and not lost:
            return node.target(
                *self._resolved(list(node.args)), **{k: self._resolved(v) for k, v in node.kwargs.items()}
            )
        kind = _kind(node)
        if not node.users and kind.startswith(("_assert", "sym_constrain")):
            return None
        call = Call(kind, _name(node), values, self._writer)
        try:
            if kind == "getitem" and isinstance(values["0"], list):
                return values["0"][node.args[1]]
            if kind == "getitem" and node.args[1] == 0:  # of further outputs that are not computed
                return values["0"]
            if kind not in OPERATORS:
                raise UnsupportedError("this operator is not supported", "replace it by supported ones")
            if lost:
                return _Lost()
            with reading_configuration():
                return self._checked(node, OPERATORS[kind](call))
        except UnsupportedError as error:
            self._writer.refuse(call.name, f"torch {kind}", (error.reason, error.advice), signals)
            return _Lost()

    def _checked(self, node: Any, value: Signal | list[Signal]) -> Signal | list[Signal]:
        """The shapes that were computed have to be those that torch has traced."""
        result = node.meta["val"]
        traced = [tuple(item.shape) for item in (result if isinstance(result, (list, tuple)) else [result])]
        values = value if isinstance(value, list) else [value]
        for found, shape in zip(values, traced, strict=False):
            if found.shape != shape:
                raise UnsupportedError(
                    f"its output has the shape {shape}, not {found.shape}", "please report this model"
                )
        return value

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._resolved(item) for item in value]
        name = getattr(value, "name", None)
        return self._values[name] if isinstance(name, str) and hasattr(value, "users") else value


class _Lost:
    """The value of what is refused, or behind it."""


def _constants(program: Any) -> dict[str, Any]:
    """Parameters, buffers and lifted constants by the placeholder that stands for them."""
    signature, state = program.graph_signature, {**program.state_dict, **program.constants}
    tables = (
        signature.inputs_to_parameters,
        signature.inputs_to_buffers,
        signature.inputs_to_lifted_tensor_constants,
    )
    return {placeholder: state[name] for table in tables for placeholder, name in table.items()}


def _kind(node: Any) -> str:
    """The operator's name, without the overload and the mark of those that work in place."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return str(getattr(node.target, "__name__", node.target))
    name = str(schema.name)
    return name.removeprefix("aten::")


def _by_name(node: Any) -> dict[str, Any]:
    """All arguments by their names in the operator's schema, with the defaults of those that are left out."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {str(index): value for index, value in enumerate(node.args)} | dict(node.kwargs)
    given = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False)) | dict(
        node.kwargs
    )
    defaults = {item.name: item.default_value for item in schema.arguments if item.has_default_value()}
    return defaults | given


def _name(node: Any) -> str:
    """The path of a module of torch.nn, or that of its own module with the name of the node."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    if path and kind.startswith("torch.nn."):
        return str(path)
    return f"{path}.{node.name}" if path else str(node.name)
