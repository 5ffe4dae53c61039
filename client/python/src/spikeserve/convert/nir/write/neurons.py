"""Populations and filters as nodes of NIR, with what is lost on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import Problem, UnsupportedError
from spikeserve.convert.models.integrating import (
    LIF,
    IntegrateAndFire,
    MemoryRectifiedLinear,
    SpikingRectifiedLinear,
)
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.neurons import get_model
from spikeserve.convert.models.per_step import SUM_STEPS, tau_of_euler
from spikeserve.convert.nir.neurons import PER_STEP
from spikeserve.convert.nir.write.nodes import OutGraph, Shape, Wave, joined
from spikeserve.v1 import network_pb2 as pb

_FORGETS = 1 / 17.5  # of a step: exp(-17.5) is nothing beside 1
_REMEMBERS = 2.0**30  # steps, after which a leak is below what a float32 holds
_SAME = 1e-6
_ROUNDED = 1e-12  # of the way to the time constant of an exponential and back


@dataclass(frozen=True, eq=False)
class Population:
    """A Neuron operation with all parameters in the order of its nodes; J = bias + gain*S."""

    name: str
    model: NeuronModel
    gain: Array
    bias: Array
    start: Array | None  # None: drawn when a run starts


@dataclass
class Losses:
    """What the file does not say of the network: texts, each with the operations that it is of."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        """Notes a loss of an operation."""
        self.found.setdefault(text, []).append(name)

    def lines(self) -> list[str]:
        """One for each text."""
        return [f"{', '.join(map(repr, names))}: {text}" for text, names in self.found.items()]

    def problems(self) -> list[Problem]:
        """One for each operation, where nothing may be lost."""
        advice = "write it with approximate=True, or train for a neuron that NIR has"
        return [Problem(name, "neuron", text, advice) for text, names in self.found.items() for name in names]


def read_population(op: pb.Operation, wave: Wave, shape: Shape, tensors: dict[str, Array]) -> Population:
    """The parameters of an operation, for the nodes of what it reads."""
    body = op.neuron
    gain = _parameter(body.gain, 1.0, shape, tensors)
    bias = _parameter(body.bias, 0.0, shape, tensors)
    voltage = body.initial_voltage
    kind = voltage.WhichOneof("kind")
    start: Array | None = np.zeros(shape)
    if kind == "constant":
        start = np.full(shape, voltage.constant)
    elif kind == "tensor":
        start = tensors[voltage.tensor].reshape(shape)
    laid = None if kind == "uniform" or start is None else wave.laid_out(start)
    return Population(op.name, get_model(body), wave.laid_out(gain), wave.laid_out(bias), laid)


def _parameter(value: pb.Parameter, default: float, shape: Shape, tensors: dict[str, Array]) -> Array:
    kind = value.WhichOneof("kind")
    number = default if kind is None else tensors[value.tensor] if kind == "tensor" else value.scalar
    return np.broadcast_to(np.asarray(number, np.float64), shape)


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a population goes: behind these nodes, whose sum it reads."""

    graph: OutGraph
    names: list[str]
    dt: float
    own: bool  # the nodes are weights that nobody else reads
    foreign: bool  # a spike counts for something else than 1, so that the network never was a NIR file


def spiking(graph: OutGraph, wave: Wave, one: Population, dt: float, own: bool, losses: Losses) -> Wave:
    """The node of a population; what it sends counts for amplitude/dt per spike in the definition.

    `own`: nobody else reads the weights in front of it.
    """
    model = one.model
    names, factor = joined(graph, wave, one.name)
    place = _Place(graph, names, dt, own, abs(model.amplitude / dt - 1) > _SAME)
    one = replace(one, gain=one.gain * factor)
    if isinstance(model, LIF):
        _check_lif(one, model, dt, losses)
        if model.tau_rc <= _FORGETS * dt:
            node = _threshold(place, one)
        elif model.tau_rc >= _REMEMBERS * dt:
            node = _integrating(place, one, dt / model.tau_rc, one.start)
        else:
            node = _leaky(place, one, model, losses)
    elif isinstance(model, (IntegrateAndFire, SpikingRectifiedLinear, MemoryRectifiedLinear)):
        losses.add(one.name, _integrating_loss(model, one, dt))
        node = _integrating(place, one, dt, None)
    else:
        raise UnsupportedError(
            f"NIR has no {type(model).__name__} neuron", "train for IntegrateAndFire or LIF"
        )
    return Wave({node: model.amplitude / dt if place.foreign else 1.0}, wave.index)


