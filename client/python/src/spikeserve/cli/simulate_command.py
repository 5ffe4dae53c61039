"""spikeserve simulate."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click
import numpy as np

from spikeserve import _show, encodings, recording
from spikeserve._requests import Readout, readout_message
from spikeserve.cli.answers import Answers, answers
from spikeserve.cli.common import (
    ServerOptions,
    check_folder,
    echo_json,
    echo_table,
    echo_warnings,
    json_option,
    progress_bar,
    server_options,
    steps_option,
    version_option,
)
from spikeserve.cli.inputs import read_inputs, steps_of
from spikeserve.encodings import Encoding
from spikeserve.energy import DEVICES, EnergyEstimate, estimate_energy
from spikeserve.network import Network, load_network
from spikeserve.recording import EarlyExit, Record
from spikeserve.results import NetworkInfo, SimulationResult


def _each(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Parses the values of an option; wrong ones are wrong use."""

    def callback(ctx: click.Context, param: click.Parameter, given: Any) -> Any:
        try:
            if isinstance(given, tuple):
                return tuple(map(parse, given))
            return None if given is None else parse(given)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def _readout(text: str) -> Readout:
    kind, colon, skip = text.partition(":")
    if colon and not skip.isdigit():
        raise ValueError(f"{text!r}: the steps to skip are {skip!r}, wanted a number")
    readout = (kind, int(skip)) if colon else kind
    readout_message(readout)
    return readout


def _record(text: str) -> Record:
    record = recording.parse(text)
    record.message()
    return record


@click.command("simulate")
@click.argument("name")
@click.argument("files", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N samples.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Samples per request."
)
@click.option("--dt", type=click.FloatRange(min=0, min_open=True), help="Seconds per step.")
@click.option("--seed", type=click.IntRange(min=0), help="Of uniform voltages and random encodings.")
@click.option(
    "--readout",
    callback=_each(_readout),
    metavar="KIND[:SKIP]",
    help="mean, last or corrected_mean, and the steps left out at the begin; default: the network's.",
)
@click.option(
    "--encoding",
    callback=_each(encodings.parse),
    metavar="KIND[:KEY=VALUE,...]",
    help="direct, poisson, bernoulli, regular (max_rate_hz), latency (window_steps) or burst.",
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    callback=_each(_record),
    metavar="LAYER[.QUANTITY][:KEY=VALUE,...]",
    help="Record output, spikes, voltage or current of a layer; keys: reduction, every, first_step, "
    "last_step, filter_tau, name. May be given several times.",
)
@click.option(
    "--exit-margin", type=click.FloatRange(min=0), help="End a sample once its class leads by this."
)
@click.option("--exit-min-steps", type=click.IntRange(min=0), default=0, help="Not before this step.")
@click.option("--exit-check-every", type=click.IntRange(min=0), default=0, help="Steps between two looks.")
@click.option("--npz", type=click.Path(dir_okay=False, writable=True), help="Write all arrays to this file.")
@click.option("--energy", "device", type=click.Choice(list(DEVICES)), help="Estimate the energy on a device.")
@click.option(
    "--network",
    "network_file",
    type=click.Path(exists=True, dir_okay=False),
    help="The network (.spk), whose connections --energy counts.",
)
@click.option(
    "--per-step", is_flag=True, help="The samples are [n, steps, ...]: inputs that vary from step to step."
)
@steps_option
@version_option
@json_option
@server_options
def simulate_command(
    name: str,
    files: tuple[str, ...],
    limit: int | None,
    batch: int,
    dt: float | None,
    seed: int | None,
    readout: Readout | None,
    encoding: Encoding | None,
    probes: tuple[Record, ...],
    per_step: bool,
    exit_margin: float | None,
    exit_min_steps: int,
    exit_check_every: int,
    npz: str | None,
    device: str | None,
    network_file: str | None,
    steps: int | None,
    version: int,
    as_json: bool,
    connection: ServerOptions,
) -> None:
    """Run network NAME on the samples in FILES, and record layers.

    FILES are .npy, .npz[:KEY], IDX, IDX.gz, .csv[:COLUMN,...] or PNG; for several inputs give INPUT=FILE for
    each.

    \b
    Examples:
      spikeserve simulate fashion x.npy --encoding poisson --seed 1 --npz out.npz
      spikeserve simulate fashion x.npy --probe dense_2.spikes --probe dense_2.voltage:every=10 --npz out.npz
      spikeserve simulate fashion x.npy --exit-margin 2 --exit-min-steps 4
      spikeserve simulate fashion x.npy --energy loihi --network fashion.spk
      spikeserve simulate fashion movies.npy --per-step
    """
    if (device is None) != (network_file is None):
        raise click.UsageError("--energy and --network go together")
    early_exit = _early_exit(exit_margin, exit_min_steps, exit_check_every)
    if npz is not None:
        check_folder(npz)
    network = None if network_file is None else load_network(network_file)
    with (
        connection.client(max_batch=batch) as client,
        progress_bar("simulating", quiet=as_json) as on_progress,
    ):
        info = client.get(name, version)
        samples = read_inputs(files, info, limit, per_step=per_step)
        _check_same(network, info, network_file)
        result = client.simulate(
            info.name, samples, version=info.version,
            steps=steps or (steps_of(samples) if per_step else None),
            dt=dt, seed=seed, readout=readout, encoding=encoding, record=probes, early_exit=early_exit,
            gross_statistics=device is not None,  # a device sends them all
            on_progress=on_progress,
        )  # fmt: skip
    echo_warnings(result.warnings)
    energy = None if network is None or device is None else _estimate(network, result, device, samples)
    found = answers(info, result, None) if result.classes.size else None
    _save(npz, _arrays(result, found))
    echo_json(_as_json(result, found, energy)) if as_json else _print(result, energy, npz)


