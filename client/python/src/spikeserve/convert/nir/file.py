"""Reads the nodes and edges of a NIR file, which nobody vouches for."""

from __future__ import annotations

import re
from pathlib import Path

from spikeserve.convert.errors import ConversionError, Problem, refuse
from spikeserve.convert.nir.graph import FIELDS, GRAPH, NirGraph, NirNode
from spikeserve.convert.read.limits import Limits
from spikeserve.convert.read.safe_hdf5 import SafeFile

_ROOT = "node"
_NEWEST = 1  # major version of the format
_EDGES_PER_NODE = 4
_NOT_FIELDS = {"type", "metadata"}  # nothing in a file may depend on its metadata


def is_nir(path: Path, limits: Limits) -> bool:
    """True where an HDF5 file has the root of a NIR graph."""
    with SafeFile(path, str(path), limits) as file:
        return file.find(f"{_ROOT}/type") is not None


def read_file(path: Path, limits: Limits) -> tuple[NirGraph, str, list[str]]:
    """The graph of a file, its version ("" where it has none), and warnings.

    Raises ConversionError for a damaged or unknown file, with every node of an unknown kind.
    """
    with SafeFile(path, str(path), limits) as file:
        version = file.texts("version", 1)[0] if file.find("version") is not None else ""
        _check_version(file.label, version)
        reader = _Reader(file, limits)
        root = reader.node(_ROOT, "", 0)
        if reader.problems:
            raise refuse(file.label, reader.problems)
        if isinstance(root, NirGraph):
            return root, version, reader.warnings
    raise ConversionError(f"{path}: its root is a {root.kind}, wanted a {GRAPH}")


def _check_version(label: str, version: str) -> None:
    found = re.match(r"(\d{1,6})(\.|$)", version)
    if version and (found is None or int(found[1]) > _NEWEST):
        raise ConversionError(f"{label}: NIR version {version!r}, this reader knows 0.1 to {_NEWEST}.x")


class _Reader:
    def __init__(self, file: SafeFile, limits: Limits) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self._file = file
        self._limits = limits
        self._count = 0

    def node(self, path: str, name: str, depth: int) -> NirNode | NirGraph:
        self._count += 1
        self._check_count(0)
        kind = self._file.texts(f"{path}/type", 1)[0]
        if kind == GRAPH:
            return self._graph(path, name, depth)
        node = NirNode(name, kind)
        if kind in FIELDS:
            self._read_fields(path, node)
        else:
            known = ", ".join([*FIELDS, GRAPH])
            self.problems.append(Problem(name, kind, "this kind of node is not known", f"use {known}"))
        return node

    def _check_count(self, more: int) -> None:
        if self._count + more > self._limits.layers:
            raise ConversionError(f"{self._file.label}: more than {self._limits.layers} nodes")

    def _graph(self, path: str, name: str, depth: int) -> NirGraph:
        if depth >= self._limits.graph_depth:
            raise ConversionError(
                f"{self._file.label}: graphs nested deeper than {self._limits.graph_depth} levels at {name!r}"
            )
        graph = NirGraph(name)
        children = self._file.children(f"{path}/nodes")
        self._check_count(len(children))
        for child in children:
            full = f"{name}/{child}" if name else child
            graph.nodes[child] = self.node(f"{path}/nodes/{child}", full, depth + 1)
        flat = self._file.texts(f"{path}/edges", 2 * _EDGES_PER_NODE * self._limits.layers)
        if len(flat) % 2:
            raise ConversionError(f"{self._file.label}: the edges of {name!r} are no pairs of names")
        graph.edges = list(zip(flat[::2], flat[1::2], strict=True))
        return graph

    def _read_fields(self, path: str, node: NirNode) -> None:
        needed, optional = FIELDS[node.kind]
        present = set(self._file.children(path))
        missing = [name for name in needed if name not in present]
        if missing:
            reason = f"it has no {', '.join(missing)}"
            self.problems.append(Problem(node.name, node.kind, reason, "write the file again"))
            return
        for name in [name for name in (*needed, *optional) if name in present]:
            where = f"{path}/{name}"
            if name == "padding" and node.kind in ("Conv1d", "Conv2d") and self._file.is_text(where):
                node.padding = self._file.texts(where, 1)[0]
            else:
                node.values[name] = self._file.weight(where, node.name)
        strange = sorted(present - {*needed, *optional} - _NOT_FIELDS)
        if strange:
            self.warnings.append(
                f"'{node.name}' ({node.kind}): {', '.join(strange)} is not known here and left out"
            )
