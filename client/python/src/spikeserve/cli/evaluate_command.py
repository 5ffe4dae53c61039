"""spikeserve evaluate."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from spikeserve.cli.answers import threshold_option
from spikeserve.cli.common import (
    ServerOptions,
    echo_json,
    echo_table,
    echo_warnings,
    json_option,
    progress_bar,
    ratio,
    server_options,
    steps_option,
    version_option,
)
from spikeserve.cli.inputs import Samples, read_inputs
from spikeserve.convert import ConversionWarning, convert
from spikeserve.evaluation import Evaluation, evaluate, float_outputs
from spikeserve.network import Network, load_network
from spikeserve.samples import read_array


@click.command("evaluate")
@click.argument("name")
@click.argument("images", nargs=-1, required=True)
@click.argument("labels")
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False),
    help="The model (.keras, .h5) or network (.spk) to compare with as a float network.",
)
@click.option(
    "--uint8-scale", type=ratio, metavar="NUMBER", help="MODEL takes bytes as scale * byte, e.g. 1/255."
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N samples.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Samples per request."
)
@threshold_option
@steps_option
@version_option
@json_option
@server_options
def evaluate_command(
    name: str,
    images: tuple[str, ...],
    labels: str,
    model: str | None,
    uint8_scale: float | None,
    limit: int | None,
    batch: int,
    threshold: float | None,
    steps: int | None,
    version: int,
    as_json: bool,
    connection: ServerOptions,
) -> None:
    """Run network NAME on IMAGES, compare with LABELS, and count spikes and synaptic operations.

    Both are .npy, .npz[:KEY], IDX, IDX.gz or .csv[:COLUMN,...] files; for several inputs give INPUT=FILE for
    each. LABELS are classes, 0 or 1 for each output, or the values of a regression.

    \b
    Examples:
      spikeserve evaluate fashion t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz --limit 1000
      spikeserve evaluate fashion x.npy y.npy --model model.keras --steps 16 --json
      spikeserve evaluate fashion images.gz labels.gz --model model.keras --uint8-scale 1/255
      spikeserve evaluate churn table.csv:-label table.csv:label
    """
    truth = read_array(labels)[:limit]
    with (
        connection.client(max_batch=batch) as client,
        progress_bar("evaluating", quiet=as_json) as on_progress,
    ):
        info = client.get(name, version)
        samples = read_inputs(images, info, limit)
        reference = None if model is None else _float_outputs(model, samples, uint8_scale)
        outcome = evaluate(
            client, info.name, samples, truth, float_outputs=reference, threshold=threshold,
            on_progress=on_progress, version=info.version, steps=steps,
        )  # fmt: skip
    echo_warnings(outcome.warnings)
    if as_json:
        echo_json(asdict(outcome))
    else:
        _print(outcome)


def _float_outputs(model: str, samples: Samples, uint8_scale: float | None) -> npt.NDArray[np.float32]:
    network = _read(model, uint8_scale)
    scaled = any(item.input.HasField("uint8_scale") for item in network.definition.operations)
    arrays = samples.values() if isinstance(samples, dict) else [samples]
    if any(array.dtype == np.uint8 for array in arrays) and not scaled:
        raise ValueError(
            f"the images are bytes, and {model} does not say how it takes them: give --uint8-scale "
            "(1 for the bytes as they are), or the converted network (.spk) as --model"
        )
    return float_outputs(network, samples)


def _read(model: str, uint8_scale: float | None) -> Network:
    if Path(model).suffix == ".spk":
        return load_network(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)  # about spikes; only the rates are used
        return convert(model, uint8_scale=uint8_scale)


def _print(outcome: Evaluation) -> None:
    click.echo(outcome.title())
    for name, value in outcome.rows():
        click.echo(f"{name:<22}{value}")
    rows = [
        (
            layer.layer,
            f"{layer.neurons:,}",
            f"{layer.mean_rate_hz:.4g}",
            f"{layer.max_rate_hz:.4g}",
            f"{layer.silent_fraction:.1%}",
        )
        for layer in outcome.layers
    ]
    echo_table(("LAYER", ">NEURONS", ">MEAN HZ", ">MAX HZ", ">SILENT"), rows)
