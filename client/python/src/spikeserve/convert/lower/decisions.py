"""Decides, for every call of a layer, what its activation becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from spikeserve.convert.arrays import Array
from spikeserve.convert.errors import (
    ConversionError,
    Problem,
    UnsupportedError,
    reading_configuration,
    some,
)
from spikeserve.convert.lower.activations import Activation, canonical_name, layer_activation
from spikeserve.convert.lower.functions import memory_function
from spikeserve.convert.lower.left_out import leads_out, output_activation
from spikeserve.convert.lower.rules import RULES
from spikeserve.convert.models.neuron import NeuronModel
from spikeserve.convert.models.neurons import MemoryRectifiedLinear, as_neuron
from spikeserve.convert.models.rates import Sigmoid, Tanh
from spikeserve.convert.models.spelling import has_parameters
from spikeserve.convert.models.wrappers import Wrapper
from spikeserve.convert.read.graph import Graph
from spikeserve.v1 import network_pb2 as pb


@dataclass(frozen=True)
class Decision:
    """What follows a layer's linear part: nothing, a population, or an output nonlinearity."""

    neuron: NeuronModel | None = None
    factor: float = 1.0  # of what the neurons get
    slopes: Array | None = None  # of a PReLU below 0, batch left out: other neurons are for what is there
    output: str | None = None  # "softmax", kept as the caller wants
    left_out: pb.OutputActivation | None = None  # to clients
    taken: Mapping[str, float] = field(default_factory=dict)  # by a neuron with memory given as an object


@dataclass
class Swaps:
    """The caller's swap_activations by canonical kind; None stands for linear."""

    table: dict[str, NeuronModel | None]
    default: NeuronModel
    named: set[str] = field(default_factory=set)  # kinds whose neuron is a name, without parameters
    used: set[str] = field(default_factory=set)

    def lookup(self, kind: str) -> tuple[bool, NeuronModel | None]:
        """(whether the kind is swapped, what for)."""
        if kind in self.table:
            self.used.add(kind)
            return True, self.table[kind]
        return False, None

    def unused(self) -> list[str]:
        """A message for every key that no layer uses."""
        return [
            f"swap_activations: no layer has the activation '{kind}'"
            for kind in self.table
            if kind not in self.used
        ]


def parse_swaps(swaps: Mapping[Any, Any] | None, default: NeuronModel) -> Swaps:
    """Canonical keys and neuron models; ConversionError for values that are neither."""
    table: dict[str, NeuronModel | None] = {}
    named: set[str] = set()
    for key, value in (swaps or {}).items():
        kind = canonical_name(key)
        if isinstance(value, type) or (isinstance(value, str) and not has_parameters(value)):
            named.add(kind)
        linear = value is None or (isinstance(value, str) and value.lower() in ("linear", "none"))
        try:
            table[kind] = None if linear else default if _is_relu(value) else as_neuron(value)
        except ValueError as error:
            raise ConversionError(f"swap_activations[{key!r}]: {error}") from error
    return Swaps(table, default, named)


def _is_relu(value: object) -> bool:
    return not isinstance(value, NeuronModel) and canonical_name(value) == "relu"


def decide(graph: Graph, swaps: Swaps, keep_softmax: bool) -> tuple[dict[int, Decision], list[Problem]]:
    """The decision for every node and the activations that cannot be converted."""
    consumers = graph.consumers()
    decisions: dict[int, Decision] = {}
    problems: list[Problem] = []
    for index, node in enumerate(graph.nodes):
        decisions[index] = Decision()
        if node.layer.custom is not None or node.layer.class_name not in RULES:
            continue  # no activation of a layer that is refused itself
        try:
            with reading_configuration():
                activation = layer_activation(node.layer)
                at_end = leads_out(graph, consumers, index, activation.kind)
                left_out = output_activation(node.layer, activation) if at_end else None
                slopes = node.layer.weights[0] if activation.kind == "prelu" else None
            if slopes is not None and swaps.default.remembers and "prelu" not in swaps.table:
                decisions[index] = Decision(neuron=swaps.default, slopes=slopes)
            else:
                decisions[index] = _decide(activation, left_out, swaps, keep_softmax)
        except UnsupportedError as error:
            layer = node.layer
            problems.append(Problem(layer.name, layer.class_name, error.reason, error.advice))
    return decisions, problems