def _check_lif(one: Population, model: LIF, dt: float, losses: Losses) -> None:
    if model.tau_ref:
        losses.add(one.name, f"its refractory period of {model.tau_ref:g} s is left out, which NIR's has not")
    if model.min_voltage != -math.inf and model.tau_rc > _FORGETS * dt:
        losses.add(one.name, f"its lower bound of the voltage, {model.min_voltage:g}, is left out")
    if one.start is None:
        losses.add(one.name, "its drawn initial voltages are left out")


def _integrating_loss(model: NeuronModel, one: Population, dt: float) -> str:
    text = "it keeps what is above the threshold and sends several spikes per step, where NIR's IF resets"
    if isinstance(model, MemoryRectifiedLinear):
        text = "it takes spikes back, which NIR's IF does not, and computes rates in the mean of a long run"
    if one.start is None or one.start.any():
        text += "; its initial voltage is left out"
    same = "reset='subtract'"
    if isinstance(model, IntegrateAndFire) and model.min_voltage != -math.inf:
        same += f", min_voltage={model.min_voltage:g}"
    return f"{text} (read it with dt={dt:g}, {same})"


def _threshold(place: _Place, one: Population) -> str:
    if (one.gain <= 0).any():
        raise UnsupportedError("a threshold whose gain is not above 0", "scale what it reads")
    level = _f32((1 - one.bias) / one.gain)
    return place.graph.add(one.name, "Threshold", one.gain.shape, place.names, threshold=level)


def _integrating(place: _Place, one: Population, per_step: float, start: Array | None) -> str:
    """IF with a threshold 1 above its reset; a current of 1 adds `per_step` to the voltage in a step."""
    charge, offset = one.gain * per_step, one.bias * per_step
    if place.foreign or offset.any():
        charge, offset = _taken_up(place, charge, offset)
    if offset.any():
        raise UnsupportedError("it has a bias, NIR's IF has none", "have it follow Affine or Conv")
    begin = np.zeros(charge.shape) if start is None else start
    r = charge if float(np.median(np.abs(charge))) * place.dt < PER_STEP else charge / place.dt
    return place.graph.add(
        one.name, "IF", charge.shape, place.names,
        r=_f32(r), v_threshold=_f32(1 - begin), v_reset=_f32(-begin),
    )  # fmt: skip


def _leaky(place: _Place, one: Population, model: LIF, losses: Losses) -> str:
    gain, rest = one.gain, one.bias
    if one.start is not None and np.abs(one.start - np.minimum(rest, 1.0)).max() > _SAME:
        losses.add(one.name, "its initial voltage is left out: in the file it starts at v_leak")
    if place.foreign:
        gain, rest = _taken_up(place, gain, rest)
    shape = gain.shape
    return place.graph.add(
        one.name, "LIF", shape, place.names,
        tau=_times(shape, tau_of_euler(model.tau_rc, place.dt)), r=_f32(gain), v_leak=_f32(rest),
        v_threshold=_f32(np.ones(shape)), v_reset=_f32(np.zeros(shape)),
    )  # fmt: skip


def _taken_up(place: _Place, gain: Array, bias: Array) -> tuple[Array, Array]:
    """Gain and bias put into the weights in front, which most tools read better than r; what is left."""
    if not place.own or len(place.names) > 1:
        return gain, bias
    node = place.graph.nodes[place.names[0]]
    if node.kind not in ("Affine", "Conv1d", "Conv2d"):
        return gain, bias
    rows = _by_row(gain, node.kind), _by_row(bias, node.kind)
    if rows[0] is None or rows[1] is None:
        return gain, bias
    weight, offset = (np.asarray(node.fields[name]) for name in ("weight", "bias"))
    node.fields["weight"] = _f32(weight * rows[0].reshape(-1, *[1] * (weight.ndim - 1)))
    node.fields["bias"] = _f32(offset * rows[0] + rows[1])
    return np.ones(gain.shape), np.zeros(bias.shape)


def _by_row(values: Array, kind: str) -> Array | None:
    """One value for each row of the weights in front, or None where they differ within one."""
    rows = values if kind == "Affine" else np.moveaxis(values, 0, -1)
    rows = rows.reshape(-1, rows.shape[-1])
    return rows[0] if (rows == rows[0]).all() else None


def filtered(graph: OutGraph, wave: Wave, source: pb.Connection | pb.Probe, dt: float) -> Wave:
    """What a connection or probe makes of a value: LI, I and Delay nodes, one set for all that ask for it."""
    terms = dict(wave.terms)
    if source.HasField("synapse"):
        for tau in _taus(source.synapse, dt):
            terms = {
                _leak(graph, name, wave.shape, tau, dt): _leak_factor(tau, dt) * f
                for name, f in terms.items()
            }
    if source.delay_steps:
        time = np.full(wave.shape, source.delay_steps * dt, np.float32)
        terms = {_shared(graph, name, "Delay", wave.shape, delay=time): f for name, f in terms.items()}
    return Wave(terms, wave.index)


