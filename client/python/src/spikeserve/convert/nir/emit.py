"""Writes checked nodes as operations, with filters on the connections that leave populations and inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.draft import add_tensor
from spikeserve.convert.errors import UnsupportedError
from spikeserve.convert.lower.builder import Value, check_size, clean_name
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.neurons import set_model
from spikeserve.convert.models.synapses import LinearFilter, Lowpass, Synapse, set_synapse
from spikeserve.convert.nir.neurons import MAX_DELAY_STEPS
from spikeserve.v1 import network_pb2 as pb

_MAX_ORDER = 4
_MAX_TOTAL = 1 << 28  # values per sample of all operations


@dataclass(frozen=True)
class Filter:
    """Low-passes in series and a delay: linear, so that they may stand in front of any linear operation."""

    taus: tuple[float, ...] = ()  # s, of an exponential decay over each step
    delay_steps: int = 0
    endless: bool = False  # holds a running sum

    def behind(self, other: Filter) -> Filter:
        """Both in series; UnsupportedError beyond what a connection can have."""
        taus, steps = other.taus + self.taus, other.delay_steps + self.delay_steps
        if len(taus) > _MAX_ORDER or steps > MAX_DELAY_STEPS:
            raise UnsupportedError(
                f"{len(taus)} filters and {steps} steps of delay in series, a connection has at most "
                f"{_MAX_ORDER} and {MAX_DELAY_STEPS}",
                "put spiking neurons in between",
            )
        return Filter(taus, steps, self.endless or other.endless)

    def synapse(self, dt: float) -> Synapse | None:
        """What takes these steps: a filter hands on the value of the same step, the last one a step later."""
        if not self.taus:
            return None
        if len(self.taus) == 1:
            return Lowpass(self.taus[0])
        decays = [math.exp(-dt / tau) if tau > 0 else 0.0 for tau in self.taus]
        gain = math.prod(-math.expm1(-dt / tau) if tau > 0 else 1.0 for tau in self.taus)
        den = np.poly(decays)
        return LinearFilter([gain, *[0.0] * len(decays)], den, analog=False)

    def write(self, holder: pb.Connection | pb.Probe, dt: float) -> None:
        """Sets it on a connection or probe."""
        set_synapse(holder, self.synapse(dt))
        if self.delay_steps:
            holder.delay_steps = self.delay_steps


NONE = Filter()


@dataclass(frozen=True)
class Signal:
    """A value, and the filter that a connection which leaves its operation has to have."""

    value: Value
    filter: Filter = NONE

    def layout(self, values: Array) -> Array:
        """An array of the shape of the value in the axis order of the operation."""
        return np.ascontiguousarray(np.transpose(values, np.argsort(self.value.order)))


@dataclass
class Writer:
    """The definition as far as it is made."""

    dt: float
    definition: pb.NetworkDefinition = field(default_factory=lambda: pb.NetworkDefinition(format_version=1))
    _names: set[str] = field(default_factory=set)
    _tensors: dict[str, str] = field(default_factory=dict)
    _permutes: dict[tuple[Value, Filter], Signal] = field(default_factory=dict)
    _total: int = 0

    def operation(self, name: str) -> pb.Operation:
        """A new operation under a free name."""
        name = _unique(clean_name(name), self._names)
        self._names.add(name)
        return self.definition.operations.add(name=name)

    def plain_value(self, operation: pb.Operation, shape: tuple[int, ...]) -> Value:
        """The output of an operation in its own axis order."""
        check_size(shape, "its output")
        self._total += math.prod(shape)
        if self._total > _MAX_TOTAL:
            raise UnsupportedError(
                f"the network has {self._total} values per sample, the limit is {_MAX_TOTAL}",
                "use a smaller input",
            )
        return Value(operation.name, shape, tuple(range(len(shape))))

    def add(self, name: str, sources: list[Signal], shape: tuple[int, ...], kind: str) -> pb.Operation:
        """An operation that reads the signals, each through its filter; `kind` is a field of Operation."""
        check_size(shape, "its output")
        operation = self.operation(name)
        getattr(operation, kind).SetInParent()
        for source in sources:
            connection = self.definition.connections.add(source=source.value.operation, target=operation.name)
            source.filter.write(connection, self.dt)
        return operation

    def plain(self, signal: Signal) -> Signal:
        """The signal in its own axis order; a Permute, once for each filter, where that takes one."""
        value = signal.value
        if value.plain:
            return signal
        key = (value, signal.filter)
        if key not in self._permutes:
            operation = self.add(f"{value.operation}/permute", [signal], value.shape, "permute")
            operation.permute.permutation.extend(value.order)
            self._permutes[key] = Signal(self.plain_value(operation, value.shape))
        return self._permutes[key]

    def channels_last(self, signal: Signal) -> Signal:
        """A signal of a value with its channels first, as Conv and Pool take it."""
        axes = (*range(1, len(signal.value.shape)), 0)
        return self.plain(Signal(signal.value.permuted(axes), signal.filter))

    def channels_first(self, operation: pb.Operation, shape: tuple[int, ...]) -> Signal:
        """What Conv or Pool makes, as a value of this shape with its channels first."""
        axes = (len(shape) - 1, *range(len(shape) - 1))
        return Signal(self.plain_value(operation, (*shape[1:], shape[0])).permuted(axes))

    def elementwise(self, operation: pb.Operation, source: Signal) -> Signal:
        """What an operation makes that was given the layout of its source."""
        return Signal(replace(self.plain_value(operation, source.value.stored), order=source.value.order))

    def tensor(self, name: str, values: Array) -> str:
        """A float32 blob under the name, once."""
        if name not in self._tensors:
            ident = _unique(clean_name(name), set(self._tensors.values()))
            self._tensors[name] = add_tensor(self.definition, ident, values)
        return self._tensors[name]

    def parameter(self, holder: pb.Parameter, name: str, values: Array) -> None:
        """One number where all are equal, a value per channel where these are, else one for each."""
        first = values.reshape(-1, values.shape[-1])[0]
        if (values == first[0]).all():
            holder.scalar = float(np.float32(first[0]))
        elif values.ndim > 1 and (values == first).all():
            holder.tensor = self.tensor(name, first)
        else:
            holder.tensor = self.tensor(name, values)

    def population(
        self, name: str, source: Signal, model: NeuronModel, gain: Array, bias: Array | None, start: Array
    ) -> Signal:
        """A Neuron operation; parameters in the order of the value."""
        operation = self.add(name, [source], source.value.stored, "neuron")
        set_model(operation.neuron, model)
        gains = source.layout(gain)
        if (gains != 1).any():
            self.parameter(operation.neuron.gain, f"{name}/gain", gains)
        if bias is not None:
            self.parameter(operation.neuron.bias, f"{name}/bias", source.layout(bias))
        starts = source.layout(start)
        if (starts == starts.ravel()[0]).all():
            operation.neuron.initial_voltage.constant = float(starts.ravel()[0])
        else:
            operation.neuron.initial_voltage.tensor = self.tensor(f"{name}/start", starts)
        return self.elementwise(operation, source)


def _unique(base: str, taken: set[str]) -> str:
    name, count = base, 2
    while name in taken:
        name, count = f"{base}_{count}", count + 1
    return name
