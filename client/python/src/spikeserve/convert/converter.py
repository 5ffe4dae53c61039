"""The conversion from a trained model to a spiking network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from spikeserve._keywords import checked
from spikeserve._probes import answer_target
from spikeserve._report import ConversionReport, write_report
from spikeserve._version import __version__
from spikeserve.convert.calibrate.checks import byte_map
from spikeserve.convert.calibrate.delays import set_delays
from spikeserve.convert.calibrate.expected import set_input_ranges
from spikeserve.convert.calibrate.latency import late_outputs, slow_outputs
from spikeserve.convert.calibrate.samples import collect_samples, set_byte_inputs
from spikeserve.convert.calibrate.voltages import set_initial_voltages
from spikeserve.convert.check import CHECK_SAMPLES, check_conversion, model_outputs
from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.convert.errors import ConversionError, ConversionWarning, printable
from spikeserve.convert.levels import settled
from spikeserve.convert.lower.decisions import Decision, decide, decision_warnings, parse_swaps
from spikeserve.convert.lower.lower import InputShapes, Lowered, Synapses, lower
from spikeserve.convert.lower.outputs import output_kind
from spikeserve.convert.nir_file import is_nir_file, nir_options, read_nir
from spikeserve.convert.options import (
    DEFAULT_PRESET,
    UNSET,
    LayerOptions,
    Recipe,
    RunOptions,
    SynapseLike,
    TuningOptions,
    run_options,
)
from spikeserve.convert.progress import OnStage, Stages, stages_of
from spikeserve.convert.read.graph import SourceModel
from spikeserve.convert.read.source import read_model
from spikeserve.convert.tuning import Tuning
from spikeserve.network import Network
from spikeserve.v1 import network_pb2 as pb


@checked
def convert(
    model: Any,
    *,
    preset: str = DEFAULT_PRESET,
    swap_activations: Mapping[Any, Any] | None = None,
    synapse: SynapseLike = UNSET,
    probe_synapse: SynapseLike = UNSET,
    scale_firing_rates: float | Mapping[str, float] | None = None,
    target_rate_hz: float | None = None,
    sample_data: Any = None,
    initial_voltage: object = None,
    dt: float | None = None,
    steps: int | None = None,
    readout: Any = None,
    uint8_scale: float | tuple[float, float] | None = None,
    input_shape: tuple[int, ...] | InputShapes | None = None,
    class_labels: Sequence[str] | None = None,
    keep_softmax: bool = False,
    delay_steps: int | Mapping[str, int] = 0,
    progress: bool | OnStage | None = None,
) -> Network:
    """Converts a trained model of Keras, ONNX or torch to a spiking network.

    `model`: path of a `.keras`, `.h5`, `.onnx` or NIR file, a (model.json, weights.h5) pair, a live Keras
      model, or a live `torch.nn.Module`, which needs `input_shape` and is traced by torch.export.
    `preset`: "balanced" (2 steps) and "accurate" (8) take neurons with memory, a scale per channel for 4
      spikes per step at the 99th percentile, and corrections for rounding; "sparse" (1) the fewest spikes
      that keep the classes. "spikeserve" (16): signed integrate-and-fire, a scale per layer for 2 spikes.
      "nengo_dl" (100): SpikingRectifiedLinear, synapse 0.005 s, probe synapse 0.01 s, scale 1, uniform
      initial voltage. Other options override it. Where options, missing samples or outputs that are no
      classes take the ground from "balanced", it takes 16 steps, and a note says why. With memory the answer
      is for the mean input since the start: else swap relu for "IntegrateAndFire(min_voltage=0)".
    `swap_activations`: {activation: neuron}; an activation is a name ("relu", "tf.nn.relu"), a function or a
      layer class; a neuron is a class, object or name of this package (`LIF`, "LIF(tau_rc=0.03)",
      "RegularSpiking(Tanh)", ...) or Nengo's object of that name; "relu" stands for the preset's neuron and
      None leaves the activation out. A leaky ReLU given by name takes the slope of the layer.
    `synapse`: None, tau in seconds, Lowpass, Alpha, Triangle or LinearFilter, on every connection that leaves
      a population; also on the probe of an output that is a population, unless `probe_synapse` gives another.
    `scale_firing_rates`: a number, {Keras layer ("model/layer" if nested): number}: gain s, amplitude / s.
    `target_rate_hz`: per layer, scale = target / mean of the activations above zero over `sample_data`.
    `sample_data`: [n, ...] training inputs as the model takes them; a dict by input name for several inputs.
      Some hundred do, corrections take 64, "sparse" 300. Without it random inputs stand in, with a warning.
    `initial_voltage`: a number, "uniform", ("uniform", seed) or an array, or {Keras layer: one of these}.
    `dt` in seconds, `steps`, `readout` ("mean", "last", "corrected_mean", (a mean, skip_steps)): of runs.
    `uint8_scale`: scale, or (scale, offset), of inputs in bytes. `input_shape`: without batch, or a dict.
    `keep_softmax`: take a softmax at the output in every step. By default clients apply it, sigmoid, tanh ...
      to the mean: `result.outputs` are the model's, `result.logits` before that.
    `delay_steps`: steps by which outputs of populations arrive later, 0 to 4096, or {Keras layer: steps}.
    `progress`: True draws a bar on a terminal's stderr; a function gets (stage, done, total), 0 if unknown.

    The result has passed a forward comparison with the model. ConversionError names every layer that cannot
    be converted, ConversionWarning says where too few spikes are expected or classes are lost.
    """
    if is_nir_file(model):
        return read_nir(model, **nir_options(locals()))
    layers = LayerOptions(swap_activations, input_shape, keep_softmax)
    tuning = TuningOptions(sample_data, uint8_scale, scale_firing_rates, target_rate_hz, delay_steps)
    run = run_options(preset, synapse, probe_synapse, initial_voltage, dt, steps, readout, class_labels)
    return _warned(_converted(model, layers, tuning, run, progress))


def _converted(
    model: Any, layers: LayerOptions, tuning: TuningOptions, run: RunOptions, progress: bool | OnStage | None
) -> Network:
    with stages_of(progress) as stages:
        return _convert(model, layers, tuning, run, stages)


def _warned(network: Network) -> Network:
    """Warns, in the line that called `convert`, behind what checks its options."""
    for message in network.report.warnings:
        warnings.warn(message, ConversionWarning, stacklevel=4)
    return network


def _convert(
    model: Any, layers: LayerOptions, tuning: TuningOptions, options: RunOptions, stages: Stages
) -> Network:
    """The steps of `convert`, all but its warnings."""
    bytes_as = byte_map(tuning.uint8_scale)
    stages.say("reading the model")
    source = read_model(model, layers.input_shape)
    swaps = parse_swaps(layers.swap_activations, options.preset.neuron)
    decisions, problems = decide(source.graph, swaps, layers.keep_softmax)
    filters = Synapses(options.synapse, options.probe_synapse)
    memory, shape = options.preset.neuron.remembers, layers.input_shape
    lowered = lower(source.graph, decisions, problems, source.label, filters, shape, memory)
    most = options.preset.samples
    samples = collect_samples(tuning.sample_data, lowered, source.graph, bytes_as, most)
    set_input_ranges(samples, lowered.definition.provenance)
    report = ConversionReport(notes=[*lowered.notes])
    report.notes += set_byte_inputs(lowered, source.graph, samples, bytes_as)
    report.warnings += [
        *swaps.unused(),
        *decision_warnings(source.graph, decisions),
        *options.warnings(),
    ]
    set_delays(lowered, tuning.delay_steps)
    set_initial_voltages(lowered, options.initial_voltage, options.preset.initial_voltage)
    _finish(lowered, source, options, decisions)
    options, notes = settled(options, tuning, lowered, samples)
    report.notes += notes
    report.warnings += [*late_outputs(lowered.definition), *slow_outputs(lowered.definition)]
    tuning_of = Tuning(lowered, samples, options, tuning)
    tuning_of.measure(stages.of("measuring activations"))
    stages.say("checking")
    some = samples.first(lowered.block(CHECK_SAMPLES))
    wanted = model_outputs(source.graph, decisions, lowered, some, tuning_of.scales())
    source.graph.forget_weights()
    searching = options.preset.recipe is Recipe.SEARCH
    stages.say("searching for the fewest spikes" if searching else "setting scales")
    tuning_of.apply(report)
    report.max_error = check_conversion(lowered, some, wanted)
    tuning_of.correct(report, stages.of("correcting for rounding"))  # rate mode may be the model no more
    stages.say("writing weights")
    lowered.draft.finish()
    report.notes = [printable(note) for note in report.notes]
    report.warnings = [printable(message) for message in report.warnings]
    write_report(report, lowered.definition.provenance)
    return Network(lowered.definition, report)


def _finish(
    lowered: Lowered, source: SourceModel, options: RunOptions, decisions: Mapping[int, Decision]
) -> None:
    """Writes run defaults and where the network comes from."""
    definition = lowered.definition
    definition.defaults.dt = options.dt
    definition.defaults.steps = options.steps
    definition.defaults.readout.CopyFrom(options.readout)
    _check_labels(definition, options.class_labels)
    definition.defaults.class_labels.extend(options.class_labels)
    size = math.prod(operation_shapes(definition)[answer_target(definition)])
    named = len(options.class_labels) > 1
    kind = pb.OUTPUT_KIND_CLASSES if named else output_kind(source.graph, decisions, source.loss, size)
    definition.defaults.output_kind = kind
    definition.provenance.source_format = printable(source.source_format)
    definition.provenance.source_sha256 = source.sha256
    definition.provenance.converter_version = f"spikeserve {__version__}"


def _check_labels(definition: pb.NetworkDefinition, labels: Sequence[str]) -> None:
    """ConversionError unless there is a label for every output, or none at all."""
    if labels:
        outputs = math.prod(operation_shapes(definition)[answer_target(definition)])
        if len(labels) != outputs:
            raise ConversionError(f"class_labels has {len(labels)} names, the network has {outputs} outputs")
