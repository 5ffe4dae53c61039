"""Reads NIR files as networks."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spikeserve._keywords import checked
from spikeserve._probes import answer_target
from spikeserve._report import ConversionReport, write_report
from spikeserve._version import __version__
from spikeserve.convert.definition.summary import operation_shapes
from spikeserve.convert.errors import ConversionError, ConversionWarning, printable
from spikeserve.convert.nir.file import is_nir, read_file
from spikeserve.convert.nir.graph import FlatGraph
from spikeserve.convert.nir.inline import flatten
from spikeserve.convert.nir.lower import lower
from spikeserve.convert.nir.options import DEFAULT_DT, INTEGRATIONS, RESETS, NirOptions
from spikeserve.convert.nir.parse import has_times, parse
from spikeserve.convert.options import DEFAULT_PRESET, UNSET, RunOptions, run_options
from spikeserve.convert.read.limits import DEFAULT_LIMITS
from spikeserve.convert.read.source import HDF5_MAGIC
from spikeserve.network import Network

_CALLER = 3  # frames from a warning to whoever called, behind what checks the keywords
# Options of `convert` for networks of numbers, with what they are where nobody gives them.
_OF_FLOAT_MODELS: Mapping[str, Any] = {
    "preset": DEFAULT_PRESET,
    "swap_activations": None,
    "synapse": UNSET,
    "probe_synapse": UNSET,
    "scale_firing_rates": None,
    "target_rate_hz": None,
    "sample_data": None,
    "initial_voltage": None,
    "uint8_scale": None,
    "input_shape": None,
    "keep_softmax": False,
    "delay_steps": 0,
}


def is_nir_file(model: object) -> bool:
    """Whether a model is the path of a NIR file, by its content."""
    if not isinstance(model, (str, os.PathLike)) or not Path(model).is_file():
        return False
    with Path(model).open("rb") as stream:
        magic = stream.read(len(HDF5_MAGIC))
    return magic == HDF5_MAGIC and is_nir(Path(model), DEFAULT_LIMITS)


def nir_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of `convert` that `read_nir` has too; ConversionError for others that were set."""
    wrong = [
        name
        for name, default in _OF_FLOAT_MODELS.items()
        if name in given and not _is_default(given[name], default)
    ]
    if wrong:
        raise ConversionError(
            f"{', '.join(wrong)}: not for a NIR file, which is a spiking network already; it takes dt, "
            "steps, readout and class_labels, and by read_nir integration, reset and min_voltage"
        )
    return {name: given[name] for name in ("dt", "steps", "readout", "class_labels") if name in given}


def _is_default(value: object, default: object) -> bool:
    return value is default or (isinstance(value, (str, int)) and value == default)


@checked
def read_nir(
    path: str | os.PathLike[str],
    *,
    dt: float | None = None,
    integration: str = "euler",
    reset: str = "value",
    min_voltage: float = -math.inf,
    steps: int | None = None,
    readout: Any = None,
    class_labels: Sequence[str] | None = None,
) -> Network:
    """Reads a NIR file, which is a spiking network already, as a network for the server.

    `path`: an HDF5 file of the Neuromorphic Intermediate Representation, of version 0.1 to 1.x. Neither the
      package nor the tool that wrote it is needed.
    `dt`: time step in seconds, 0.0001 by default. A file has equations in continuous time and no step; give
      the one that the network was trained with. Spikes count as 1 during a step, so the network is for runs
      with this dt.
    `integration`: "euler", as most tools step a leak (v += dt/tau*(...)), or "exact" (v decays by
      exp(-dt/tau)).
    `reset`: "value", as the equations say: at most one spike per step, after which the voltage is v_reset.
      "subtract": of IF nodes, floor(v) spikes in thresholds, and the voltage keeps the rest.
    `min_voltage`: with reset "subtract", a lower bound of the voltage in thresholds, at most 0 (Sinabs: -1).
    `steps`, `readout`, `class_labels`: defaults of a run, as of `convert`; 100 steps.

    Inputs have the shape that the file says, images with their channels first. Raises ConversionError naming
    every node that cannot be had, and why; warns with ConversionWarning of what differs from the file.
    """
    run = run_options(
        "spikeserve", UNSET, UNSET, None, dt, 100 if steps is None else steps, readout, class_labels
    )
    options = _options(DEFAULT_DT if dt is None else run.dt, integration, reset, min_voltage)
    source = Path(path)
    root, version, warned = read_file(source, DEFAULT_LIMITS)
    graph = flatten(root, str(path))
    parsed, found = parse(graph, str(path), options)
    definition, more = lower(graph, parsed, str(path), options.dt)
    report = ConversionReport(notes=_notes(graph, options), warnings=[*warned, *found, *more])
    report.warnings += _late(graph, options)
    if dt is None and has_times(graph):
        report.warnings.insert(
            0, f"the file says no time step: dt is {options.dt:g} s; give the one of its training"
        )
    network = _finished(definition, run, options, report)
    network.definition.provenance.source_format = printable(f"NIR {version}".strip())
    network.definition.provenance.source_sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    for message in report.warnings:
        warnings.warn(message, ConversionWarning, stacklevel=_CALLER)
    return network