def _taus(synapse: pb.Synapse, dt: float) -> list[float]:
    """The time constants of low-passes that do the same, each on the value of the same step."""
    if synapse.WhichOneof("kind") == "lowpass":
        return [synapse.lowpass.tau]
    body = synapse.linear_filter
    num, den = np.array(body.num), np.array(body.den)
    if synapse.WhichOneof("kind") == "linear_filter" and body.discrete and len(num) == len(den):
        decays = np.roots(den)
        real = np.abs(decays.imag) < _SAME
        gain = float(np.prod(1 - decays).real)
        plain = not num[1:].any() and abs(num[0] / den[0] - gain) <= _SAME * abs(gain)
        if plain and real.all() and (decays.real >= 0).all():
            return [-dt / math.log(a) if a > 0 else 0.0 for a in decays.real.tolist()]
    raise UnsupportedError(
        f"its synapse is a {str(synapse.WhichOneof('kind')).replace('_', ' ')}", "take low-passes"
    )


def _leak_factor(tau: float, dt: float) -> float:
    return 1 / SUM_STEPS if _sums(tau, dt) else 1.0


def _sums(tau: float, dt: float) -> bool:
    return tau >= SUM_STEPS * dt * (1 - _SAME)


def _leak(graph: OutGraph, name: str, shape: Shape, tau: float, dt: float) -> str:
    ones, none = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    if _sums(tau, dt):
        return _shared(graph, name, "I", shape, r=ones)
    return _shared(graph, name, "LI", shape, tau=_times(shape, tau_of_euler(tau, dt)), r=ones, v_leak=none)


def _shared(graph: OutGraph, source: str, kind: str, shape: Shape, **fields: Array) -> str:
    """A node behind another one, the same for all who ask for it."""
    for name in graph.readers(source):
        node = graph.nodes[name]
        if node.kind == kind and all(
            np.array_equal(np.asarray(node.fields[k]), v) for k, v in fields.items()
        ):
            return name
    return graph.add(f"{source}.{kind.lower()}", kind, shape, [source], **fields)


def merge_synapses(graph: OutGraph) -> None:
    """LIF nodes whose inputs all pass one low-pass, with nothing but weights in between, become CubaLIF."""
    for name in [name for name, node in graph.nodes.items() if node.kind == "LIF"]:
        leaks = _leaks_in_front(graph, name)
        taus = {float(np.asarray(graph.nodes[leak].fields["tau"]).reshape(-1)[0]) for leak in leaks}
        if len(taus) != 1:
            continue
        node = graph.nodes[name]
        node.kind = "CubaLIF"
        node.fields["tau_mem"] = node.fields.pop("tau")
        node.fields["tau_syn"] = _times(node.shape, taus.pop())
        node.fields["w_in"] = np.ones(node.shape, np.float32)
        for leak in leaks:
            _remove(graph, leak)


def _leaks_in_front(graph: OutGraph, name: str) -> set[str]:
    """The low-passes on all paths to a node, or none where one has a bias, another reader or no low-pass."""
    found: set[str] = set()
    pending = graph.sources(name)
    seen: set[str] = set()
    while pending:
        source = pending.pop()
        if source in seen:
            continue
        seen.add(source)
        node = graph.nodes[source]
        bias = np.asarray(node.fields.get("bias", 0.0)).any()
        if len(graph.readers(source)) != 1 or bias:
            return set()
        if node.kind == "LI":
            found.add(source)
        elif node.kind in (
            "Affine",
            "Linear",
            "Conv1d",
            "Conv2d",
            "AvgPool2d",
            "SumPool2d",
            "Flatten",
            "Scale",
        ):
            pending += graph.sources(source)
        else:
            return set()
    return found


def _remove(graph: OutGraph, name: str) -> None:
    """Takes a node out; who reads it reads what it read."""
    sources, readers = graph.sources(name), graph.readers(name)
    graph.edges = [edge for edge in graph.edges if name not in edge]
    graph.edges += [(source, target) for source in sources for target in readers]
    del graph.nodes[name]


def _times(shape: Shape, tau: float) -> Array:
    """A time constant for each element, in float32 where that is the number that it comes from."""
    exact = abs(float(np.float32(tau)) / tau - 1) > _ROUNDED
    return np.full(shape, tau, np.float64 if exact else np.float32)


def _f32(values: Array) -> Array:
    return np.ascontiguousarray(values, np.float32)
