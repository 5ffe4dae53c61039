"""Modules of torch as people write them: for the tests of the reader and for exported files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class DigitsCnn(nn.Module):  # type: ignore[misc]  # torch is not there
    """A small convolutional network for images of 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.AvgPool2d(2),
            nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
        )  # fmt: skip
        self.classes = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 32), nn.ReLU6(), nn.Linear(32, 10)
        )

    def forward(self, x: Any) -> Any:
        return self.classes(self.features(x))


class _Block(nn.Module):  # type: ignore[misc]  # torch is not there
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.down = down if stride > 1 or inputs != outputs else nn.Identity()

    def forward(self, x: Any) -> Any:
        hidden = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(hidden)) + self.down(x))


class Residual(nn.Module):  # type: ignore[misc]  # torch is not there
    """A residual network with random statistics of its normalizations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.LeakyReLU(0.1))
        self.blocks = nn.Sequential(_Block(8, 8, 1), _Block(8, 12, 2))
        self.classes = nn.Linear(12, 5)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                for values in (part.running_mean, part.weight.data, part.bias.data):
                    values.normal_()
                part.running_var.uniform_(0.5, 2)

    def forward(self, x: Any) -> Any:
        pooled = functional.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1)
        return functional.softmax(self.classes(pooled.view(pooled.size(0), -1)), dim=-1)


class UNet(nn.Module):  # type: ignore[misc]  # torch is not there
    """Down, up and side by side: an output for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.up = nn.Upsample(scale_factor=2)
        self.last = nn.Conv2d(24, 2, 1)

    def forward(self, x: Any) -> Any:
        wide = functional.relu(self.first(x))
        deep = functional.relu(self.down(wide))
        return self.last(torch.cat([self.up(deep), wide], 1))


class Function(nn.Module):  # type: ignore[misc]  # torch is not there
    """A module that computes one function, which has a parameter and a buffer at hand."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.scale = nn.Parameter(torch.tensor([[2.0], [0.5], [-1.0]]))
        self.register_buffer("shift", torch.tensor([0.5]))

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


class Two(nn.Module):  # type: ignore[misc]  # torch is not there
    """A module with two inputs, a setting and two outputs."""

    def forward(self, left: Any, right: Any, factor: float = 2.0) -> Any:
        return left * factor + right, torch.relu(right)


def train_digits(module: Any, path: Path) -> Any:
    """The module after some epochs on the digits that no test looks at."""
    with np.load(path) as data:
        images = torch.tensor(data["images"][:1400], dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
        labels = torch.tensor(data["labels"][:1400], dtype=torch.int64)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.003)
    for epoch in range(40):
        for chosen in torch.randperm(1400, generator=torch.Generator().manual_seed(epoch)).split(50):
            optimizer.zero_grad()
            functional.cross_entropy(module(images[chosen]), labels[chosen]).backward()
            optimizer.step()
    return module.eval()