def _options(dt: float, integration: str, reset: str, min_voltage: float) -> NirOptions:
    if integration not in INTEGRATIONS:
        raise ConversionError(f"integration is {integration!r}, choose one of {', '.join(INTEGRATIONS)}")
    if reset not in RESETS:
        raise ConversionError(f"reset is {reset!r}, choose one of {', '.join(RESETS)}")
    if isinstance(min_voltage, bool) or not isinstance(min_voltage, (int, float)) or not min_voltage <= 0:
        raise ConversionError(f"min_voltage is {min_voltage!r}, wanted a number of at most 0, in thresholds")
    if reset == "value" and min_voltage != -math.inf:
        raise ConversionError("min_voltage is for reset='subtract'")
    return NirOptions(dt, integration, reset, float(min_voltage))


def _notes(graph: FlatGraph, options: NirOptions) -> list[str]:
    kinds = {node.kind for node in graph.nodes}
    notes = [f"steps of {options.dt:g} s, for which the network is; a spike counts as 1 during a step"]
    if kinds & {"LI", "LIF", "CubaLI", "CubaLIF"}:
        rule = "1 - dt/tau (Euler)" if options.integration == "euler" else "exp(-dt/tau)"
        notes.append(f"leaks decay by {rule} per step")
    if "IF" in kinds:
        bound = "" if options.min_voltage == -math.inf else f", at least {options.min_voltage:g} thresholds"
        many = f"IF sends several spikes per step and keeps the rest of its voltage{bound}"
        notes.append(many if options.reset == "subtract" else "IF sends one spike per step at most")
    return notes


def _late(graph: FlatGraph, options: NirOptions) -> list[str]:
    """Filters here pass on their value a step late."""
    late = [node.name for node in graph.nodes if node.kind in ("LI", "CubaLI", "CubaLIF", "I")]
    if not late:
        return []
    shown = ", ".join(map(repr, late[:8])) + (", ..." if len(late) > 8 else "")
    return [
        f"what {shown} make of an input arrives one step ({options.dt:g} s) later than in tools that update "
        "a synapse before the membrane: let a run have as many steps more as such nodes are in a row"
    ]


def _finished(definition: Any, run: RunOptions, options: NirOptions, report: ConversionReport) -> Network:
    """The definition with the defaults of a run and its report."""
    definition.defaults.dt = options.dt
    definition.defaults.steps = run.steps
    definition.defaults.readout.CopyFrom(run.readout)
    if run.class_labels:
        outputs = math.prod(operation_shapes(definition)[answer_target(definition)])
        if len(run.class_labels) != outputs:
            raise ConversionError(
                f"class_labels has {len(run.class_labels)} names, the network has {outputs} outputs"
            )
        definition.defaults.class_labels.extend(run.class_labels)
    definition.provenance.converter_version = f"spikeserve {__version__}"
    report.notes = [printable(note) for note in report.notes]
    report.warnings = [printable(message) for message in [*report.warnings, *run.warnings()]]
    write_report(report, definition.provenance)
    return Network(definition, report)
