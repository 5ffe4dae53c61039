"""How many samples a float pass over a network is worth."""

from __future__ import annotations

import math

from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.v1 import network_pb2 as pb

_MULTIPLICATIONS = 40_000_000_000  # of one pass over all samples: about a second of two cores
_LEAST = 100  # samples, whatever they cost


def affordable(definition: pb.NetworkDefinition, samples: int) -> int:
    """How many of so many samples: fewer of them for a network of more than 40 million multiplications."""
    return min(samples, max(_LEAST, _MULTIPLICATIONS // max(1, multiplications(definition))))


def multiplications(definition: pb.NetworkDefinition) -> int:
    """Of one sample with the weights of Affine and Conv operations."""
    shapes = operation_shapes(definition)
    sizes = {tensor.id: tuple(tensor.shape) for tensor in definition.tensors}
    weights = [(op.name, op.affine.weight or op.conv.weight) for op in definition.operations]
    return sum(math.prod(shapes[name]) * math.prod(sizes[weight][1:]) for name, weight in weights if weight)
