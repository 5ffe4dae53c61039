"""spikeserve export-nir."""

from __future__ import annotations

import warnings

import click

from spikeserve.cli.common import check_folder
from spikeserve.convert import ConversionWarning
from spikeserve.network import load_network


@click.command("export-nir")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("output", type=click.Path(dir_okay=False))
@click.option(
    "--approximate",
    is_flag=True,
    help="Write what NIR cannot say (signed neurons, neurons with memory ...) as its nearest relative.",
)
@click.option(
    "--sum-pools",
    is_flag=True,
    help="Write means under a window as sums, which the weights behind divide: for Norse and Sinabs.",
)
def export_nir_command(file: str, output: str, approximate: bool, sum_pools: bool) -> None:
    """Write a network FILE (.spk) as a NIR file OUTPUT, which Norse, Sinabs, snnTorch and others read.

    \b
    Examples:
      spikeserve export-nir network.spk network.nir
      spikeserve export-nir model.spk model.nir --approximate --sum-pools
    """
    check_folder(output)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConversionWarning)
        load_network(file).to_nir(output, approximate=approximate, sum_pools=sum_pools)
    for message in caught:
        click.echo(f"warning: {message.message}", err=True)
    click.echo(f"wrote {output}")
