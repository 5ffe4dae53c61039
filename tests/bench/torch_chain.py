"""A converted network as folded PyTorch layers, for the peers of the benchmark: read from its `.spk` file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from spikeserve.v1 import network_pb2 as pb

HEADER_BYTES = 56


@dataclass(frozen=True)
class Stage:
    """Linear layers in a row, and whether integrate-and-fire neurons of threshold 1 follow."""

    linear: nn.Sequential
    spiking: bool


@dataclass(frozen=True)
class TorchChain:
    """Stages in order. A spike is 1; the last stage gives the outputs. Voltages start at `voltage`."""

    stages: tuple[Stage, ...]
    input_shape: tuple[int, ...]
    voltage: float

    def images(self, values: Any) -> torch.Tensor:
        """Values [n, rows, columns] as the first stage takes them."""
        return torch.as_tensor(values).reshape(-1, *self.input_shape).contiguous()


def _linear(weight: np.ndarray[Any, Any], bias: np.ndarray[Any, Any], shape: list[int]) -> nn.Linear:
    """A dense layer; behind an image of `shape` (channels last) its columns go channels first."""
    if len(shape) == 3:
        weight = weight.reshape(-1, *shape).transpose(0, 3, 1, 2).reshape(len(weight), -1)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data = torch.tensor(np.ascontiguousarray(weight))
    layer.bias.data = torch.tensor(bias)
    return layer


class _Reader:
    """Follows the operations, which the converter writes in order."""

    def __init__(self, definition: pb.NetworkDefinition) -> None:
        self.tensors = {
            tensor.id: np.frombuffer(tensor.data, "<f4").reshape(tuple(tensor.shape)).astype(np.float64)
            for tensor in definition.tensors
        }
        self.dt = definition.defaults.dt or 0.001
        self.stages: list[Stage] = []
        self.pending: list[nn.Module] = []
        self.height = 1.0  # of a spike of the stage before
        self.voltage = 0.0
        self.shape: list[int] = []  # of an image that a flatten has just ended
        self.definition = definition

    def read(self) -> TorchChain:
        operations = list(self.definition.operations)
        input_shape = tuple(operations[0].input.shape)
        for index, operation in enumerate(operations):
            gain, spiking = 1.0, False
            if index + 1 < len(operations) and operations[index + 1].HasField("neuron"):
                gain, spiking = operations[index + 1].neuron.gain.scalar * self.dt, True
            self._add(operation, gain, spiking, operations[index + 1 : index + 2])
        if len(input_shape) == 3:
            input_shape = (input_shape[2], *input_shape[:2])
        return TorchChain(tuple(self.stages), input_shape, self.voltage)

    def _add(self, operation: Any, gain: float, spiking: bool, behind: list[Any]) -> None:
        kind = operation.WhichOneof("kind")
        if kind in ("affine", "conv"):
            message = getattr(operation, kind)
            weight = (self.tensors[message.weight] * gain * self.height).astype(np.float32)
            bias = (self.tensors[message.bias] * gain).astype(np.float32)
            self.pending.append(
                _linear(weight, bias, self.shape) if kind == "affine" else self._conv(message, weight, bias)
            )
            self.shape = []
            self.stages.append(Stage(nn.Sequential(*self.pending).eval(), spiking))
            self.pending = []
            if spiking:
                neuron = behind[0].neuron
                self.height = neuron.integrate_and_fire.amplitude / self.dt
                self.voltage = neuron.initial_voltage.constant
            self.last = operation
        elif kind == "pool":
            self.pending.append(nn.AvgPool2d(tuple(operation.pool.window), tuple(operation.pool.stride)))
        elif kind == "reshape":
            self.pending.append(nn.Flatten())
            self.shape = self._image_shape()

    def _conv(self, message: Any, weight: np.ndarray[Any, Any], bias: np.ndarray[Any, Any]) -> nn.Conv2d:
        layer = nn.Conv2d(
            weight.shape[1],
            weight.shape[0],
            weight.shape[2:],
            tuple(message.stride),
            tuple(message.pad_before),
        )
        layer.weight.data = torch.tensor(weight)
        layer.bias.data = torch.tensor(bias)  # type: ignore[union-attr]
        return layer

    def _image_shape(self) -> list[int]:
        """Rows, columns and channels at this point, by running what was read."""
        shape = tuple(self.definition.operations[0].input.shape)
        if len(shape) != 3:
            return []
        values = torch.zeros(1, shape[2], *shape[:2])
        with torch.inference_mode():
            for stage in self.stages:
                values = stage.linear(values)
            for layer in self.pending[:-1]:
                values = layer(values)
        return [values.shape[2], values.shape[3], values.shape[1]]


def read(path: Path) -> TorchChain:
    """The network of a `.spk` file of the default preset (integrate-and-fire, no synapse)."""
    definition = pb.NetworkDefinition.FromString(path.read_bytes()[HEADER_BYTES:])
    return _Reader(definition).read()
