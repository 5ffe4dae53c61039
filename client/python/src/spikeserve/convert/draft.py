"""A definition in the making: the message, and its tensors as arrays beside it.

A message keeps what a field of bytes ever held until it is dropped as a whole, so that weights that were
stored, folded and scaled in it would be there three times. Here they are arrays, as long as they can the ones
that the model was read into, and become bytes once, at the end.
"""

from __future__ import annotations

import hashlib

from spikeserve.convert.arrays import Array, as_float32, finite_float32
from spikeserve.v1 import network_pb2 as pb


class Draft:
    """A definition and its tensors. Arrays are replaced and never changed, so that copies share them."""

    def __init__(self, definition: pb.NetworkDefinition | None = None) -> None:
        self.definition = pb.NetworkDefinition(format_version=1) if definition is None else definition
        self.tensors: dict[str, Array] = {}  # by id, float32 in any order of axes in memory

    def add(self, ident: str, values: Array) -> str:
        """A new tensor under a free id; returns the id. ConversionError for values that float32 has not."""
        self.tensors[ident] = finite_float32(values, ident)
        self.definition.tensors.add(id=ident, shape=values.shape, data_type=pb.DATA_TYPE_FLOAT32)
        return ident

    def replace(self, ident: str, values: Array) -> None:
        """Other values of a tensor."""
        if values.shape != self.tensors[ident].shape:
            next(one for one in self.definition.tensors if one.id == ident).shape[:] = values.shape
        self.tensors[ident] = finite_float32(values, ident)

    def keep(self, used: set[str]) -> None:
        """Drops all tensors but these."""
        for index in reversed(range(len(self.definition.tensors))):
            ident = self.definition.tensors[index].id
            if ident not in used:
                del self.definition.tensors[index]
                del self.tensors[ident]

    def copy(self) -> Draft:
        """A draft to change by itself, which shares the arrays."""
        made = Draft(pb.NetworkDefinition())
        made.definition.CopyFrom(self.definition)
        made.tensors = dict(self.tensors)
        return made

    def finish(self) -> pb.NetworkDefinition:
        """The definition with the bytes and digests of its tensors, whose arrays are let go one by one."""
        for tensor in self.definition.tensors:
            data = as_float32(self.tensors.pop(tensor.id), tensor.id).data
            tensor.sha256 = hashlib.sha256(data).digest()
            tensor.data = data.tobytes()
        return self.definition


def add_tensor(definition: pb.NetworkDefinition, ident: str, values: Array) -> str:
    """A tensor with its bytes and digest, under a free id, of a definition that is finished as it is made."""
    data = as_float32(values, ident)
    tensor = definition.tensors.add(id=ident, shape=data.shape, data_type=pb.DATA_TYPE_FLOAT32)
    tensor.sha256, tensor.data = hashlib.sha256(data.data).digest(), data.tobytes()
    return ident
