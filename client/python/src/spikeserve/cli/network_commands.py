"""spikeserve load, unload, alias and list."""

from __future__ import annotations

from typing import Any

import click

from spikeserve._messages import MODES
from spikeserve.cli.common import (
    ServerOptions,
    echo_json,
    echo_table,
    json_option,
    progress_bar,
    server_options,
)
from spikeserve.network import load_network
from spikeserve.results import NetworkInfo


@click.command("load")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--version", type=click.IntRange(min=1), help="Default: one above the highest.")
@click.option("--mode", type=click.Choice(list(MODES)), default="exact", show_default=True)
@json_option
@server_options
def load_command(
    name: str, file: str, version: int | None, mode: str, as_json: bool, connection: ServerOptions
) -> None:
    """Upload a network FILE (.spk) to the server as NAME and print its version.

    \b
    Examples:
      spikeserve load fashion model.spk
      spikeserve load fashion model.spk --version 7 --server gpu-box:8001
      spikeserve load fashion-fast model.spk --mode fast
    """
    network = load_network(file)
    with connection.client() as client, progress_bar("uploading", quiet=as_json) as on_progress:
        loaded = client.load(
            name,
            network,
            version=version or 0,
            mode=mode,
            on_progress=on_progress,
            timeout=connection.timeout,
        )
    if as_json:
        echo_json({"name": name, "version": loaded})
    else:
        click.echo(f"loaded {name} version {loaded}")


@click.command("unload")
@click.argument("name")
@click.option("--version", type=click.IntRange(min=1), help="Default: all versions.")
@json_option
@server_options
def unload_command(name: str, version: int | None, as_json: bool, connection: ServerOptions) -> None:
    """Remove network NAME from the server's memory and disk.

    \b
    Examples:
      spikeserve unload fashion
      spikeserve unload fashion --version 3
    """
    with connection.client() as client:
        versions = client.unload(name, version or 0)
    if as_json:
        echo_json({"name": name, "versions": versions})
    else:
        click.echo(f"unloaded {name} version {', '.join(map(str, versions))}")


@click.command("alias")
@click.argument("name")
@click.argument("alias")
@click.option("--version", type=click.IntRange(min=1), help="Default: the highest that is ready.")
@click.option("--delete", is_flag=True, help="Forget the alias.")
@json_option
@server_options
def alias_command(
    name: str, alias: str, version: int | None, delete: bool, as_json: bool, connection: ServerOptions
) -> None:
    """Let NAME@ALIAS stand for a version of network NAME, or for another one than before.

    \b
    Examples:
      spikeserve alias fashion stable --version 3
      spikeserve classify fashion@stable images.npy
      spikeserve alias fashion stable --delete
    """
    if delete and version is not None:
        raise click.UsageError("--delete takes no --version")
    with connection.client() as client:
        number = client.delete_alias(name, alias) if delete else client.set_alias(name, alias, version or 0)
    if as_json:
        echo_json({"name": name, "alias": alias, "version": number, "deleted": delete})
    elif delete:
        click.echo(f"deleted {name}@{alias}, which was version {number}")
    else:
        click.echo(f"{name}@{alias} is version {number}")


@click.command("list")
@json_option
@server_options
def list_command(as_json: bool, connection: ServerOptions) -> None:
    """List the networks on the server.

    \b
    Examples:
      spikeserve list
      spikeserve list --json --server unix:/run/spikeserve.sock
    """
    with connection.client() as client:
        networks = client.list()
    if as_json:
        echo_json({"networks": [_as_json(info) for info in networks]})
    elif networks:
        columns = (
            "NAME",
            ">VERSION",
            "STATE",
            "MODE",
            "BACKEND",
            ">NEURONS",
            ">PARAMETERS",
            ">MIB",
            ">STEPS",
            "ALIASES",
        )
        echo_table(columns, [_row(info) for info in networks])
    else:
        click.echo("no networks are loaded")


def _row(info: NetworkInfo) -> tuple[object, ...]:
    return (
        info.name,
        info.version,
        info.state,
        info.mode,
        info.backend,
        f"{info.neurons:,}",
        f"{info.parameters:,}",
        f"{info.resident_bytes / 2**20:.1f}",
        info.steps,
        ", ".join(info.aliases),
    )


def _as_json(info: NetworkInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "version": info.version,
        "state": info.state,
        "mode": info.mode,
        "backend": info.backend,
        "neurons": info.neurons,
        "parameters": info.parameters,
        "resident_bytes": info.resident_bytes,
        "dt": info.dt,
        "steps": info.steps,
        "inputs": [
            {"name": item.name, "shape": item.shape, "data_types": sorted(item.data_types)}
            for item in info.inputs
        ],
        "class_labels": info.class_labels,
        "sha256": info.sha256,
        "aliases": info.aliases,
    }
