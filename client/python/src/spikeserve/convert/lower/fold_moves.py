"""Folds changes of layout into the weights behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from spikeserve.convert.draft import Draft
from spikeserve.convert.lower.builder import Shape
from spikeserve.v1 import network_pb2 as pb


def fold_permutes(draft: Draft, shapes: Mapping[str, Shape]) -> None:
    """Removes every Permute whose values a Reshape makes one row for an Affine: its columns move instead.

    That is what flattening a channels-first map comes to. Weights and values with other readers stay.
    `shapes` are those of all operations.
    """
    definition = draft.definition
    operations = {op.name: op for op in definition.operations}
    weights = [op.affine.weight for op in definition.operations]
    for affine in list(definition.operations):
        if not affine.HasField("affine") or weights.count(affine.affine.weight) != 1:
            continue
        behind = _only_source(definition, affine.name)
        reshape = operations[behind.source] if behind is not None else None
        if reshape is None or not reshape.HasField("reshape") or len(reshape.reshape.shape) != 1:
            continue
        link = _only_source(definition, reshape.name)
        permute = operations[link.source] if link is not None else None
        if link is not None and permute is not None and permute.HasField("permute"):
            incoming = next(c for c in definition.connections if c.target == permute.name)
            _move_columns(draft, affine, shapes[incoming.source], tuple(permute.permute.permutation))
            definition.connections.remove(link)
            definition.operations.remove(permute)
            incoming.target = reshape.name


def _move_columns(draft: Draft, affine: pb.Operation, stored: Shape, axes: Shape) -> None:
    """Reorders the columns of a weight: its inputs come as they are stored, and no more permuted."""
    weight = draft.tensors[affine.affine.weight]
    places = np.arange(math.prod(stored)).reshape(stored).transpose(axes).reshape(-1)
    moved = np.empty_like(weight)
    moved[:, places] = weight
    draft.replace(affine.affine.weight, moved)


def _only_source(definition: pb.NetworkDefinition, name: str) -> pb.Connection | None:
    """The connection to an operation, if it has one whose source nobody else reads."""
    links = [c for c in definition.connections if c.target == name]
    if len(links) != 1:
        return None
    readers = [c for c in definition.connections if c.source == links[0].source]
    probed = any(probe.target == links[0].source for probe in definition.probes)
    return links[0] if len(readers) == 1 and not probed else None
