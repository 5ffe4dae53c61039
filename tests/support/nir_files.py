"""Writes NIR files by hand, as the package `nir` does and as nobody should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Array = np.ndarray[Any, Any]
Edge = tuple[str, str]


def f4(values: Any) -> Array:
    return np.asarray(values, np.float32)


@dataclass
class N:
    """A node: its kind and fields, numbers or text."""

    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class G:
    """A graph, which may be a node of another one."""

    nodes: Mapping[str, N | G]
    edges: Sequence[Edge]


def chain(shape: Sequence[int], *nodes: N, out: Sequence[int] | None = None) -> G:
    """Input of the shape, the nodes as "n0", "n1", ..., and an output."""
    named: dict[str, N | G] = {"input": N("Input", {"shape": np.array(shape)})}
    named |= {f"n{index}": node for index, node in enumerate(nodes)}
    named["output"] = N("Output", {"shape": np.array(shape if out is None else out)})
    names = list(named)
    return G(named, list(pairwise(names)))


def write_nir(path: Path, graph: G, version: str | None = "1.0.8") -> Path:
    """An HDF5 file with the graph."""
    with h5py.File(path, "w") as file:
        if version is not None:
            file.create_dataset("version", data=version, dtype=h5py.string_dtype())
        _write(file.create_group("node"), graph)
    return path


def _write(group: h5py.Group, node: N | G) -> None:
    text = h5py.string_dtype()
    if isinstance(node, N):
        group.create_dataset("type", data=node.kind, dtype=text)
        for name, value in node.fields.items():
            if isinstance(value, str):
                group.create_dataset(name, data=value, dtype=text)
            else:
                group.create_dataset(name, data=value)
        return
    group.create_dataset("type", data="NIRGraph", dtype=text)
    members = group.create_group("nodes")
    for name, child in node.nodes.items():
        _write(members.create_group(name), child)
    group.create_dataset("edges", data=np.array(node.edges, dtype=object).reshape(-1, 2), dtype=text)


def affine(weight: Any, bias: Any = None) -> N:
    weight = f4(weight)
    return N("Affine", {"weight": weight, "bias": f4(np.zeros(len(weight)) if bias is None else bias)})


def conv(weight: Any, bias: Any = None, **fields: Any) -> N:
    weight = f4(weight)
    rank = weight.ndim - 2
    usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    bias = f4(np.zeros(len(weight)) if bias is None else bias)
    return N(f"Conv{rank}d", {**usual, "weight": weight, "bias": bias, **fields})


def pool(kind: str, window: Any, stride: Any, padding: Any = (0, 0)) -> N:
    return N(
        kind, {"kernel_size": np.array(window), "stride": np.array(stride), "padding": np.array(padding)}
    )


def neuron(kind: str, shape: Any, **values: Any) -> N:
    """Parameters are spread over the shape."""
    usual: dict[str, Any] = {
        "I": {"r": 1.0},
        "IF": {"r": 1.0, "v_threshold": 1.0, "v_reset": 0.0},
        "LI": {"tau": 2e-3, "r": 1.0, "v_leak": 0.0},
        "LIF": {"tau": 2e-3, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0},
        "CubaLI": {"tau_syn": 1e-3, "tau_mem": 2e-3, "r": 1.0, "v_leak": 0.0, "w_in": 1.0},
        "CubaLIF": {
            "tau_syn": 1e-3, "tau_mem": 2e-3, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0,
            "w_in": 1.0,
        },
        "Threshold": {"threshold": 1.0},
        "Scale": {"scale": 1.0},
        "Delay": {"delay": 0.0},
    }[kind]  # fmt: skip
    return N(kind, {name: f4(np.broadcast_to(v, shape)) for name, v in (usual | values).items()})
