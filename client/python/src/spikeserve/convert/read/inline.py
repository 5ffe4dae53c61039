"""Flattens a tree of models into one graph of layer calls."""

from __future__ import annotations

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.graph import Graph, Layer, Node
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.model_tree import Entry, ModelTree
from spikeserve.convert.read.records import TensorRef


def inline(tree: ModelTree, limits: Limits) -> Graph:
    """The graph of all calls in dependency order; nested models disappear."""
    inliner = _Inliner(limits)
    inputs = []
    for ref in tree.inputs:
        entry = tree.entry(ref.layer)
        if entry is None or not isinstance(entry.item, Layer):
            raise ConversionError(f"the model's input '{ref.layer}' is not an input layer")
        inputs.append(inliner.add(entry.item, ()))
    outputs = inliner.expand(tree, inputs)
    names = _output_names(tree)
    return Graph(inliner.nodes, inputs, outputs, names)


def _output_names(tree: ModelTree) -> list[str]:
    names: list[str] = []
    for ref in tree.outputs:
        name, suffix = ref.layer, 1
        while name in names:
            name, suffix = f"{ref.layer}_{suffix}", suffix + 1
        names.append(name)
    return names


class _Inliner:
    def __init__(self, limits: Limits) -> None:
        self.nodes: list[Node] = []
        self._limits = limits
        self._names: set[str] = set()

    def add(self, layer: Layer, inputs: tuple[int, ...]) -> int:
        if len(self.nodes) >= self._limits.layers:
            raise ConversionError(f"the model has more than {self._limits.layers} layer calls")
        name, count = layer.name, 1
        while name in self._names:
            name, count = f"{layer.name}/{count}", count + 1
        self._names.add(name)
        self.nodes.append(Node(name, layer, inputs))
        return len(self.nodes) - 1

    def expand(self, tree: ModelTree, inputs: list[int]) -> list[int]:
        """Adds the calls of one model; returns its outputs."""
        if len(inputs) != len(tree.inputs):
            raise ConversionError(
                f"'{tree.name}' takes {len(tree.inputs)} inputs and is called with {len(inputs)}"
            )
        values: dict[tuple[str, int], list[int]] = {
            (ref.layer, 0): [value] for ref, value in zip(tree.inputs, inputs, strict=True)
        }
        entries = {entry.name: entry for entry in tree.entries}
        offsets = _call_offsets(tree)
        for name, index in _dependency_order(tree, entries, offsets, set(values)):
            entry = entries[name]
            sources = [_lookup(values, r, offsets) for r in entry.calls[index]]
            values[(name, index)] = self._call(entry, sources)
        return [_lookup(values, ref, offsets) for ref in tree.outputs]

    def _call(self, entry: Entry, sources: list[int]) -> list[int]:
        if isinstance(entry.item, ModelTree):
            return self.expand(entry.item, sources)
        return [self.add(entry.item, tuple(sources))]


def _lookup(values: dict[tuple[str, int], list[int]], ref: TensorRef, offsets: dict[str, int]) -> int:
    found = values.get((ref.layer, ref.call - offsets.get(ref.layer, 0)))
    if found is None or not 0 <= ref.tensor < len(found):
        raise ConversionError(
            f"the model refers to output {ref.tensor} of call {ref.call} of '{ref.layer}', "
            "which does not exist"
        )
    return found[ref.tensor]


def _call_offsets(tree: ModelTree) -> dict[str, int]:
    """Calls of a nested Functional model are numbered from 1 (it has a built-in call 0)."""
    used: dict[str, set[int]] = {}
    for ref in [*tree.outputs, *(r for e in tree.entries for c in e.calls for r in c)]:
        used.setdefault(ref.layer, set()).add(ref.call)
    offsets = {}
    for entry in tree.entries:
        if isinstance(entry.item, ModelTree):
            calls = used.get(entry.name, {0})
            functional = entry.item.class_name == "Functional"
            if 0 not in calls and (functional or max(calls) >= len(entry.calls)):
                offsets[entry.name] = 1
    return offsets


def _dependency_order(
    tree: ModelTree, entries: dict[str, Entry], offsets: dict[str, int], known: set[tuple[str, int]]
) -> list[tuple[str, int]]:
    """The calls that the outputs need, each after the calls it reads. Iterative, cycle-checked."""
    order: list[tuple[str, int]] = []
    state: dict[tuple[str, int], bool] = dict.fromkeys(known, True)  # True: done
    pending = [(r.layer, r.call - offsets.get(r.layer, 0)) for r in reversed(tree.outputs)]
    while pending:
        key = pending[-1]
        if state.get(key):
            pending.pop()
            continue
        entry = entries.get(key[0])
        if entry is None or not 0 <= key[1] < len(entry.calls):
            raise ConversionError(f"the model refers to call {key[1]} of '{key[0]}', not in the file")
        needed = [(r.layer, r.call - offsets.get(r.layer, 0)) for r in entry.calls[key[1]]]
        missing = [need for need in needed if not state.get(need)]
        if not missing:
            state[key] = True
            order.append(pending.pop())
        elif key in state:
            raise ConversionError(f"the model has a cycle through '{key[0]}'")
        else:
            state[key] = False
            pending.extend(reversed(missing))
    return order
