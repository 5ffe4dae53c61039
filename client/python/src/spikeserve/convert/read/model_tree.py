"""Parses a model configuration into a tree of layers and nested models, without weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.constants import constant_operation
from spikeserve.convert.read.graph import Layer
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.records import (
    MODEL_CLASSES,
    TensorRef,
    custom_origin,
    expect,
    inbound_calls,
    input_shape_of,
    is_operation,
    plain_value,
    tensor_refs,
)

_DEPTH = 16


@dataclass(eq=False)
class Entry:
    """A member of a model: a layer or a nested model, and the tensors its calls read."""

    name: str
    item: Layer | ModelTree
    calls: list[list[TensorRef]] = field(default_factory=list)
    operation: bool = False  # a keras.ops call: owns no weights and is not counted as a layer


@dataclass(eq=False)
class ModelTree:
    """A Sequential or Functional model. Entries are in file order."""

    name: str
    class_name: str
    entries: list[Entry]
    inputs: list[TensorRef]
    outputs: list[TensorRef]

    def entry(self, name: str) -> Entry | None:
        """The member of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)


class TreeParser:
    """Turns configuration records into ModelTree objects; one per model file."""

    def __init__(self, keras_major: int, limits: Limits) -> None:
        self._major = keras_major
        self._limits = limits
        self._shared: dict[int, Layer | ModelTree] = {}
        self._count = 0

    def parse(self, record: dict[str, Any], prefix: str = "", depth: int = 0) -> ModelTree:
        """The tree of a model record; ConversionError where it is not a known kind of model."""
        class_name = str(record.get("class_name"))
        custom = custom_origin(record)
        if class_name not in MODEL_CLASSES or custom:
            raise ConversionError(
                f"the model class {custom or class_name} is not Sequential or Functional; build "
                "the network with keras.Sequential or the functional API and save it again"
            )
        if depth > _DEPTH:
            raise ConversionError(f"models are nested deeper than {_DEPTH} levels")
        config = record.get("config")
        if class_name == "Sequential":
            return self._sequential(config, prefix, depth)
        return self._functional(expect(config, dict, "the model"), prefix, depth)

    def _sequential(self, config: Any, prefix: str, depth: int) -> ModelTree:
        if isinstance(config, list):  # Keras 1 and early Keras 2
            config = {"name": "sequential", "layers": config}
        config = expect(config, dict, "the model")
        entries: list[Entry] = []
        for record in expect(config.get("layers"), list, "the list of layers"):
            entry = self._entry(record, prefix, depth)
            previous = [TensorRef(entries[-1].name, 0, 0)] if entries else []
            entry.calls = [previous] if previous else []
            entries.append(entry)
        if not entries:
            raise ConversionError("the model has no layers")
        _add_input(entries, plain_value(config.get("build_input_shape")))
        name = str(config.get("name", "sequential"))
        ends = [TensorRef(entries[0].name, 0, 0)], [TensorRef(entries[-1].name, 0, 0)]
        _check_names(entries)
        return ModelTree(name, "Sequential", entries, *ends)

    def _functional(self, config: dict[str, Any], prefix: str, depth: int) -> ModelTree:
        entries = []
        for record in expect(config.get("layers"), list, "the list of layers"):
            entries.append(self._called(record, prefix, depth))
        _check_names(entries)
        inputs = tensor_refs(config.get("input_layers"))
        outputs = tensor_refs(config.get("output_layers"))
        if not inputs or not outputs:
            raise ConversionError("the model has no input or no output")
        return ModelTree(str(config.get("name", "model")), "Functional", entries, inputs, outputs)

    def _called(self, record: Any, prefix: str, depth: int) -> Entry:
        """A layer of a functional model with its calls."""
        entry = self._entry(record, prefix, depth)
        name = entry.item.name if isinstance(entry.item, Layer) else ""
        rescaling = constant_operation(record, name, self._major)
        if rescaling is None:
            entry.calls = inbound_calls(record, entry.name)
        else:
            entry.item, source = rescaling
            entry.calls = [[source]]
        return entry

    def _entry(self, record: Any, prefix: str, depth: int) -> Entry:
        record = expect(record, dict, "a layer")
        class_name = expect(record.get("class_name"), str, "class_name")
        config = record.get("config")
        inner = config if isinstance(config, dict) else {}
        name = str(record.get("name") or inner.get("name") or class_name.lower())
        self._count += 1
        if self._count > self._limits.layers:
            raise ConversionError(f"the model has more than {self._limits.layers} layers")
        ident = record.get("shared_object_id")
        shared = self._shared.get(ident) if isinstance(ident, int) else None
        if shared is not None:
            return Entry(name, shared, operation=is_operation(record))
        item: Layer | ModelTree
        if class_name in MODEL_CLASSES and custom_origin(record) is None:
            item = self.parse(record, f"{prefix}{name}/", depth + 1)
            item.name = f"{prefix}{name}"
        else:
            custom = custom_origin(record)
            item = Layer(f"{prefix}{name}", class_name, inner, keras_major=self._major, custom=custom)
        if isinstance(ident, int):
            self._shared[ident] = item
        return Entry(name, item, operation=is_operation(record))


def _add_input(entries: list[Entry], build_shape: Any) -> None:
    """Puts an InputLayer in front of a Sequential that has none."""
    first = entries[0].item
    if isinstance(first, Layer) and first.class_name == "InputLayer":
        return
    shape = input_shape_of(first.config) if isinstance(first, Layer) else None
    if shape is None and isinstance(build_shape, list):
        shape = build_shape[1:]
    taken = {entry.name for entry in entries}
    name = next(n for n in ("input", "input_layer", "sequential_input") if n not in taken)
    layer = Layer(name, "InputLayer", {"batch_shape": None if shape is None else [None, *shape]})
    entries[0].calls = [[TensorRef(name, 0, 0)]]
    entries.insert(0, Entry(name, layer))


def _check_names(entries: list[Entry]) -> None:
    names: set[str] = set()
    for entry in entries:
        if entry.name in names:
            raise ConversionError(f"two layers of one model are called '{entry.name}'")
        names.add(entry.name)
