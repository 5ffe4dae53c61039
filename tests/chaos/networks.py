"""Networks of random weights whose runs take a while: what is behind spikes is computed step by step."""

from __future__ import annotations

import numpy as np

import spikeserve
from spikeserve.v1 import network_pb2 as pb

SIDE = 14
INPUTS = SIDE * SIDE
_RATE_HZ = 300.0  # about, of a neuron that fires


class _Builder:
    """A chain of operations, each of which reads the one before."""

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self._last = "input"
        self.definition = pb.NetworkDefinition(format_version=1)

    def add(self, name: str) -> pb.Operation:
        operation = self.definition.operations.add(name=name)
        self.definition.connections.add(source=self._last, target=name)
        self._last = name
        return operation

    def weights(self, name: str, *shape: int) -> str:
        values = self._draw.normal(0.1, 1.0, shape) * _RATE_HZ / np.sqrt(np.prod(shape[1:]))
        self.definition.tensors.add(
            id=name, shape=shape, data_type=pb.DATA_TYPE_FLOAT32, data=values.astype("<f4").tobytes()
        )
        return name

    def neurons(self, name: str) -> None:
        neuron = self.add(name).neuron
        neuron.integrate_and_fire.amplitude = 1.0 / _RATE_HZ
        neuron.initial_voltage.constant = 0.5

    def dense(self, name: str, inputs: int, outputs: int) -> None:
        self.add(name).affine.weight = self.weights(f"{name}-weights", outputs, inputs)

    def finish(self) -> spikeserve.Network:
        self.definition.probes.add(name="output", target=self._last, quantity=pb.PROBE_QUANTITY_OUTPUT)
        return spikeserve.Network(self.definition)


def dense_network(seed: int, hidden: int = 128) -> spikeserve.Network:
    """Input [196], two layers of spiking neurons, 10 outputs."""
    builder = _Builder(seed)
    builder.definition.operations.add(name="input").input.shape.append(INPUTS)
    builder.dense("dense1", INPUTS, hidden)
    builder.neurons("neurons1")
    builder.dense("dense2", hidden, hidden)
    builder.neurons("neurons2")
    builder.dense("output", hidden, 10)
    return builder.finish()


def convolution_network(seed: int, channels: int = 16) -> spikeserve.Network:
    """Input [196] as an image of 14 x 14, two convolutions of 3 x 3 with spiking neurons, 10 outputs."""
    builder = _Builder(seed)
    builder.definition.operations.add(name="input").input.shape.append(INPUTS)
    builder.add("image").reshape.shape.extend([SIDE, SIDE, 1])
    for layer, inputs in ((1, 1), (2, channels)):
        convolution = builder.add(f"convolution{layer}").conv
        convolution.weight = builder.weights(f"kernel{layer}", channels, inputs, 3, 3)
        convolution.stride.extend([1, 1])
        convolution.dilation.extend([1, 1])
        convolution.pad_before.extend([1, 1])
        convolution.pad_after.extend([1, 1])
        convolution.groups = 1
        builder.neurons(f"neurons{layer}")
    builder.add("flat").reshape.shape.append(INPUTS * channels)
    builder.dense("output", INPUTS * channels, 10)
    return builder.finish()
