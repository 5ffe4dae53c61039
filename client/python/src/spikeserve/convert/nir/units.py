"""What a node of a NIR file stands for here, once its numbers are checked."""

from __future__ import annotations

from dataclasses import dataclass

from spikeserve.convert.arrays import Array
from spikeserve.convert.models.neuron import NeuronModel

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Pass:
    """The value that it reads: inputs, outputs, and the ports of graphs."""


@dataclass(frozen=True, eq=False)
class Dense:
    """y = W x + b on the last axis."""

    weight: Array  # [out, in]
    bias: Array | None


@dataclass(frozen=True, eq=False)
class Convolution:
    """Cross-correlation over the axes behind the first."""

    weight: Array  # [out, in/groups, kernel...]
    bias: Array | None
    stride: Shape
    dilation: Shape
    before: Shape
    after: Shape
    groups: int


@dataclass(frozen=True)
class Pooling:
    """`factor` times the mean under the window; zeros around the edge count."""

    window: Shape
    stride: Shape
    padding: Shape
    factor: int


@dataclass(frozen=True, eq=False)
class Multiply:
    """Each element times its own factor, or all times one."""

    factor: Array


@dataclass(frozen=True)
class Flat:
    """The same values in row-major order as one axis in the place of several."""


@dataclass(frozen=True, eq=False)
class Filtering:
    """Linear in time: `factor` times what the filter makes of the input, plus `shift`."""

    taus: tuple[float, ...]  # s, of the low-passes in series, as the engine's exponential takes them
    delay_steps: int = 0
    factor: Array | None = None
    shift: Array | None = None
    endless: bool = False  # it sums what it reads: a constant would grow without end


@dataclass(frozen=True, eq=False)
class Spiking:
    """A population: J = bias + gain*S, where S is what it reads behind the filter."""

    model: NeuronModel
    gain: Array
    bias: Array | None
    start: Array  # voltage before the first step
    taus: tuple[float, ...] = ()


Unit = Pass | Dense | Convolution | Pooling | Multiply | Flat | Filtering | Spiking


@dataclass(frozen=True)
class Parsed:
    """A node with its shape behind it, in the order of the file (channels first)."""

    name: str
    kind: str
    unit: Unit
    shape: Shape
