"""Runs a definition step by step in float32, written from the definition's documentation alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from spikeserve.v1 import network_pb2 as pb

Array = np.ndarray[Any, Any]


class StepSimulation:
    """A network of input, conv, affine, pool, reshape and neuron operations on a batch of inputs."""

    def __init__(self, definition: pb.NetworkDefinition, inputs: Array) -> None:
        self._definition = definition
        self._dt = np.float32(definition.defaults.dt)
        self._tensors = {
            t.id: np.frombuffer(t.data, "<f4").reshape(tuple(t.shape)) for t in definition.tensors
        }
        self._inputs = inputs.astype(np.float32)
        self._voltages: dict[str, Array] = {}
        self._filters: dict[str, Array] = {}
        self._constant: dict[str, Array] = {}  # outputs that no spike reaches are computed once
        self.spikes: dict[str, float] = {}

    def run(self, report_at: tuple[int, ...]) -> dict[int, Array]:
        """The mean of the first probe over the steps so far, at every step of `report_at`."""
        probe = self._definition.probes[0]
        total: Any = 0.0
        means = {}
        for step in range(1, max(report_at) + 1):
            outputs = self._step()
            read = outputs[probe.target]
            if probe.HasField("synapse"):
                read = self._filtered("probe", read, probe.synapse.lowpass.tau)
            total = total + read.astype(np.float64)
            if step in report_at:
                means[step] = total / step
        return means

    def _step(self) -> dict[str, Array]:
        outputs = dict(self._constant)
        for operation in self._definition.operations:  # the converter writes them in order
            if operation.name not in outputs:
                self._evaluate(operation, outputs)
        return outputs

    def _evaluate(self, operation: pb.Operation, outputs: dict[str, Array]) -> None:
        if operation.HasField("input"):
            value, constant = self._inputs.reshape(-1, *operation.input.shape), True
        else:
            (link,) = [c for c in self._definition.connections if c.target == operation.name]
            source = outputs[link.source]
            if link.HasField("synapse"):
                source = self._filtered(operation.name, source, link.synapse.lowpass.tau)
            value = self._apply(operation, source)
            constant = link.source in self._constant and not operation.HasField("neuron")
        outputs[operation.name] = value
        if constant:
            self._constant[operation.name] = value

    def _filtered(self, key: str, value: Array, tau: float) -> Array:
        """What the filter holds from the step before; then it takes in `value`."""
        before = self._filters.get(key, np.zeros_like(value))
        decay = np.float32(np.exp(-float(self._dt) / tau))
        self._filters[key] = decay * before + (1 - decay) * value
        return before

    def _apply(self, operation: pb.Operation, x: Array) -> Array:
        kind = operation.WhichOneof("kind")
        if kind == "affine":
            product = x @ self._tensors[operation.affine.weight].T
            return np.asarray(product + self._tensors[operation.affine.bias])
        if kind == "conv":
            return self._conv(operation.conv, x)
        if kind == "pool":
            height, width = operation.pool.window
            assert list(operation.pool.stride) == [height, width]
            shape = (len(x), x.shape[1] // height, height, x.shape[2] // width, width, x.shape[3])
            return np.asarray(x.reshape(shape).mean(axis=(2, 4)))
        if kind == "reshape":
            return x.reshape(len(x), *operation.reshape.shape)
        assert kind == "neuron", kind
        return self._spike(operation, x)

    def _conv(self, body: pb.ConvOperation, x: Array) -> Array:
        weight = self._tensors[body.weight]
        pads = zip(body.pad_before, body.pad_after, strict=True)
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
        views = sliding_window_view(x, weight.shape[2:], axis=(1, 2))
        views = views[:, :: body.stride[0], :: body.stride[1]]
        rows = np.ascontiguousarray(views).reshape(-1, weight[0].size)
        result = rows @ weight.reshape(len(weight), -1).T + self._tensors[body.bias]
        return np.asarray(result.reshape(*views.shape[:3], len(weight)))

    def _spike(self, operation: pb.Operation, x: Array) -> Array:
        neuron = operation.neuron
        model = str(neuron.WhichOneof("model"))
        charge = x * np.float32(neuron.gain.scalar if neuron.HasField("gain") else 1.0) * self._dt
        if model == "spiking_rectified_linear":
            charge = np.maximum(charge, 0)
        voltage = self._voltages.setdefault(operation.name, self._start(operation, x))
        voltage += charge
        count = np.maximum(np.floor(voltage), 0)
        voltage -= count
        self.spikes[operation.name] = self.spikes.get(operation.name, 0.0) + float(count.sum())
        return count * np.float32(getattr(neuron, model).amplitude / float(self._dt))

    def _start(self, operation: pb.Operation, x: Array) -> Array:
        policy = operation.neuron.initial_voltage
        if policy.WhichOneof("kind") == "uniform":
            rng = np.random.default_rng(policy.uniform.seed)
            return np.broadcast_to(rng.uniform(size=x.shape[1:]), x.shape).astype(np.float32)
        return np.full(x.shape, policy.constant, np.float32)
