"""spikeserve classify."""

from __future__ import annotations

import click

from spikeserve.cli.answers import answers, threshold_option
from spikeserve.cli.common import (
    ServerOptions,
    echo_json,
    echo_table,
    echo_warnings,
    json_option,
    progress_bar,
    server_options,
    steps_option,
    version_option,
)
from spikeserve.cli.inputs import read_inputs


@click.command("classify")
@click.argument("name")
@click.argument("files", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N samples.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Samples per request."
)
@threshold_option
@steps_option
@version_option
@json_option
@server_options
def classify_command(
    name: str,
    files: tuple[str, ...],
    limit: int | None,
    batch: int,
    threshold: float | None,
    steps: int | None,
    version: int,
    as_json: bool,
    connection: ServerOptions,
) -> None:
    """Classify the samples in FILES with network NAME.

    FILES are .npy, .npz[:KEY], IDX, IDX.gz, .csv[:COLUMN,...] or PNG; for several inputs give INPUT=FILE for
    each. Bytes are sent as bytes where the network takes them, else as the numbers 0 to 255. One output that
    is the probability or logit of class 1 gives class 0 or 1; values of a regression are printed as they are.

    \b
    Examples:
      spikeserve classify fashion images.npy --limit 10
      spikeserve classify fashion t10k-images-idx3-ubyte.gz --steps 16 --json
      spikeserve classify fashion shirt.png shoe.png
      spikeserve classify churn table.csv:-label
      spikeserve classify gesture imu=imu.npy audio=audio.npy
    """
    with (
        connection.client(max_batch=batch) as client,
        progress_bar("classifying", quiet=as_json) as on_progress,
    ):
        info = client.get(name, version)
        samples = read_inputs(files, info, limit)
        result = client.simulate(
            info.name, samples, version=info.version, steps=steps, statistics=False, on_progress=on_progress
        )
    echo_warnings(result.warnings)
    found = answers(info, result, threshold)
    if as_json:
        run = result.settings
        echo_json({"network": run.network, "version": run.version, "steps": run.steps, **found.as_json()})
    else:
        echo_table(*found.table())