def _decide(
    activation: Activation, left_out: pb.OutputActivation | None, swaps: Swaps, keep_softmax: bool
) -> Decision:
    """`left_out`: what clients would compute, where the activation is at an output and they can."""
    kind = activation.kind
    if activation.custom is not None:
        raise UnsupportedError(
            f"its activation {activation.custom} is custom code, which is never run",
            "use a standard activation",
        )
    swapped, model = swaps.lookup(kind)
    if swapped:
        return _swapped(model, activation, kind in swaps.named)
    if kind == "linear":
        return Decision()
    unable = bool(activation.options) and _memory_for(activation) is None  # no neuron has these options
    if kind in _PIECEWISE and _takes(swaps.default, activation) and not (left_out and unable):
        return Decision(neuron=_taking(swaps.default, activation))
    function = memory_function(activation)
    if function is not None and swaps.default.remembers and left_out is None:
        return Decision(neuron=function[0], factor=function[1])
    if kind == "softmax":
        _check_softmax(activation, left_out)
        if keep_softmax:
            return Decision(output="softmax")
    if left_out is not None:
        return Decision(left_out=left_out)
    if kind == "relu":
        raise _refused(swaps.default, activation)
    raise _without_neuron(activation)


def _without_neuron(activation: Activation) -> UnsupportedError:
    """What to do about an activation inside of the network that the default neuron does not compute."""
    kind = activation.kind
    swap = f"swap_activations={{'{kind}': '{_SWAPS.get(kind)}'}}"
    remembered = _memory_for(activation) is not None or memory_function(activation) is not None
    preset = f", or {_PRESETS}" if remembered else ""
    if kind not in _SWAPS:
        reason = "has no neuron by default" if remembered else "has no spiking form"
        return UnsupportedError(f"the hidden activation '{kind}' {reason}", f"train with relu{preset}")
    if kind in _OF_EACH_STEP:
        advice = f"train with relu{preset}. {swap} converts it, with a bias: it {_BIAS}"
    else:
        advice = f"train with relu{preset}, or give {swap}"
    return UnsupportedError(f"the hidden activation '{kind}' has no neuron by default", advice)


# Activations that a ReLU with options computes; a preset's neuron stands for those whose options it has.
_PIECEWISE = frozenset({"relu", "relu6", "leaky_relu"})

# The spiking neurons that compute an activation that is no ReLU.
_SWAPS = {
    "relu6": "MemoryRectifiedLinear",
    "tanh": "RegularSpiking(Tanh)",
    "sigmoid": "RegularSpiking(Sigmoid)",
    "leaky_relu": "SpikingLeakyReLU",
}

# Those that bend what they get in every step, noise and all, instead of what is added up over the steps.
_OF_EACH_STEP = frozenset({"tanh", "sigmoid"})
_BIAS = "bends the spikes of every step and not their mean, which more spikes per step make less"

_PRESETS = "take preset 'accurate' or 'balanced'"  # whose neurons have options and functions


def taken_notes(graph: Graph, decisions: Mapping[int, Decision]) -> list[str]:
    """A message for every neuron that was given as an object and takes options of its layer."""
    return [
        f"the MemoryRectifiedLinear of '{graph.nodes[index].name}' takes {_written(decision.taken)} "
        "of the layer"
        for index, decision in decisions.items()
        if decision.taken
    ]


