"""spikeserve evaluate."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from spikeserve.cli.common import (
    ServerOptions,
    echo_json,
    echo_table,
    json_option,
    progress_bar,
    ratio,
    server_options,
    steps_option,
    version_option,
)
from spikeserve.cli.inputs import only_input
from spikeserve.convert import ConversionWarning, convert
from spikeserve.evaluation import Evaluation, classify_float, evaluate
from spikeserve.network import Network, load_network
from spikeserve.samples import fit_shape, read_array


@click.command("evaluate")
@click.argument("name")
@click.argument("images")
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
@steps_option
@version_option
@json_option
@server_options
def evaluate_command(
    name: str,
    images: str,
    labels: str,
    model: str | None,
    uint8_scale: float | None,
    limit: int | None,
    batch: int,
    steps: int | None,
    version: int,
    as_json: bool,
    connection: ServerOptions,
) -> None:
    """Classify IMAGES with network NAME, compare with LABELS, and count spikes and synaptic operations.

    \b
    Examples:
      spikeserve evaluate fashion t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz --limit 1000
      spikeserve evaluate fashion x.npy y.npy --model model.keras --steps 16 --json
      spikeserve evaluate fashion images.gz labels.gz --model model.keras --uint8-scale 1/255
    """
    samples, truth = read_array(images)[:limit], read_array(labels)[:limit]
    with (
        connection.client(max_batch=batch) as client,
        progress_bar("evaluating", quiet=as_json) as on_progress,
    ):
        info = client.get(name, version)
        samples = fit_shape(samples, only_input(info).shape)
        reference = None if model is None else _float_classes(model, samples, uint8_scale)
        outcome = evaluate(
            client, name, samples, truth.astype(np.int64), float_classes=reference, on_progress=on_progress,
            version=info.version, steps=steps,
        )  # fmt: skip
    if as_json:
        echo_json(asdict(outcome))
    else:
        _print(outcome)


def _float_classes(model: str, samples: npt.NDArray[Any], uint8_scale: float | None) -> npt.NDArray[np.int64]:
    network = _read(model, uint8_scale)
    scaled = any(item.input.HasField("uint8_scale") for item in network.definition.operations)
    if samples.dtype == np.uint8 and not scaled:
        raise ValueError(
            f"the images are bytes, and {model} does not say how it takes them: give --uint8-scale "
            "(1 for the bytes as they are), or the converted network (.spk) as --model"
        )
    return classify_float(network, samples)


def _read(model: str, uint8_scale: float | None) -> Network:
    if Path(model).suffix == ".spk":
        return load_network(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)  # about spikes; only the rates are used
        return convert(model, uint8_scale=uint8_scale)


def _print(outcome: Evaluation) -> None:
    settings = outcome.settings
    click.echo(
        f"{outcome.samples:,} samples, {settings.steps} steps of {settings.dt:g} s, "
        f"{settings.network} version {settings.version} ({settings.mode}, {settings.backend})"
    )
    click.echo(f"accuracy              {outcome.accuracy:.2%}")
    if outcome.float_accuracy is not None and outcome.agreement is not None:
        click.echo(f"float accuracy        {outcome.float_accuracy:.2%}")
        click.echo(f"agreement with float  {outcome.agreement:.2%}")
    click.echo(f"mean rate             {outcome.mean_rate_hz:.4g} Hz")
    click.echo(f"spikes                {outcome.spikes_per_inference:,.1f} per inference")
    click.echo(f"synaptic operations   {outcome.synaptic_operations_per_inference:,.0f} per inference")
    click.echo(f"speed                 {outcome.inferences_per_second:,.1f} inferences/s")
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
