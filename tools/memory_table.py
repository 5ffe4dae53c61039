"""Measures the presets with memory on all trained networks, and writes their chapter of docs/accuracy.md.

    python tools/memory_table.py [--samples 5000] [--output docs/accuracy.md]

Everything runs through a server on this machine. Takes some minutes, most of them for `sparse` to search.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mode_table
import numpy as np
from accuracy_table import convert, input_shape
from trained_models import TrainedModel

import spikeserve
from spikeserve.evaluation import classify_float

SAMPLES = 5000
SAMPLE_DATA = {"accurate": 1000, "balanced": 1000, "sparse": 3000}
# Which preset, over how many steps, in which mode.
RUNS = (
    ("spikeserve", 8, "exact"),
    ("balanced", 1, "exact"),
    ("balanced", 2, "exact"),
    ("balanced", 8, "exact"),
    ("balanced", 8, "int8"),
    ("accurate", 8, "exact"),
    ("accurate", 100, "exact"),
    ("sparse", 1, "exact"),
    ("sparse", 1, "int8"),
)
TITLE = "## Neurons with memory"
ABOUT = f"""{TITLE}

The presets with memory, of which `balanced` is the default, on the first {SAMPLES:,} test images (397 of the
digits), which no recipe sees, written by `python tools/memory_table.py`, which `make accuracy` runs as well.
What matters is how many levels a channel has, steps times spikes per step: `balanced` over 8 steps is
`accurate`, and any number of steps costs the same time (`docs/benchmarks.md`). Points are percentage points
above or below the float network, with the standard error of the paired difference; operations are those of
spikes that were not taken back.
"""
_COLUMNS = (
    "network", "preset", "mode", "steps", "points", "standard error", "agreement", "spikes",
    "synaptic operations",
)  # fmt: skip
HEADER = f"| {' | '.join(_COLUMNS)} |\n|---|---|---{'|---:' * (len(_COLUMNS) - 3)}|"


@dataclass(frozen=True)
class Judged:
    """One run over all images."""

    preset: str
    mode: str
    steps: int
    classes: mode_table.Classes
    spikes: float  # per image
    operations: float


def converted(model: TrainedModel, preset: str) -> spikeserve.Network:
    """The network with what the preset needs to see."""
    if preset == "spikeserve":
        return convert(model, preset)
    count = min(SAMPLE_DATA[preset], len(model.images.train))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        return spikeserve.convert(
            model.path,
            preset=preset,
            sample_data=model.sample_data(count, input_shape(model)),
            uint8_scale=model.images.uint8_scale,
        )


def runs(client: spikeserve.Client, model: TrainedModel, samples: Any) -> Iterator[Judged]:
    """All rows of a network; nothing stays on the server."""
    networks = {preset: converted(model, preset) for preset in dict.fromkeys(run[0] for run in RUNS)}
    for preset, steps, mode in RUNS:
        name = f"{model.name}.memory"
        client.load(name, networks[preset], mode=mode)
        result = client.simulate(name, samples, steps=steps)
        client.unload(name)
        yield Judged(
            preset,
            mode,
            steps,
            result.classes,
            sum(layer.spikes for layer in result.stats) / len(samples),
            sum(layer.synaptic_operations for layer in result.stats) / len(samples),
        )


def row(name: str, judged: Judged, labels: mode_table.Classes, floats: mode_table.Classes) -> str:
    """Markdown of one run."""
    difference = (judged.classes == labels).astype(float) - (floats == labels)
    error = float(np.std(difference)) / float(np.sqrt(len(labels)))
    return (
        f"| {name} | {judged.preset} | {judged.mode} | {judged.steps} | {100 * difference.mean():+.2f} "
        f"| {100 * error:.2f} | {np.mean(judged.classes == floats):.2%} | {judged.spikes:,.0f} "
        f"| {judged.operations:,.0f} |"
    )


def chapter(client: spikeserve.Client, models: Sequence[TrainedModel], count: int) -> str:
    """A row for each run of each network."""
    lines = [ABOUT, HEADER]
    for model in models:
        samples, labels = model.test_samples(count, input_shape(model))
        floats = classify_float(convert(model, "spikeserve"), samples)
        lines += [row(model.name, judged, labels, floats) for judged in runs(client, model, samples)]
    return "\n".join(lines) + "\n"


def with_chapter(page: str, text: str) -> str:
    """The page with this chapter before that of the modes, in place of the one that it had."""
    before, found, modes = page.partition(f"{mode_table.TITLE}\n")
    before = before.split(f"{TITLE}\n")[0].rstrip()
    return f"{before}\n\n{text}" + (f"\n{found}{modes}" if found else "")


if __name__ == "__main__":
    mode_table.write_page(__doc__, SAMPLES, chapter, with_chapter)
