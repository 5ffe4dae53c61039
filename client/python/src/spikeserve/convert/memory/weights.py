"""The tensors of a definition, changed for one operation at a time."""

from __future__ import annotations

from collections import Counter

import numpy as np

from spikeserve.convert.arrays import Array, scaled
from spikeserve.convert.draft import Draft
from spikeserve.v1 import network_pb2 as pb

Linear = pb.AffineOperation | pb.ConvOperation
_Weighted = Linear | pb.ScaleShiftOperation


def linear_map(operation: pb.Operation) -> Linear | None:
    """What an operation multiplies with a matrix, or None where it is something else."""
    if operation.HasField("affine"):
        return operation.affine
    return operation.conv if operation.HasField("conv") else None


def groups_of(body: Linear) -> int:
    """The groups of a convolution; an affine operation is one."""
    return int(body.groups) if isinstance(body, pb.ConvOperation) else 1


def by_input(weight: Array, groups: int, values: Array) -> Array:
    """`values`, one per input channel, in a shape that broadcasts to weights [groups, out, in, kernel...]."""
    return values.reshape(groups, 1, weight.shape[1], *(1,) * (weight.ndim - 2))


def grouped(weight: Array, groups: int) -> Array:
    """Weights [out, in/groups, kernel...] as [groups, out/groups, in/groups, kernel...]."""
    return weight.reshape(groups, -1, *weight.shape[1:])


def _used(operation: pb.Operation) -> list[str]:
    """The ids of all tensors that an operation uses."""
    if operation.HasField("neuron"):
        neuron = operation.neuron
        given = [neuron.gain.tensor, neuron.bias.tensor]
        given += [neuron.output_scale.tensor, neuron.initial_voltage.tensor]
    elif operation.HasField("product"):
        given = [operation.product.output_scale.tensor]
    else:
        body = getattr(operation, str(operation.WhichOneof("kind")))
        given = [getattr(body, name, "") for name in ("weight", "bias", "scale", "shift")]
    return [ident for ident in given if ident]


class Weights:
    """Reads and replaces tensors; one that several operations use is copied before it is changed."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._users = Counter(ident for op in draft.definition.operations for ident in _used(op))

    def bias(self, body: Linear) -> Array:
        """[out] the bias of a linear map; zeros where it has none."""
        tensors = self._draft.tensors
        return tensors[body.bias].astype(np.float64) if body.bias else np.zeros(len(tensors[body.weight]))

    def add(self, ident: str, values: Array) -> str:
        """A new tensor; returns its id, which is `ident` or one made of it."""
        base, count = ident, 2
        while ident in self._draft.tensors:
            ident, count = f"{base}.{count}", count + 1
        self._draft.add(ident, values)
        self._users[ident] += 1
        return ident

    def replace(self, body: _Weighted, name: str, values: Array, wanted: str = "") -> None:
        """Sets the tensor of this field of an operation; `wanted`: the id of one that there is not yet."""
        ident = getattr(body, name)
        if ident and self._users[ident] == 1:
            self._draft.replace(ident, values)
            return
        self._users[ident] -= 1
        setattr(body, name, self.add(ident or wanted, values))

    def scale_inputs(self, operation: pb.Operation, factors: Array) -> None:
        """Multiplies what the operation makes of each index of its input's last axis."""
        body = linear_map(operation)
        if body is None:
            scales = operation.scale_shift
            own = self._draft.tensors[scales.scale] if scales.scale else np.ones(1, np.float32)
            self.replace(scales, "scale", scaled(own, factors), f"{operation.name}/scale")
            return
        weight, groups = self._draft.tensors[body.weight], groups_of(body)
        values = scaled(grouped(weight, groups), by_input(weight, groups, factors))
        self.replace(body, "weight", values.reshape(weight.shape))