def _estimate(network: Network, result: SimulationResult, device: str, samples: Any) -> EnergyEstimate:
    """The estimate, with its warnings as this command prints them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        energy = estimate_energy(network, result, device, samples)
    echo_warnings(energy.warnings)
    return energy


def _early_exit(margin: float | None, min_steps: int, check_every: int) -> EarlyExit | None:
    """The early end that the options ask for; UsageError for details of one that is not asked for."""
    if margin is not None:
        return EarlyExit(margin, min_steps, check_every)
    if min_steps or check_every:
        raise click.UsageError("--exit-min-steps and --exit-check-every need --exit-margin")
    return None


def _check_same(network: Network | None, info: NetworkInfo, file: str | None) -> None:
    """ValueError where the server has another network than the file; one that says nothing is believed."""
    if network is None:
        return
    digest = hashlib.sha256(network.to_bytes()).hexdigest()
    if info.sha256 and info.sha256 != digest:
        raise ValueError(
            f"{file} is another network than '{info.name}' version {info.version} on the server: "
            f"SHA-256 {digest[:12]}..., there {info.sha256[:12]}..."
        )


def _save(npz: str | None, arrays: dict[str, Any]) -> None:
    if npz is not None:
        np.savez_compressed(npz, **arrays)


def _arrays(result: SimulationResult, found: Answers | None) -> dict[str, Any]:
    """Everything as arrays: outputs and logits by probe, records by name, classes, margins, steps used."""
    arrays: dict[str, Any] = {}
    if found is not None and found.classes is not None:
        arrays["classes"] = found.classes
        arrays |= {"margins": found.values} if found.kind == "classes" else {}
    arrays |= {f"output/{name}": probe.outputs for name, probe in result.probes.items()}
    arrays |= {f"logits/{name}": probe.logits for name, probe in result.probes.items() if probe.activation}
    arrays |= {f"record/{name}": values for name, values in result.records.items()}
    if result.steps_used is not None:
        arrays["steps_used"] = result.steps_used
    return arrays


def _as_json(
    result: SimulationResult, found: Answers | None, energy: EnergyEstimate | None
) -> dict[str, Any]:
    settings = result.settings
    shown: dict[str, Any] = {"classes": [], "margins": []} if found is None else found.as_json()
    return {
        "network": settings.network,
        "version": settings.version,
        "steps": settings.steps,
        "dt": settings.dt,
        "seed": settings.seed,
        "readout": settings.readout,
        "skip_steps": settings.skip_steps,
        "encodings": settings.encodings,
        "early_exit": settings.early_exit,
        "classes": shown["classes"],
        "margins": shown["margins"],
        "steps_used": None if result.steps_used is None else result.steps_used.tolist(),
        "records": {name: list(values.shape) for name, values in result.records.items()},
        "layers": [asdict(layer) for layer in result.stats],
        "warnings": list(result.warnings),
        "energy_estimate": None if energy is None else asdict(energy),
    }


def _print(result: SimulationResult, energy: EnergyEstimate | None, npz: str | None) -> None:
    settings = result.settings
    click.echo(
        f"{_show.count(result.samples, 'sample')}, "
        f"{_show.count(settings.steps, 'step')} of {settings.dt:g} s, "
        f"{settings.network} version {settings.version} ({settings.mode}, {settings.backend}), "
        f"readout {settings.readout}, seed {settings.seed}"
    )
    for name, encoding in settings.encodings.items():
        click.echo(f"input {name}: {encoding}")
    if result.steps_used is not None:
        click.echo(f"mean steps used       {result.steps_used.mean():.1f}")
    rows: list[tuple[object, ...]] = [
        (layer.layer, f"{layer.neurons:,}", f"{layer.spikes:,}", f"{layer.mean_rate_hz:.4g}")
        for layer in result.stats
    ]
    echo_table(("LAYER", ">NEURONS", ">SPIKES", ">MEAN HZ"), rows)
    for name, values in result.records.items():
        click.echo(f"recorded {name}: {'x'.join(map(str, values.shape))}, mean {float(values.mean()):.4g}")
    if energy is not None:
        click.echo(
            f"energy on {energy.device.name} (an estimate): {energy.total_j:.3g} J per inference, "
            f"{energy.float_j:.3g} J for the float network"
        )
        click.echo(f"input operations: {energy.input_operations:,.0f} per inference, {energy.input_count}")
        for note in energy.notes:
            click.echo(f"note: {note}")
    if npz is not None:
        click.echo(f"wrote {npz}")
