"""The bytes of a NIR file."""

from __future__ import annotations

import io

import h5py
import numpy as np

from spikeserve.convert.nir.write.nodes import OutGraph

VERSION = "1.0"  # of the format, as its first number is read


def to_bytes(graph: OutGraph) -> bytes:
    """An HDF5 file with the graph; the same graph gives the same bytes."""
    content = io.BytesIO()
    with h5py.File(content, "w", track_order=False) as file:
        text = h5py.string_dtype()
        file.create_dataset("version", data=VERSION, dtype=text)
        root = file.create_group("node")
        root.create_dataset("type", data="NIRGraph", dtype=text)
        for name, node in graph.nodes.items():
            group = root.create_group(f"nodes/{name}")
            group.create_dataset("type", data=node.kind, dtype=text)
            for key, value in node.fields.items():
                if isinstance(value, np.ndarray) and value.size > 1:
                    group.create_dataset(key, data=value, compression="gzip")
                else:
                    group.create_dataset(key, data=value)
        edges = np.array(graph.edges, dtype=object).reshape(-1, 2)
        root.create_dataset("edges", data=edges, dtype=text)
    return content.getvalue()
