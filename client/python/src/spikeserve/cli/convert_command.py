"""spikeserve convert."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from spikeserve._probes import READOUTS
from spikeserve.cli.common import check_folder, echo_json, json_option, ratio
from spikeserve.cli.inputs import by_name
from spikeserve.convert import ConversionError, ConversionWarning, convert
from spikeserve.convert.calibrate.delays import MAX_DELAY_STEPS
from spikeserve.convert.models.synapses import Alpha, Lowpass, Synapse, Triangle
from spikeserve.convert.nir.options import INTEGRATIONS, RESETS
from spikeserve.convert.nir_file import is_nir_file, nir_options, read_nir
from spikeserve.convert.options import DEFAULT_PRESET, PRESETS
from spikeserve.network import Network
from spikeserve.samples import read_samples


def _synapse(text: str) -> float | str | Synapse:
    """Seconds of a low-pass, KIND:SECONDS, or "none"."""
    kind, colon, time = text.partition(":")
    kinds: dict[str, Callable[[float], Synapse]] = {"lowpass": Lowpass, "alpha": Alpha, "triangle": Triangle}
    if not colon:
        return text if text == "none" else ratio(text)
    if kind not in kinds:
        raise click.BadParameter(
            f"{text!r} is not SECONDS, none or one of lowpass:, alpha:, triangle:SECONDS"
        )
    try:
        return kinds[kind](ratio(time))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.rpartition("=")
    if not (equals and key and value):
        raise click.BadParameter(f"{text!r} is not KEY=VALUE")
    return key, value


def _swap(text: str) -> tuple[str, str]:
    """As `_pair`, of an activation, whose name has no "=", and a neuron."""
    key, _, value = text.partition("=")
    if not (key and value):
        raise click.BadParameter(f"{text!r} is not ACTIVATION=NEURON")
    return key, value


@click.command("convert")
@click.argument("model", type=click.Path(exists=True))
@click.argument("output", type=click.Path(dir_okay=False), required=False)
@click.option("-o", "--output", "other_output", type=click.Path(dir_okay=False), help="The same as OUTPUT.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default=DEFAULT_PRESET,
    show_default=True,
    help="Neurons with memory: balanced (2 steps; up to 16 where samples are missing, outputs are no "
    "classes, classes are lost or options ask for more), accurate (8 steps), sparse (1, the fewest spikes "
    "that keep the classes; wants thousands of samples). spikeserve: signed integrate-and-fire, 16 steps. "
    "nengo_dl: as NengoDL's Converter, 100 steps.",
)
@click.option(
    "--sample-data",
    metavar="[INPUT=]FILE",
    multiple=True,
    help="Inputs [n, ...] to set the firing rates with (.npy, .csv, IDX...); once per input.",
)
@click.option(
    "--sample-limit",
    type=click.IntRange(min=1),
    default=3000,
    show_default=True,
    help="Use the first N; only preset sparse uses more than 1,000.",
)
@click.option(
    "--uint8-scale", type=ratio, metavar="NUMBER", help="The input takes bytes as scale * byte, e.g. 1/255."
)
@click.option(
    "--synapse",
    type=_synapse,
    metavar="[KIND:]SECONDS|none",
    help="Filter between layers: lowpass (the default), alpha or triangle.",
)
@click.option(
    "--probe-synapse", type=_synapse, metavar="[KIND:]SECONDS|none", help="The same for the output probe."
)
@click.option("--scale-firing-rates", type=float, help="One scale for all layers.")
@click.option(
    "--layer-scale",
    type=_pair,
    metavar="LAYER=SCALE",
    multiple=True,
    help="One layer's scale, may be repeated.",
)
@click.option(
    "--target-rate",
    type=float,
    help="Firing rate in Hz that the mean positive activation over --sample-data becomes, in every layer.",
)
@click.option(
    "--swap",
    type=_swap,
    metavar="ACTIVATION=NEURON",
    multiple=True,
    help="E.g. relu=LIF, 'relu=LIF(tau_rc=0.03)' or 'tanh=RegularSpiking(Tanh)'; may be repeated.",
)
@click.option("--initial-voltage", help="A number or 'uniform'.")
@click.option("--dt", type=float, help="Length of a time step in seconds.")
@click.option("--steps", type=click.IntRange(min=1), help="Default steps of a run.")
@click.option("--readout", type=click.Choice(list(READOUTS)), help="How a run becomes one answer.")
@click.option("--skip-steps", type=click.IntRange(min=0), default=0, help="Burn-in left out of the mean.")
@click.option(
    "--delay-steps",
    type=click.IntRange(0, MAX_DELAY_STEPS),
    default=0,
    help="Steps by which the outputs of populations arrive later.",
)
@click.option(
    "--input-shape",
    metavar="[INPUT=]SIZE,...",
    multiple=True,
    help="Without the batch, where the model leaves it open, e.g. 3,32,32; once per input.",
)
@click.option("--class-labels", help="Names of the classes, separated by commas.")
@click.option(
    "--keep-softmax",
    is_flag=True,
    help="Keep a softmax at the output, taken in every step; else clients take it of the mean.",
)
@click.option(
    "--integration",
    type=click.Choice(INTEGRATIONS),
    help="Of a NIR file: how its leaks take a step; euler unless given.",
)
@click.option(
    "--reset",
    type=click.Choice(RESETS),
    help="Of a NIR file: whether IF nodes go to v_reset, as is the default, or lose a threshold per spike.",
)
@click.option(
    "--min-voltage", type=float, help="With --reset subtract: in thresholds, e.g. -1 as Sinabs has it."
)
@json_option
def convert_command(
    model: str, output: str | None, other_output: str | None, as_json: bool, **options: Any
) -> None:
    """Convert MODEL (.keras, .h5, .onnx) to a spiking network, or read one (.nir), and write OUTPUT (.spk).

    \b
    Examples:
      spikeserve convert model.keras model.spk --sample-data train-images.gz --uint8-scale 1/255
      spikeserve convert model.h5 model.spk --preset nengo_dl --scale-firing-rates 100
      spikeserve convert network.nir -o network.spk --dt 0.001
    """
    if (output is None) == (other_output is None):
        raise click.UsageError("give OUTPUT or -o OUTPUT, one of them")
    output = output or str(other_output)
    check_folder(output)
    arguments = _arguments(options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConversionWarning)
        try:
            network = _network(model, arguments, options, progress=not as_json)
        except ConversionError as error:
            raise ConversionError(_refusal(str(error), options)) from error
        network.save(output)
    messages = [str(item.message) for item in caught if issubclass(item.category, ConversionWarning)]
    if as_json:
        echo_json(_as_json(network, output))
        return
    click.echo(network.summary())
    for layer in network.report.layers:
        click.echo(layer.line())
    for note in network.report.notes:
        click.echo(f"note: {_in_options(note)}")
    for message in messages:
        click.echo(f"warning: {_in_options(message)}", err=True)
    click.echo(f"wrote {output}")


def _network(model: str, arguments: dict[str, Any], options: Mapping[str, Any], progress: bool) -> Network:
    """Converted, or read from a NIR file, which has options of its own."""
    own = {name: options[name] for name in _OF_NIR if options[name] is not None}
    if is_nir_file(model):
        return read_nir(model, **nir_options(arguments), **own)
    if own:
        raise click.UsageError(f"{', '.join(_OF_NIR[name] for name in own)}: only for a NIR file")
    return convert(model, progress=progress, **arguments)


def _refusal(message: str, options: Mapping[str, Any]) -> str:
    """An error of `convert` with the options of this command, and the one that left few samples."""
    limit = options["sample_limit"]
    cut = f"sample_data has {limit} samples"
    return _in_options(message.replace(cut, f"{cut} (--sample-limit is {limit})"))


def _in_options(message: str) -> str:
    """A message of `convert` with the options of this command in place of the keywords."""

    def flags(table: re.Match[str]) -> str:
        pairs: Mapping[str, object] = ast.literal_eval(table["table"])
        flag = _FLAGS[table["name"] or "swap_activations"]
        return " ".join(
            f"{flag} {shlex.quote(f'{key}={value}' if value is not None else f'{key}=none')}"
            for key, value in pairs.items()
        )

    message = re.sub(
        r"(?:(?P<name>scale_firing_rates|swap_activations)=|(?<=\(or ))(?P<table>\{'[^}]*\})", flags, message
    )
    message = re.sub(r"\bsteps=(\d+)", r"--steps \1", message)
    message = re.sub(r"\b(readout|integration|reset)='(\w+)'", r"--\1 \2", message)
    return re.sub(rf"(?<![\w'/.])({'|'.join(_WORDS)})(?![\w/.]\w)", lambda found: _WORDS[found[0]], message)


_OF_NIR = {"integration": "--integration", "reset": "--reset", "min_voltage": "--min-voltage"}
_FLAGS = {"scale_firing_rates": "--layer-scale", "swap_activations": "--swap"}
_WORDS = {
    "sample_data": "--sample-data",
    "scale_firing_rates": "--scale-firing-rates",
    "target_rate_hz": "--target-rate",
    "delay_steps": "--delay-steps",
    "probe_synapse": "--probe-synapse",
    "initial_voltage": "--initial-voltage",
    "class_labels": "--class-labels",
    "input_shape": "--input-shape",
}


def _arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The keywords of `convert` from the options; what was not given is left out."""
    chosen: dict[str, Any] = {"preset": options["preset"], "keep_softmax": options["keep_softmax"]}
    chosen["delay_steps"] = options["delay_steps"]
    for name in ("uint8_scale", "dt", "steps"):
        if options[name] is not None:
            chosen[name] = options[name]
    for name in ("synapse", "probe_synapse"):
        if options[name] is not None:
            chosen[name] = None if options[name] == "none" else options[name]
    if options["readout"] or options["skip_steps"]:
        chosen["readout"] = (options["readout"] or "mean", options["skip_steps"])
    if options["initial_voltage"] is not None:
        chosen["initial_voltage"] = _voltage(options["initial_voltage"])
    if options["target_rate"] is not None:
        chosen["target_rate_hz"] = options["target_rate"]
    if options["swap"]:
        chosen["swap_activations"] = dict(options["swap"])
    if options["class_labels"]:
        chosen["class_labels"] = options["class_labels"].split(",")
    if options["input_shape"]:
        chosen["input_shape"] = _input_shape(options["input_shape"])
    if options["sample_data"]:
        chosen["sample_data"] = _sample_data(options["sample_data"], options["sample_limit"])
    return chosen | _scales(options)


