"""spikeserve classify."""

from __future__ import annotations

import math
from typing import Any

import click

from spikeserve import _probes
from spikeserve.cli.common import (
    ServerOptions,
    echo_json,
    echo_table,
    json_option,
    progress_bar,
    server_options,
    steps_option,
    version_option,
)
from spikeserve.cli.inputs import only_input
from spikeserve.results import SimulationResult
from spikeserve.samples import fit_shape, read_samples


@click.command("classify")
@click.argument("name")
@click.argument("files", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N samples.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Samples per request."
)
@steps_option
@version_option
@json_option
@server_options
def classify_command(
    name: str,
    files: tuple[str, ...],
    limit: int | None,
    batch: int,
    steps: int | None,
    version: int,
    as_json: bool,
    connection: ServerOptions,
) -> None:
    """Classify the samples in FILES (.npy, .npz[:KEY], IDX, IDX.gz or PNG) with network NAME.

    Bytes are sent as bytes where the network takes them, else as the numbers 0 to 255.

    \b
    Examples:
      spikeserve classify fashion images.npy --limit 10
      spikeserve classify fashion t10k-images-idx3-ubyte.gz --steps 16 --json
      spikeserve classify fashion shirt.png shoe.png
    """
    samples = read_samples(files)
    with (
        connection.client(max_batch=batch) as client,
        progress_bar("classifying", quiet=as_json) as on_progress,
    ):
        info = client.get(name, version)
        samples = fit_shape(samples, only_input(info).shape)[:limit]
        result = client.simulate(
            name, samples, version=info.version, steps=steps, statistics=False, on_progress=on_progress
        )
    _probes.check_classes(result.classes, len(samples), name)
    if as_json:
        echo_json(_as_json(result, info.class_labels))
    else:
        rows = [
            (index, label, _label(label, info.class_labels), f"{margin:.4g}")
            for index, (label, margin) in enumerate(zip(result.classes, result.margins, strict=True))
        ]
        echo_table((">SAMPLE", ">CLASS", "LABEL", ">MARGIN"), rows)


def _label(index: int, labels: tuple[str, ...]) -> str:
    return labels[index] if index < len(labels) else ""


def _as_json(result: SimulationResult, labels: tuple[str, ...]) -> dict[str, Any]:
    return {
        "network": result.settings.network,
        "version": result.settings.version,
        "steps": result.settings.steps,
        "classes": result.classes.tolist(),
        "labels": [_label(index, labels) for index in result.classes] if labels else None,
        "margins": [margin if math.isfinite(margin) else None for margin in result.margins.tolist()],
    }
