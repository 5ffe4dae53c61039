"""Limits on what a model file may make the readers do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes unless the name says otherwise."""

    config_bytes: int = 64 << 20
    weights_bytes: int = 2 << 30
    archive_members: int = 10_000
    ratio_threshold: int = 256 << 20  # smaller things may compress as well as they like
    zip_ratio: int = 100
    hdf5_ratio: int = 1000
    hdf5_chunk_bytes: int = 64 << 20  # what reading one value may unpack
    json_depth: int = 100
    json_items: int = 2_000_000
    parameters: int = 1 << 29
    layers: int = 10_000
    hdf5_members: int = 200_000
    onnx_fields: int = 2_000_000  # of all messages of a file; a message counts for ten
    axes: int = 8  # of a tensor, the batch among them
    hdf5_text: int = 4096  # characters of one value of a dataset
    graph_depth: int = 16  # of graphs within graphs


DEFAULT_LIMITS = Limits()
