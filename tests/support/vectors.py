"""The golden runs of tests/data/conformance as definitions that a server takes; its README has the format."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import spikeserve
from spikeserve import Network
from spikeserve.convert.models.neurons import NeuronModel, set_model
from spikeserve.convert.models.synapses import set_synapse
from spikeserve.v1 import network_pb2 as pb

FOLDER = Path(__file__).resolve().parent.parent / "data" / "conformance"

Values = npt.NDArray[np.float64]
Json = dict[str, Any]

# The client's classes by the names of the cases; parameters a case does not name have Nengo's defaults.
_NEURONS: dict[str, type[Any]] = {
    "SpikingRectifiedLinear": spikeserve.SpikingRectifiedLinear,
    "RectifiedLinear": spikeserve.RectifiedLinear,
    "Sigmoid": spikeserve.Sigmoid,
    "Tanh": spikeserve.Tanh,
    "LIF": spikeserve.LIF,
    "LIFRate": spikeserve.LIFRate,
    "AdaptiveLIF": spikeserve.AdaptiveLIF,
    "Izhikevich": spikeserve.Izhikevich,
    "RegularSpiking": spikeserve.RegularSpiking,
}


class MissingPartError(Exception):
    """The server has no such neuron type, parameter or synapse."""


@dataclass(frozen=True)
class Probe:
    """A probe and what it showed, [sample, step, size]."""

    name: str
    voltage: bool
    expected: Values
    spike_height: (
        float | None
    )  # amplitude/dt where the probe shows plain spikes; `counts` then has their number

    @property
    def counts(self) -> str:
        """The name of the probe of the spike counts beside this one."""
        return f"{self.name}.counts"


@dataclass(frozen=True)
class Vector:
    """One golden run."""

    name: str
    means_only: bool
    threshold_ties: bool
    dt: float
    steps: int
    inputs: Values  # [sample, size] or [sample, step, size]
    probes: tuple[Probe, ...]
    network: Network


def names() -> list[str]:
    """All golden runs."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> Vector:
    """The golden run `name`; MissingPartError where it uses what the server does not have."""
    case: Json = json.loads((FOLDER / f"{name}.json").read_text())
    arrays = _arrays(f"{name}.npz") | (_arrays(case["weights"]) if "weights" in case else {})
    builder = _Builder(case, arrays)
    builder.build()
    return Vector(
        name=name,
        means_only=case["rule"] == "means",
        threshold_ties=bool(case.get("threshold_ties")),
        dt=case["dt"],
        steps=case["steps"],
        inputs=arrays["input"],
        probes=tuple(builder.probes),
        network=Network(builder.definition),
    )


def _arrays(file: str) -> dict[str, Values]:
    with np.load(FOLDER / file) as stored:
        return {key: stored[key].astype(np.float64) for key in stored.files}


