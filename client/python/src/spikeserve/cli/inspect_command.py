"""spikeserve inspect."""

from __future__ import annotations

import click
from google.protobuf import json_format

from spikeserve.cli.common import echo_json, json_option
from spikeserve.network import load_network


@click.command("inspect")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@json_option
def inspect_command(file: str, as_json: bool) -> None:
    """Show what is in a network FILE (.spk): operations, neurons, filters, defaults, where it came from.

    \b
    Examples:
      spikeserve inspect model.spk
      spikeserve inspect model.spk --json      the definition without its weights
    """
    network = load_network(file)
    if as_json:
        definition = type(network.definition)()
        definition.CopyFrom(network.definition)
        for tensor in definition.tensors:
            tensor.ClearField("data")
        echo_json(json_format.MessageToDict(definition, preserving_proto_field_name=True))
        return
    click.echo(network.summary())
    for line in network.settings():
        click.echo(line)
    source = network.definition.provenance
    if source.source_format:
        click.echo(f"converted from {source.source_format} by {source.converter_version}")
    if network.report.text():
        click.echo(network.report.text())
