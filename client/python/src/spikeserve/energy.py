"""What a run would cost on a device, from the events that it really had. An estimate.

The energy per synaptic operation and per neuron update are those that the sources below publish; moving data
and static power are left out.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from spikeserve import _show, input_events
from spikeserve._arrays import Given
from spikeserve._keywords import Checked, checked
from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.convert.definition.units import has_units, remembers
from spikeserve.network import Network
from spikeserve.results import SimulationResult
from spikeserve.v1 import network_pb2 as network_pb


@dataclass(frozen=True)
class Device(Checked):
    """Joule per synaptic operation and per neuron update.

    A device that is not `spiking` computes every connection and neuron once per step, spikes or not. One
    that is not `signed` has no spikes with a sign, which neurons with memory send.
    """

    name: str
    synaptic_j: float
    neuron_j: float
    spiking: bool
    source: str = ""
    signed: bool = True


_DEGNAN = "Degnan, Marr, Hasler, IEEE TVLSI 24(1), 2015"
_HOEPPNER = "Hoeppner et al., IEEE TCAS-I 66(8), 2019"
DEVICES: Mapping[str, Device] = {
    device.name: device
    for device in (
        Device("cpu", 8.6e-9, 8.6e-9, False, _DEGNAN),
        Device("gpu", 0.3e-9, 0.3e-9, False, _DEGNAN),
        Device("arm", 0.9e-9, 0.9e-9, False, _DEGNAN),
        Device("loihi", 27.1e-12, 81e-12, True, "Davies et al., IEEE Micro 38(1), 2018", signed=False),
        Device("spinnaker", 13.3e-9, 26e-9, True, _HOEPPNER),
        Device("spinnaker2", 450e-12, 2.19e-9, True, _HOEPPNER),
    )
}


@dataclass(frozen=True)
class EnergyEstimate:
    """Joule per inference, an estimate.

    `synaptic_j` and `neuron_j` are those of the spiking run, `float_j` is one pass of the float network on
    the same device (every connection and every neuron once).
    """

    device: Device
    synaptic_operations: float  # per inference, of spikes; on a device that is not spiking: all, every step
    input_operations: float  # per inference: weights behind the inputs; see `input_count`
    neuron_updates: float  # per inference: neurons x steps
    synaptic_j: float  # of both kinds of operations
    neuron_j: float
    float_j: float
    input_count: str = "upper bound"  # of input_operations: "counted", "expected" or "upper bound"
    notes: tuple[str, ...] = ()  # on what is not counted
    warnings: tuple[str, ...] = ()  # where the device does not run such a network

    @property
    def total_j(self) -> float:
        """Of the spiking run."""
        return self.synaptic_j + self.neuron_j

    def __repr__(self) -> str:
        return _show.line(
            "EnergyEstimate",
            f"on {self.device.name}, per inference",
            f"{self.total_j:.3g} J",
            f"float network {self.float_j:.3g} J",
            f"{self.synaptic_operations:,.0f} synaptic operations",
            f"{self.input_operations:,.0f} input operations ({self.input_count})",
            f"{self.neuron_updates:,.0f} neuron updates",
        )


@dataclass(frozen=True)
class Connections:
    """Weights of a network, counted once per use: what one pass of the float network multiplies."""

    from_inputs: int
    from_neurons: int
    neurons: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.from_inputs + self.from_neurons


def count_connections(network: Network) -> Connections:
    """Counts Affine and Conv operations (output elements times the weights behind each) and neurons.

    Average pools, sums and reshaping count nothing; the units of max pools and products
    count as neurons. An operation
    belongs to the inputs where no neuron lies before it.
    """
    definition = network.definition
    behind = _behind_neurons(definition)
    shapes = operation_shapes(definition)
    tensors = {tensor.id: tuple(tensor.shape) for tensor in definition.tensors}
    counts = {True: 0, False: 0}
    for operation in definition.operations:
        counts[behind[operation.name]] += _weights(operation, shapes, tensors)
    neurons = sum(math.prod(shapes[item.name]) for item in definition.operations if has_units(item))
    return Connections(counts[False], counts[True], neurons)


def _behind_neurons(definition: network_pb.NetworkDefinition) -> dict[str, bool]:
    """By operation: whether it is a neuron layer, or one lies before it."""
    sources: dict[str, list[str]] = {}
    for connection in definition.connections:
        sources.setdefault(connection.target, []).append(connection.source)
    behind = {operation.name: has_units(operation) for operation in definition.operations}
    pending = [name for name, is_behind in behind.items() if not is_behind]
    changed = True
    while changed:
        found = [name for name in pending if any(behind[source] for source in sources.get(name, []))]
        behind |= dict.fromkeys(found, True)
        pending = [name for name in pending if not behind[name]]
        changed = bool(found)
    return behind


def _weights(
    operation: network_pb.Operation,
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Mapping[str, tuple[int, ...]],
) -> int:
    kind = operation.WhichOneof("kind")
    if kind not in ("affine", "conv"):
        return 0
    weight = tensors[getattr(operation, kind).weight]  # [out, in...]
    return math.prod(shapes[operation.name]) * math.prod(weight[1:])


def _first_operations(definition: network_pb.NetworkDefinition) -> list[network_pb.Operation]:
    """The Affine and Conv operations that no neuron lies before."""
    behind = _behind_neurons(definition)
    return [
        operation
        for operation in definition.operations
        if operation.WhichOneof("kind") in ("affine", "conv") and not behind[operation.name]
    ]


@checked
def estimate_energy(
    network: Network,
    result: SimulationResult,
    device: str | Device,
    inputs: Given | None = None,
) -> EnergyEstimate:
    """Energy per inference of a run with statistics on a device, next to the float network on the same one.

    On spiking devices synaptic operations are those that the spikes of the run caused; of neurons with memory
    only those of spikes that were not taken back, as a note of the estimate says, unless the run has
    gross_statistics. A device without signed
    spikes does not run such neurons, which is warned about. With the `inputs` of
    the run an element of an input costs the weights behind it in every step in which it is not zero, or for
    every spike that its encoding makes of it (on average, where that is random). Without them, and on devices
    that are not spiking, every weight counts in every step. ValueError for an unknown device, a result
    without statistics or inputs of another run.
    """
    if isinstance(device, str):
        if device not in DEVICES:
            raise ValueError(f"device is {device!r}, give a Device or one of {', '.join(DEVICES)}")
        device = DEVICES[device]
    if not result.stats:
        raise ValueError("the result has no statistics: simulate with statistics=True")
    connections = count_connections(network)
    samples = result.samples
    steps = float(result.settings.steps)
    if result.steps_used is not None:
        steps = float(result.steps_used.mean())
    spiking_operations = sum(layer.synaptic_operations for layer in result.stats) / samples
    operations = spiking_operations if device.spiking else connections.from_neurons * steps
    input_operations, known = connections.from_inputs * steps, "upper bound" if device.spiking else "counted"
    if inputs is not None and device.spiking:
        input_operations, known = input_events.count(
            network.definition, _first_operations(network.definition), inputs, result
        )
    updates = connections.neurons * steps
    notes, complaints = _about_memory(network, device, net=any(layer.net for layer in result.stats))
    for text in complaints:
        warnings.warn(text, stacklevel=3)
    return EnergyEstimate(
        device=device,
        synaptic_operations=operations,
        input_operations=input_operations,
        neuron_updates=updates,
        synaptic_j=(operations + input_operations) * device.synaptic_j,
        neuron_j=updates * device.neuron_j,
        float_j=connections.total * device.synaptic_j + connections.neurons * device.neuron_j,
        input_count=known,
        notes=notes,
        warnings=complaints,
    )


def _about_memory(network: Network, device: Device, net: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(notes, warnings) about neurons with memory on a spiking device, by `net` statistics or gross ones."""
    names = [f"'{item.name}'" for item in network.definition.operations if remembers(item)]
    if not names or not device.spiking:
        return (), ()
    layers = _show.some_of(names)
    note = (
        f"{layers}: spikes that neurons with memory take back, and those that these cancel, are not counted; "
        "a device sends them all, so that this is a lower bound: a few percent too low with direct inputs, "
        "several times with inputs whose spikes come at different times; simulate with gross_statistics=True"
    )
    notes = (note,) if net else ()
    if device.signed:
        return notes, ()
    return notes, (
        f"{layers}: neurons with memory send spikes with a sign, which {device.name} does not have; estimate "
        "a network that is converted with preset 'spikeserve', or another device",
    )