def decision_warnings(graph: Graph, decisions: Mapping[int, Decision]) -> list[str]:
    """A message for what is computed of every step's spikes, and so is no longer what was trained."""
    behind = _behind_spikes(graph, decisions)
    outputs = [
        f"the output '{graph.nodes[index].name}' is the mean over the steps of its {decision.output}, not "
        f"the {decision.output} of the mean: with more steps it does not come closer to the model's; without "
        "keep_softmax the client applies it to the mean"
        for index, decision in decisions.items()
        if index in behind and decision.output is not None
    ]
    bent = [
        index
        for index, decision in decisions.items()
        if index in behind and isinstance(_base(decision.neuron), Sigmoid | Tanh)
    ]
    ends, hidden = (
        [f"'{graph.nodes[index].layer.name}'" for index in bent if (index in graph.outputs) == at_end]
        for at_end in (True, False)
    )
    biased = [
        f"the neurons of {some(names)} are biased: each {_BIAS}; {advice}"
        for names, advice in (
            (hidden, "train with relu"),
            (ends, "leave the swap out, and the client applies the activation to the mean"),
        )
        if names
    ]
    return outputs + biased


def _behind_spikes(graph: Graph, decisions: Mapping[int, Decision]) -> set[int]:
    """The nodes that spikes reach."""
    behind: set[int] = set()
    for index, node in enumerate(graph.nodes):
        spiking = [decisions[source].neuron is not None for source in node.inputs]
        if any(spiking) or behind.intersection(node.inputs):
            behind.add(index)
    return behind


def _base(model: NeuronModel | None) -> NeuronModel | None:
    return model.base if isinstance(model, Wrapper) else model


def _swapped(model: NeuronModel | None, activation: Activation, named: bool) -> Decision:
    """The caller's neuron; with memory it never computes another function than the layer's unasked."""
    memory = isinstance(model, MemoryRectifiedLinear)
    if model is None or not (named or memory):
        return Decision(neuron=model)
    if memory and not _takes(model, activation):
        raise _refused(model, activation)
    unset = {item.name for item in fields(model) if getattr(model, item.name) == item.default}
    options = {key: value for key, value in activation.options.items() if named or key in unset}
    neuron = _taking(model, Activation(activation.kind, options))
    return Decision(neuron=neuron, taken={} if named else options)


def _takes(model: NeuronModel, activation: Activation) -> bool:
    return set(activation.options) <= {item.name for item in fields(model)}


def _taking(model: NeuronModel, activation: Activation) -> NeuronModel:
    try:
        return model.taking(activation.options)
    except ValueError as error:
        name = type(model).__name__
        raise UnsupportedError(f"no {name} has its options: {error}", _advice(activation)) from error


def _refused(model: NeuronModel, activation: Activation) -> UnsupportedError:
    computed = type(model).__name__
    if isinstance(model, MemoryRectifiedLinear):
        reason = f"has a threshold, which {computed} does not compute"
    else:
        reason = f"is not max(x, 0), which is what {computed} computes"
    return UnsupportedError(f"ReLU({_written(activation.options)}) {reason}", _advice(activation))


def _advice(activation: Activation) -> str:
    """What to do about a ReLU with options."""
    kind, options = activation.kind, activation.options
    if _memory_for(activation) is not None:
        swap = f"{{'{kind}': 'MemoryRectifiedLinear'}}"
        return f"{_PRESETS}, give swap_activations={swap}, or train with a plain relu"
    if set(options) == {"negative_slope"} and options["negative_slope"] > 0:
        return f"train with a plain relu, or give swap_activations={{'{kind}': 'SpikingLeakyReLU'}}"
    return "train with a plain relu"


def _memory_for(activation: Activation) -> MemoryRectifiedLinear | None:
    """The neuron with memory that computes a ReLU with options; None for anything else."""
    model = MemoryRectifiedLinear()
    if activation.kind not in _PIECEWISE or not _takes(model, activation):
        return None
    try:
        return model.taking(activation.options)
    except ValueError:
        return None


def _written(options: Mapping[str, float]) -> str:
    return ", ".join(f"{key}={value:g}" for key, value in options.items())


def _check_softmax(activation: Activation, left_out: pb.OutputActivation | None) -> None:
    if activation.options:
        raise UnsupportedError("its softmax is not over the last axis", "use axis=-1")
    if left_out is None:
        raise UnsupportedError(
            "a softmax inside of the network has no spiking form",
            "train without it, or, where only a reshape follows, move it behind that",
        )
