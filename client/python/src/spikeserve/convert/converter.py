"""The conversion from a Keras model to a spiking network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from spikeserve.convert.calibrate import (
    QUANTILE,
    apply_scales,
    layer_reports,
    layer_scales,
    low_rate_warnings,
    measure,
)
from spikeserve.convert.check import CHECK_SAMPLES, check_conversion
from spikeserve.convert.decisions import Decision, decide, parse_swaps
from spikeserve.convert.errors import ConversionError, ConversionWarning
from spikeserve.convert.graph import SourceModel
from spikeserve.convert.lower import InputShapes, Lowered, Synapses, lower
from spikeserve.convert.options import (
    UNSET,
    RunOptions,
    SynapseLike,
    fixed_scales,
    run_options,
    set_initial_voltage,
)
from spikeserve.convert.samples import Samples, collect_samples, set_byte_inputs
from spikeserve.convert.source import read_model
from spikeserve.network import ConversionReport, Network


def convert(
    model: Any,
    *,
    preset: str = "spikeserve",
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
) -> Network:
    """Converts a trained Keras model to a spiking network.

    `model`: path of a `.keras` or `.h5` file, a (model.json, weights.h5) pair, or a live Keras model.
    `preset`: "spikeserve" (signed integrate-and-fire, no synapse, initial voltage 0.5, scales from
      `sample_data`) or "nengo_dl" (SpikingRectifiedLinear, synapse 0.005 s, probe synapse 0.01 s,
      scale 1, uniform initial voltage with seed 0, 100 steps). The other options override it.
    `swap_activations`: {activation: neuron}; an activation is a name ("relu", "tf.nn.relu"), a
      function or a layer class, a neuron is a name or an object of `spikeserve.convert.neurons`, and
      None leaves the activation out.
    `synapse`: None, tau in seconds or Lowpass(tau), on every connection that leaves a population;
      also on the probe of an output that is a population, unless `probe_synapse` gives another.
    `scale_firing_rates`: a number, or {Keras layer: number}: gain s, amplitude divided by s.
    `target_rate_hz`: per layer, scale = target / mean positive activation over `sample_data` (the mean
      over all samples and neurons of the activations above zero).
    `sample_data`: [n, ...] inputs as the model takes them; a dict by input name for several inputs.
    `initial_voltage`: a number, "uniform" or ("uniform", seed). `dt` in seconds, `steps`, and
      `readout` ("mean", "last" or ("mean", skip_steps)) become the defaults of a run.
    `uint8_scale`: scale, or (scale, offset): the input takes bytes as scale*byte + offset.
    `input_shape`: without batch, where the model leaves it open.
    `keep_softmax`: keep a softmax at the output; it is left out by default (same class, logits).

    The result has passed a forward comparison with the model. Raises ConversionError naming every
    layer that cannot be converted; warns with ConversionWarning where too few spikes are expected.
    """
    options = run_options(
        preset, synapse, probe_synapse, initial_voltage, dt, steps, readout, class_labels
    )
    byte_map = _byte_map(uint8_scale)
    source = read_model(model)
    swaps = parse_swaps(swap_activations, options.preset.neuron)
    decisions, problems = decide(source.graph, swaps, keep_softmax)
    filters = Synapses(options.synapse, options.probe_synapse)
    lowered = lower(source.graph, decisions, problems, source.label, filters, input_shape)
    samples = collect_samples(sample_data, lowered, source.graph, byte_map)
    report = ConversionReport(notes=list(lowered.notes), warnings=swaps.warn_unused())
    report.notes += set_byte_inputs(lowered, source.graph, samples, byte_map)
    scales = _scale(lowered, samples, options, scale_firing_rates, target_rate_hz, report)
    _finish(lowered, source, options, report)
    _check(source, decisions, lowered, samples, scales, report)
    return Network(lowered.definition, report)


def _byte_map(value: float | tuple[float, float] | None) -> tuple[float, float] | None:
    if value is None:
        return None
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, 0.0)
    if len(pair) != 2 or not all(math.isfinite(v) for v in pair) or pair[0] == 0:
        raise ConversionError(f"uint8_scale is {value!r}, give a scale or (scale, offset)")
    return float(pair[0]), float(pair[1])


def _scale(
    lowered: Lowered,
    samples: Samples,
    options: RunOptions,
    scale_firing_rates: float | Mapping[str, float] | None,
    target_rate_hz: float | None,
    report: ConversionReport,
) -> dict[str, float]:
    """Sets all gains and fills the report with the layers and warnings about them."""
    if target_rate_hz is not None and not (math.isfinite(target_rate_hz) and target_rate_hz > 0):
        raise ConversionError(f"target_rate_hz is {target_rate_hz}, wanted a rate above 0 Hz")
    layers = list(lowered.neuron_layers.values())
    fixed = fixed_scales(scale_firing_rates, layers)
    from_data = target_rate_hz is not None or options.preset.calibrated
    if from_data and not samples.real and set(layers) - set(fixed):
        _warn(
            report,
            "no sample_data: the firing rates are set from random inputs; give some hundred "
            "training inputs for a better accuracy at few steps",
        )
    activity = measure(lowered, samples.values, QUANTILE)
    scales = layer_scales(
        lowered, activity, fixed, target_rate_hz, options.preset.calibrated, options.dt
    )
    apply_scales(lowered, scales)
    report.layers = layer_reports(lowered, activity, scales, options.steps * options.dt)
    for message in low_rate_warnings(report.layers):
        _warn(report, message)
    for item in report.layers:
        if item.model == "lif" and item.scale != 1:
            _warn(report, f"'{item.layer}': a scale changes the outputs of LIF neurons")
    return scales


def _warn(report: ConversionReport, message: str) -> None:
    report.warnings.append(message)
    warnings.warn(message, ConversionWarning, stacklevel=4)


def _finish(
    lowered: Lowered, source: SourceModel, options: RunOptions, report: ConversionReport
) -> None:
    """Writes initial voltages, run defaults and provenance."""
    definition = lowered.definition
    for op in definition.operations:
        if op.HasField("neuron") and op.neuron.WhichOneof("model") != "rectified_linear":
            set_initial_voltage(op.neuron, options.initial_voltage)
    definition.defaults.dt = options.dt
    definition.defaults.steps = options.steps
    definition.defaults.readout.CopyFrom(options.readout)
    definition.defaults.class_labels.extend(options.class_labels)
    definition.provenance.source_format = source.source_format
    definition.provenance.source_sha256 = source.sha256
    definition.provenance.converter_version = f"spikeserve {_version()}"
    definition.provenance.notes.extend(report.notes)


def _check(
    source: SourceModel,
    decisions: Mapping[int, Decision],
    lowered: Lowered,
    samples: Samples,
    scales: Mapping[str, float],
    report: ConversionReport,
) -> None:
    report.max_error = check_conversion(
        source.graph, decisions, lowered, samples.first(CHECK_SAMPLES), scales
    )


def _version() -> str:
    try:
        return metadata.version("spikeserve")
    except metadata.PackageNotFoundError:
        return "0"
