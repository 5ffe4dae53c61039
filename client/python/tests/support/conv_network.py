"""A small network by hand, with a convolution and a pool."""

from __future__ import annotations

import itertools

import numpy as np

import spikeserve
from spikeserve.v1 import network_pb2 as pb


def conv_network() -> spikeserve.Network:
    """Bytes 4x4x2 -> Conv 2x2 in two groups -> average pool 2x2 -> output."""
    definition = pb.NetworkDefinition(format_version=1)
    operations = definition.operations
    operations.add(name="in").input.MergeFrom(
        pb.InputOperation(shape=[4, 4, 2], uint8_scale=0.5, uint8_offset=-1)
    )
    operations.add(name="conv").conv.MergeFrom(
        pb.ConvOperation(
            weight="k", stride=[2, 1], dilation=[1, 1], pad_before=[1, 0], pad_after=[0, 1], groups=2
        )
    )
    pool = pb.PoolOperation(kind=pb.POOL_KIND_AVERAGE, window=[2, 2], stride=[2, 2])
    pool.pad_before.extend([0, 0])
    pool.pad_after.extend([0, 0])
    operations.add(name="pool").pool.MergeFrom(pool)
    for source, target in itertools.pairwise(["in", "conv", "pool"]):
        definition.connections.add(source=source, target=target)
    shape = [2, 1, 2, 2]
    data = np.zeros(shape, "<f4").tobytes()
    definition.tensors.add(id="k", shape=shape, data_type=pb.DATA_TYPE_FLOAT32, data=data)
    definition.probes.add(name="output", target="pool", quantity=pb.PROBE_QUANTITY_OUTPUT)
    definition.defaults.class_labels.extend(["left", "right"])
    return spikeserve.Network(definition)
