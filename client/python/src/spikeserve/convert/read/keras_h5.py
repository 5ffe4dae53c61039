"""Reader for whole-model `.h5` files of Keras 1 to 3, and for model.json + weights.h5."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.graph import Layer, SourceModel
from spikeserve.convert.read.inline import inline
from spikeserve.convert.read.keras1 import in_layout_of_keras2, in_words_of_keras2, unflipped
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.loss import Loss, stored_loss
from spikeserve.convert.read.model_tree import ModelTree, TreeParser
from spikeserve.convert.read.records import expect
from spikeserve.convert.read.safe_hdf5 import SafeFile
from spikeserve.convert.read.safe_json import parse_json

_ORDER = (
    "depthwise_kernel", "pointwise_kernel", "kernel", "bias", "gamma", "beta", "moving_mean",
    "moving_variance", "mean", "variance", "count", "alpha",
)  # fmt: skip


def read_keras_h5(path: Path, limits: Limits, json_path: Path | None = None) -> SourceModel:
    """The model in an `.h5` file; with `json_path` the configuration comes from that file."""
    with SafeFile(path, str(path), limits) as file:
        version = str(_first(file, "keras_version") or "2")
        major = 3 if version.startswith("3") else 2
        text = file.attribute("", "model_config") if json_path is None else _json_text(json_path, limits)
        if not isinstance(text, (str, bytes)):
            raise ConversionError(
                f"{path}: holds weights only; give the configuration as well: "
                "convert(('model.json', 'weights.h5')), or save the whole model"
            )
        what = f"{json_path or path}: model configuration"
        config = expect(parse_json(text, what, limits), dict, what)
        tree = TreeParser(major, limits).parse(config if major == 3 else in_words_of_keras2(config))
        _assign(tree, file)
        _correct_kernels(tree, str(_first(file, "backend") or ""))
        training = file.attribute("", "training_config")
    loss = Loss()
    if isinstance(training, (str, bytes)):
        loss = stored_loss(parse_json(training, f"{path}: training configuration", limits))
    kind = "keras .h5" if json_path is None else "keras .json + .h5"
    return SourceModel(inline(tree, limits), str(path), f"{kind} (Keras {version})", loss=loss)


def _correct_kernels(tree: ModelTree, backend: str) -> None:
    """Brings kernels to the layout of Keras 2, and to what a correlation takes."""
    for layer in dict.fromkeys(_leaves(tree)):  # a shared layer once
        in_layout_of_keras2(layer, backend)
        if backend == "theano":
            unflipped(layer)


def _json_text(path: Path, limits: Limits) -> bytes:
    size = path.stat().st_size
    if size > limits.config_bytes:
        raise ConversionError(f"{path}: {size} bytes, the limit is {limits.config_bytes}")
    return path.read_bytes()


def _root(file: SafeFile) -> str:
    return "model_weights" if file.find("model_weights") is not None else ""


def _first(file: SafeFile, name: str) -> object:
    return file.attribute("", name) or file.attribute(_root(file), name)


def _assign(tree: ModelTree, file: SafeFile) -> None:
    """Gives every layer the weights that the file lists under its name."""
    root = _root(file)
    if file.names(f"{root}/top_level_model_weights", "weight_names"):
        raise ConversionError(f"{file.label}: weights that belong to no layer; use standard layers")
    for group in file.names(root, "layer_names"):
        base = f"{root}/{group}"
        names = file.names(base, "weight_names")
        if not names:
            continue
        entry = tree.entry(group)
        if entry is None:
            raise ConversionError(f"{file.label}: weights for '{group}', which is not in the model")
        if isinstance(entry.item, ModelTree):
            _assign_nested(entry.item, base, names, file)
        elif entry.item.custom is None:
            entry.item.weights = _ordered(base, names, file, group)


def _ordered(base: str, names: list[str], file: SafeFile, layer: str) -> list[Array]:
    """In the order of the file, or in Keras' order where all names are known ones."""
    keys = [PurePosixPath(name).name.split(":")[0] for name in names]
    if len(set(keys)) == len(keys) and all(key in _ORDER for key in keys):
        names = [name for _, name in sorted(zip(map(_ORDER.index, keys), names, strict=True))]
    return [file.weight(f"{base}/{name}", layer) for name in names]


def _assign_nested(tree: ModelTree, base: str, names: list[str], file: SafeFile) -> None:
    """Freezing reorders the weights of nested models, so they are matched by `layer/variable`."""
    leaves = _leaves(tree)
    grouped: dict[str, list[str]] = {}
    for name in names:
        parts = PurePosixPath(name).parts
        owner = parts[-2] if len(parts) > 1 else ""
        grouped.setdefault(owner, []).append(name)
    for owner, members in grouped.items():
        found = [layer for layer in leaves if layer.name.split("/")[-1] == owner]
        variables = {PurePosixPath(name).name for name in members}
        if len(found) != 1 or len(variables) != len(members):
            raise ConversionError(
                f"{file.label}: the weights of '{owner}' inside the nested model '{tree.name}' "
                "are ambiguous; save the model as .keras instead"
            )
        if found[0].custom is None:
            found[0].weights = _ordered(base, members, file, found[0].name)


def _leaves(tree: ModelTree) -> list[Layer]:
    result: list[Layer] = []
    for entry in tree.entries:
        result += _leaves(entry.item) if isinstance(entry.item, ModelTree) else [entry.item]
    return result
