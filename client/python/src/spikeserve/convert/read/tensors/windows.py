"""Where the windows of convolutions and pools lie, as ONNX and torch count them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spikeserve.convert.errors import UnsupportedError

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Windows:
    """Windows over the spatial axes, one number or pair of numbers for each of them."""

    size: Sequence[int]
    stride: Sequence[int]
    dilation: Sequence[int]
    padding: Pairs  # before and after
    rounded_up: bool = False  # windows that begin inside and end outside count too

    def check(self, rank: int) -> None:
        """UnsupportedError unless there are numbers for `rank` axes that make sense."""
        lists = {"size": self.size, "strides": self.stride, "dilations": self.dilation}
        for what, values in lists.items():
            if len(values) != rank or any(value < 1 for value in values):
                raise UnsupportedError(f"its {what} are {list(values)}", f"give {rank} positive numbers")
        if len(self.padding) != rank or any(value < 0 for pair in self.padding for value in pair):
            raise UnsupportedError(f"its padding is {self.padding}", f"give {rank} pairs of numbers from 0")

    def placed(self, spatial: Sequence[int]) -> tuple[list[int], Pairs]:
        """Output sizes, and the padding with what windows that end outside need more."""
        self.check(len(spatial))
        sizes: list[int] = []
        padding: Pairs = []
        settings = zip(spatial, self.size, self.stride, self.dilation, self.padding, strict=True)
        for n, k, s, d, (before, after) in settings:
            reach = (k - 1) * d + 1
            room = n + before + after - reach
            if room < 0:
                raise UnsupportedError(
                    f"a window of {reach} does not fit into an axis of {n + before + after}",
                    "check the input shape",
                )
            count = room // s + 1
            if self.rounded_up and room % s and count * s < n + before:
                count += 1
            sizes.append(count)
            padding.append((before, after + max((count - 1) * s - room, 0)))
        return sizes, padding


def same_padding(
    spatial: Sequence[int], size: Sequence[int], stride: Sequence[int], dilation: Sequence[int], upper: bool
) -> Pairs:
    """The padding that gives every stride a window; an odd zero goes to the end where `upper`."""
    pairs = []
    for n, k, s, d in zip(spatial, size, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if upper else (more, less))
    return pairs
