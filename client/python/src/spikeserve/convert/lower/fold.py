"""Folds per-channel scales (BatchNormalization, Rescaling) into neighbouring weights."""

from __future__ import annotations

import numpy as np

from spikeserve.convert.arrays import Array, scaled
from spikeserve.convert.draft import Draft
from spikeserve.v1 import network_pb2 as pb

_Linear = pb.AffineOperation | pb.ConvOperation


def fold_scales(draft: Draft) -> None:
    """Removes every ScaleShift that a neighbour's weights can absorb, then unused tensors.

    First into the producer (its only reader is the ScaleShift), then into the consumer, which must
    not pad unless the shift is zero. Weights used more than once are left alone.
    """
    for into_consumer in (False, True):
        for operation in list(draft.definition.operations):
            if operation.HasField("scale_shift"):
                _Folder(draft).fold(operation, into_consumer)
    _drop_unused_tensors(draft)


class _Folder:
    """The links of a definition at one moment."""

    def __init__(self, draft: Draft) -> None:
        self._draft, self._definition = draft, draft.definition
        self._operations = {op.name: op for op in draft.definition.operations}

    def fold(self, operation: pb.Operation, into_consumer: bool) -> None:
        incoming = [c for c in self._definition.connections if c.target == operation.name]
        outgoing = [c for c in self._definition.connections if c.source == operation.name]
        if into_consumer:
            probed = any(p.target == operation.name for p in self._definition.probes)
            if len(outgoing) == 1 and not probed and self._into_consumer(operation, outgoing[0]):
                incoming[0].target = outgoing[0].target
                self._remove(operation, outgoing[0])
        elif self._into_producer(operation, incoming[0].source):
            for connection in outgoing:
                connection.source = incoming[0].source
            for probe in self._definition.probes:
                if probe.target == operation.name:
                    probe.target = incoming[0].source
            self._remove(operation, incoming[0])

    def _into_producer(self, operation: pb.Operation, producer: str) -> bool:
        body = self._linear(producer)
        readers = [c for c in self._definition.connections if c.source == producer]
        probed = any(probe.target == producer for probe in self._definition.probes)
        if body is None or len(readers) != 1 or probed or not self._own(body):
            return False
        weight = self._draft.tensors[body.weight]
        pair = self._vectors(operation, weight.shape[0], self._rank(producer))
        if pair is None:
            return False
        scale, shift = pair
        bias = self._values(body.bias) if body.bias else np.zeros(weight.shape[0])
        self._draft.replace(body.weight, scaled(weight, scale.reshape(-1, *(1,) * (weight.ndim - 1))))
        self._store_bias(body, bias * scale + shift)
        return True

    def _into_consumer(self, operation: pb.Operation, link: pb.Connection) -> bool:
        body = self._linear(link.target)
        if body is None or not self._own(body):
            return False
        weight = self._draft.tensors[body.weight]
        groups = body.groups if isinstance(body, pb.ConvOperation) else 1
        pair = self._vectors(operation, weight.shape[1] * groups, self._rank(link.target))
        if pair is None:
            return False
        scale, shift = pair
        pads = isinstance(body, pb.ConvOperation) and any([*body.pad_before, *body.pad_after])
        if pads and np.any(shift != 0):
            return False
        bias = self._values(body.bias) if body.bias else np.zeros(weight.shape[0])
        split = (groups, -1, *weight.shape[1:])
        inner = (groups, 1, weight.shape[1], *(1,) * (weight.ndim - 2))
        moved = _sums(weight.reshape(split), shift.reshape(groups, -1)).ravel()
        self._store_bias(body, bias + moved)
        values = scaled(weight.reshape(split), scale.reshape(inner)).reshape(weight.shape)
        self._draft.replace(body.weight, values)
        return True

    def _linear(self, name: str) -> _Linear | None:
        operation = self._operations[name]
        if operation.HasField("affine"):
            return operation.affine
        return operation.conv if operation.HasField("conv") else None

    def _rank(self, name: str) -> int | None:
        """Axes of a convolution's tensors; unknown for an affine operation."""
        operation = self._operations[name]
        return len(operation.conv.stride) + 1 if operation.HasField("conv") else None

    def _own(self, body: _Linear) -> bool:
        """True where no other operation uses the weights."""
        users = [self._linear(op.name) for op in self._definition.operations]
        shared = [u for u in users if u is not None and u.weight == body.weight]
        biases = [u for u in users if u is not None and body.bias and u.bias == body.bias]
        return len(shared) == 1 and len(biases) <= 1

    def _vectors(self, operation: pb.Operation, count: int, rank: int | None) -> tuple[Array, Array] | None:
        """Scale and shift per channel, or None where they run along another axis."""
        body = operation.scale_shift
        vectors = [
            self._values(name) if name else np.full(1, default)
            for name, default in ((body.scale, 1.0), (body.shift, 0.0))
        ]
        uniform = all(v.size == 1 for v in vectors)
        last = body.axis == -1 or (rank is not None and body.axis == rank - 1)
        if not (uniform or last) or any(v.size not in (1, count) for v in vectors):
            return None
        scale, shift = (np.broadcast_to(v, (count,)) for v in vectors)
        return scale, shift

    def _values(self, name: str) -> Array:
        return self._draft.tensors[name].astype(np.float64)

    def _store_bias(self, body: _Linear, values: Array) -> None:
        if not body.bias and np.any(values != 0):
            body.bias = f"{body.weight}.bias"
            self._draft.add(body.bias, values)
        elif body.bias:
            self._draft.replace(body.bias, values)

    def _remove(self, operation: pb.Operation, link: pb.Connection) -> None:
        self._definition.connections.remove(link)
        self._definition.operations.remove(operation)


def _sums(weight: Array, shift: Array) -> Array:
    """[groups, out] the sums of weights [groups, out, in, kernel...] times shifts [groups, in]."""
    flat = weight.reshape(*weight.shape[:3], -1)
    return np.asarray(np.einsum("goik,gi->go", flat, shift, dtype=np.float64))


def _drop_unused_tensors(draft: Draft) -> None:
    used: set[str] = set()
    for op in draft.definition.operations:
        for body in (op.affine, op.conv):
            used.update((body.weight, body.bias))
        used.update((op.scale_shift.scale, op.scale_shift.shift))
    draft.keep(used)