def _sample_data(files: Sequence[str], limit: int) -> Any:
    """The samples of an only input, or those of several by name."""
    given = by_name(files)
    arrays = {name: read_samples(paths)[:limit] for name, paths in given.items()}
    if "" in arrays and len(arrays) > 1:
        raise click.UsageError("--sample-data: give INPUT=FILE for all of several inputs, or only one input")
    return arrays.get("", arrays)


def _input_shape(texts: Sequence[str]) -> Any:
    """The shape of an only input, or those of several by name."""
    shapes = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        if not all(size.strip().isdecimal() for size in sizes.split(",")):
            raise click.UsageError(f"--input-shape {text}: {sizes!r} is not a list of sizes such as 3,32,32")
        shapes[name] = tuple(int(size) for size in sizes.split(","))
    if "" in shapes and len(texts) > 1:
        raise click.UsageError("--input-shape: give INPUT=SIZE,... for every one of several inputs")
    return shapes.get("", shapes)


def _scales(options: dict[str, Any]) -> dict[str, Any]:
    if options["layer_scale"] and options["scale_firing_rates"] is not None:
        raise click.UsageError("give --scale-firing-rates or --layer-scale, not both")
    if options["layer_scale"]:
        return {"scale_firing_rates": {key: _number(key, value) for key, value in options["layer_scale"]}}
    scale = options["scale_firing_rates"]
    return {} if scale is None else {"scale_firing_rates": scale}


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.UsageError(f"--layer-scale {key}={text}: {text!r} is not a number") from None


def _voltage(text: str) -> float | str:
    if text == "uniform":
        return text
    try:
        return float(text)
    except ValueError:
        raise click.UsageError(f"--initial-voltage is {text!r}, give a number or 'uniform'") from None


def _as_json(network: Network, output: str) -> dict[str, Any]:
    report = network.report
    return {
        "output": output,
        "bytes": network.definition.ByteSize(),
        "layers": [asdict(layer) for layer in report.layers],
        "notes": report.notes,
        "warnings": report.warnings,
        "max_error": report.max_error,
    }