class _Builder:
    """Builds the definition of one case."""

    def __init__(self, case: Json, arrays: dict[str, Values]) -> None:
        self.case, self.arrays = case, arrays
        self.definition = pb.NetworkDefinition(format_version=1)
        self.probes: list[Probe] = []

    def build(self) -> None:
        for layer in self.case["layers"]:
            self._layer(layer)
        for probe in self.case["probes"]:
            self._probe(probe)

    def _layer(self, layer: Json) -> None:
        name = layer["name"]
        if layer["kind"] == "input":
            self.definition.operations.add(name=name).input.shape.append(layer["size"])
            return
        source, synapse = self._sum(name)
        operation = self.definition.operations.add(name=name)
        if layer["kind"] == "neurons":
            self._neurons(operation.neuron, layer)
        elif layer["bias"] is None:
            operation.weighted_sum.coefficients.append(1.0)
        else:
            operation.scale_shift.shift = self._tensor(layer["bias"])
        self._connect(source, name, synapse)

    def _neurons(self, neuron: pb.NeuronOperation, layer: Json) -> None:
        set_model(neuron, _model(layer["neuron"]))
        for parameter, value in ((neuron.gain, layer["gain"]), (neuron.bias, layer["bias"])):
            if isinstance(value, str):
                parameter.tensor = self._tensor(value)
            elif value is not None:
                parameter.scalar = value
        if layer.get("spiking"):
            voltage = layer["initial_voltage"]
            if isinstance(voltage, str):
                neuron.initial_voltage.tensor = self._tensor(voltage)
            else:
                neuron.initial_voltage.constant = voltage

    def _sum(self, layer: str) -> tuple[str, Json | None]:
        """Where the layer reads the sum of its edges; one plain edge needs no operation of its own."""
        edges = [edge for edge in self.case["edges"] if edge["dst"] == layer]
        sources = [self._edge(edge, f"{layer}.edge{index}") for index, edge in enumerate(edges)]
        scales = [edge["transform"].get("scale", 1.0) for edge in edges]
        if scales == [1.0]:
            return sources[0]
        name = f"{layer}.sum"
        self.definition.operations.add(name=name).weighted_sum.coefficients.extend(scales)
        for source, synapse in sources:
            self._connect(source, name, synapse)
        return name, None

    def _edge(self, edge: Json, name: str) -> tuple[str, Json | None]:
        transform = edge["transform"]
        if transform["kind"] == "identity":
            return edge["src"], edge["synapse"]
        if transform["kind"] == "dense":
            self.definition.operations.add(name=name).affine.weight = self._tensor(transform["weight"])
            self._connect(edge["src"], name, edge["synapse"])
            return name, None
        image, conv = f"{name}.image", f"{name}.conv"
        self.definition.operations.add(name=image).reshape.shape.extend(transform["input_shape"])
        self._connect(edge["src"], image, edge["synapse"])
        size = self._convolution(self.definition.operations.add(name=conv).conv, transform)
        self._connect(image, conv, None)
        self.definition.operations.add(name=name).reshape.shape.append(size)
        self._connect(conv, name, None)
        return name, None

    def _convolution(self, conv: pb.ConvOperation, transform: Json) -> int:
        """Fills the operation and returns the number of its outputs."""
        kernel = self.arrays[f"array:{transform['weight']}"]  # [kh, kw, in, out]
        conv.weight = self._tensor(transform["weight"], np.moveaxis(kernel, (3, 2), (0, 1)))
        conv.stride.extend(transform["strides"])
        conv.dilation.extend([1, 1])
        conv.groups = 1
        extents: list[int] = []
        for axis, stride in enumerate(transform["strides"]):
            length, window = transform["input_shape"][axis], kernel.shape[axis]
            same = transform["padding"] == "same"
            extents.append(-(-length // stride) if same else (length - window) // stride + 1)
            pad = max((extents[-1] - 1) * stride + window - length, 0) if same else 0
            conv.pad_before.append(pad // 2)
            conv.pad_after.append(pad - pad // 2)
        return math.prod([*extents, int(kernel.shape[3])])

    def _probe(self, probe: Json) -> None:
        name, target, voltage = probe["name"], probe["target"], probe["quantity"] == "voltage"
        quantity = pb.PROBE_QUANTITY_VOLTAGE if voltage else pb.PROBE_QUANTITY_OUTPUT
        added = self.definition.probes.add(name=name, target=target, quantity=quantity)
        _set_synapse(added, probe["synapse"])
        layer = next(item for item in self.case["layers"] if item["name"] == target)
        height = None
        if layer.get("spiking") and not voltage and probe["synapse"] is None:
            height = layer["neuron"].get("amplitude", 1.0) / self.case["dt"]
        self.probes.append(Probe(name, voltage, self.arrays[f"expected:{name}"], height))
        if height is not None:
            self.definition.probes.add(
                name=self.probes[-1].counts, target=target, quantity=pb.PROBE_QUANTITY_SPIKES
            )

    def _connect(self, source: str, target: str, synapse: Json | None) -> None:
        _set_synapse(self.definition.connections.add(source=source, target=target), synapse)

    def _tensor(self, name: str, values: Values | None = None) -> str:
        array = self.arrays[f"array:{name}"] if values is None else values
        if all(tensor.id != name for tensor in self.definition.tensors):
            data = np.ascontiguousarray(array, "<f8").tobytes()
            self.definition.tensors.add(id=name, shape=array.shape, data_type=pb.DATA_TYPE_FLOAT64, data=data)
        return name


def _model(case: Json) -> NeuronModel:
    cls = _NEURONS.get(case["type"])
    if cls is None:
        raise MissingPartError(f"the server has no neuron type {case['type']}")
    given = {name: value for name, value in case.items() if name != "type"}
    if "base" in given:
        given["base"] = _model(given["base"])
    if unknown := given.keys() - {field.name for field in fields(cls)}:
        raise MissingPartError(f"the server's {case['type']} has no parameter {', '.join(sorted(unknown))}")
    return cls(**given)  # type: ignore[no-any-return]


def _set_synapse(holder: pb.Connection | pb.Probe, case: Json | None) -> None:
    if case is None:
        return
    ((kind, value),) = case.items()
    makers: dict[str, Any] = {
        "lowpass": spikeserve.Lowpass,
        "alpha": spikeserve.Alpha,
        "triangle": spikeserve.Triangle,
    }
    if kind == "linear":
        set_synapse(holder, spikeserve.LinearFilter(**value))
    elif kind in makers:
        set_synapse(holder, makers[kind](value))
    else:
        raise MissingPartError(f"the server has no synapse {json.dumps(case)}")
