"""Reads Keras' serialised object records: names, modules, shapes, tensors of inbound nodes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from spikeserve.convert.errors import ConversionError

MODEL_CLASSES = ("Sequential", "Functional", "Model")
_MODULES = re.compile(
    r"(keras|tf_keras|keras_core)(\.(src|api|_tf_keras|engine|models|layers|ops)(\..*)?)?"
    r"|tensorflow\.keras(\..*)?|tensorflow\.python\.keras(\..*)?|builtins"
)


@dataclass(frozen=True)
class TensorRef:
    """An output of a call of a layer, as named in a file."""

    layer: str
    call: int
    tensor: int


def expect(value: Any, kind: type | tuple[type, ...], what: str) -> Any:
    """`value` if it has the wanted type, else ConversionError."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise ConversionError(f"the model configuration is damaged: {what} is {value!r:.80}")
    return value


def custom_origin(record: dict[str, Any]) -> str | None:
    """The registered name or module of a class that is not Keras' own, else None."""
    module = record.get("module")
    registered = record.get("registered_name")
    class_name = str(record.get("class_name"))
    if module is not None and not _MODULES.fullmatch(str(module)):
        return f"{module}.{class_name}"
    if isinstance(registered, str) and ">" in registered and not registered.startswith("keras"):
        return registered
    if ">" in class_name:
        return class_name
    return None


def is_operation(record: dict[str, Any]) -> bool:
    """True for a call of keras.ops recorded as a layer (`x + y`)."""
    return ".ops" in str(record.get("module") or "")


def snake_case(class_name: str) -> str:
    """The name Keras gives a layer's weight group: Conv2D -> conv2d, ReLU -> re_lu."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def plain_value(value: Any) -> Any:
    """Unwraps `__numpy__`, `__tensor__` and tuple records to plain lists and numbers."""
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        return expect(value.get("config"), dict, "a constant").get("value")
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return [plain_value(item) for item in value.get("items", [])]
    return value


def input_shape_of(config: dict[str, Any]) -> list[int | None] | None:
    """The shape without batch from batch_shape (Keras 3) or batch_input_shape (Keras 2)."""
    shape = plain_value(config.get("batch_shape") or config.get("batch_input_shape"))
    if shape is None:
        return None
    return list(expect(shape, list, "batch_shape"))[1:]


def tensor_refs(value: Any) -> list[TensorRef]:
    """The leaves [layer, call, tensor] of input_layers/output_layers in order."""
    if isinstance(value, dict):
        return [ref for item in value.values() for ref in tensor_refs(item)]
    items = expect(value, list, "input_layers or output_layers")
    if len(items) == 3 and isinstance(items[0], str):
        return [_ref(items)]
    return [ref for item in items for ref in tensor_refs(item)]


def inbound_calls(record: dict[str, Any], name: str) -> list[list[TensorRef]]:
    """The tensors read by every call of a layer; both the Keras 2 and Keras 3 spelling."""
    calls: list[list[TensorRef]] = []
    for node in expect(record.get("inbound_nodes", []), list, f"inbound_nodes of '{name}'"):
        if isinstance(node, dict):
            calls.append(_keras3_call(node, name))
        else:
            calls.append(_keras2_call(expect(node, list, f"a call of '{name}'"), name))
    return calls


def _ref(items: list[Any]) -> TensorRef:
    if len(items) < 3:
        raise ConversionError(f"the model configuration is damaged: a tensor reference is {items!r:.80}")
    layer = expect(items[0], str, "a tensor's layer")
    return TensorRef(layer, expect(items[1], int, "a call"), expect(items[2], int, "a tensor"))


def _keras2_call(node: list[Any], name: str) -> list[TensorRef]:
    if node and isinstance(node[0], str):
        node = [node]
    refs = []
    for item in node:
        items = expect(item, list, f"an input of '{name}'")
        if len(items) not in (3, 4):
            raise ConversionError(f"'{name}' is called with a constant, which is not supported")
        if len(items) == 4:
            _check_arguments(expect(items[3], dict, "call arguments"), name)
        refs.append(_ref(items))
    return refs


def _keras3_call(node: dict[str, Any], name: str) -> list[TensorRef]:
    keywords = expect(node.get("kwargs", {}), dict, f"call arguments of '{name}'")
    refs: list[TensorRef] = []
    for item in expect(node.get("args", []), list, f"call arguments of '{name}'"):
        refs += _keras_tensors(item, name)
    rest = {}
    for key, item in keywords.items():
        if isinstance(item, (dict, list)) and item:
            refs += _keras_tensors(item, name)
        else:
            rest[key] = item
    _check_arguments(rest, name)
    return refs


def tensor_of(value: Any) -> TensorRef | None:
    """The tensor that one argument of a call is, as Keras 2 or 3 spells it; None for anything else."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        history = expect(value.get("config"), dict, "a tensor").get("keras_history")
        return _ref(expect(history, list, "keras_history"))
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return _ref(value)
    return None


def _keras_tensors(value: Any, name: str) -> list[TensorRef]:
    if isinstance(value, list):
        return [ref for item in value for ref in _keras_tensors(item, name)]
    tensor = tensor_of(value)
    if tensor is not None:
        return [tensor]
    raise ConversionError(
        f"'{name}' is called with a constant argument ({value!r:.60}), which is not supported; "
        "use a layer (Rescaling, Add, ...) instead"
    )


def _check_arguments(arguments: dict[str, Any], name: str) -> None:
    if arguments.get("training"):
        raise ConversionError(
            f"'{name}' is called with training=True; build the model without it for inference"
        )
    for key, value in arguments.items():
        if key != "training" and value is not None:
            raise ConversionError(
                f"'{name}' is called with {key}={value!r:.60}, which is not supported; "
                "call it with tensors alone"
            )
