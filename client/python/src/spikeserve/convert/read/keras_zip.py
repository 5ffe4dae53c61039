"""Reader for Keras 3 `.keras` archives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.graph import Layer, SourceModel
from spikeserve.convert.read.inline import inline
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.loss import stored_loss
from spikeserve.convert.read.model_tree import Entry, ModelTree, TreeParser
from spikeserve.convert.read.records import expect, snake_case
from spikeserve.convert.read.safe_hdf5 import SafeFile
from spikeserve.convert.read.safe_json import parse_json
from spikeserve.convert.read.safe_zip import read_members

_ROOTS = ("layers", "_layer_checkpoint_dependencies")  # Keras 3, tf.keras 2.12-2.14


def read_keras_zip(path: Path, limits: Limits) -> SourceModel:
    """The model in a `.keras` file. ConversionError for damaged, hostile or unknown files."""
    members = read_members(path, limits)
    config = expect(parse_json(members["config.json"], f"{path}: config.json", limits), dict, "config.json")
    version = _keras_version(members, path, limits)
    tree = TreeParser(version, limits).parse(config)
    label = f"{path}: model.weights.h5"
    with SafeFile(members["model.weights.h5"], label, limits) as weights:
        root = next((name for name in _ROOTS if weights.find(name) is not None), _ROOTS[0])
        _assign(tree, "", root, weights, set())
    loss = stored_loss(config.get("compile_config"))
    return SourceModel(inline(tree, limits), str(path), "Keras archive (.keras)", loss=loss)


def _keras_version(members: dict[str, bytes], path: Path, limits: Limits) -> int:
    if "metadata.json" not in members:
        return 3
    metadata: Any = parse_json(members["metadata.json"], f"{path}: metadata.json", limits)
    version = str(metadata.get("keras_version", "3")) if isinstance(metadata, dict) else "3"
    return 2 if version.startswith("2.") else 3


def _assign(tree: ModelTree, prefix: str, root: str, weights: SafeFile, visited: set[int]) -> None:
    """Reads the weights of every layer; groups are named by class and count, not by layer name."""
    counts: dict[str, int] = {}
    for entry in _counted(tree):
        item = entry.item
        class_name = item.class_name
        if isinstance(item, ModelTree) and class_name == "Model":
            class_name = "Functional"
        base = snake_case(class_name)
        index = counts.get(base, 0)
        counts[base] = index + 1
        path = f"{prefix}{root}/{base}" + (f"_{index}" if index else "")
        if id(item) in visited:
            continue
        visited.add(id(item))
        if isinstance(item, ModelTree):
            _assign(item, f"{path}/", root, weights, visited)
        elif item.custom is None:
            _read_layer(item, entry.name, f"{path}/vars", weights)


def _counted(tree: ModelTree) -> list[Entry]:
    """The members that count for the numbering of weight groups."""
    skip_input = tree.class_name == "Sequential"
    return [
        entry
        for entry in tree.entries
        if not entry.operation
        and not (skip_input and isinstance(entry.item, Layer) and entry.item.class_name == "InputLayer")
    ]


def _read_layer(layer: Layer, name: str, path: str, weights: SafeFile) -> None:
    stored_name = weights.attribute(path, "name")
    if stored_name is not None and stored_name != name:
        raise ConversionError(
            f"{weights.label}: the weights at {path!r} belong to '{stored_name}', wanted '{name}'; "
            "the configuration and the weights are of different models"
        )
    keys = weights.children(path)
    if set(keys) != {str(index) for index in range(len(keys))}:
        raise ConversionError(f"{weights.label}: unexpected members at {path!r}: {keys[:5]}")
    layer.weights = [weights.weight(f"{path}/{index}", name) for index in range(len(keys))]
