"""Measures input encodings and early exit on the fashion networks, and writes docs/encodings.md.

    python tools/encoding_table.py [--samples 1000] [--output docs/encodings.md]

Everything runs through a server on this machine. Takes some minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import accuracy_table
import numpy as np
import trained_models
from trained_models import TrainedModel

import spikeserve
from spikeserve import encodings

SAMPLES = 1000
STEPS = (8, 16, 32, 64, 100)
ENCODINGS: dict[str, encodings.Encoding | None] = {
    "direct": None,
    "regular": encodings.Regular(),
    "burst": encodings.Burst(),
    "poisson": encodings.Poisson(),
    "bernoulli": encodings.Bernoulli(),
    "latency": encodings.Latency(),
}
LOSSES = (0.0, 0.002, 0.005, 0.01, 0.02)
EXIT_STEPS = 64

ABOUT = """# Input encodings and early exit

How the encodings of [semantics.md](semantics.md#input-encodings) and early exit do on the fashion networks of
`tests/data/models`: the first {samples:,} test images, preset `spikeserve`, steps of 1 ms, `exact` mode,
seed 1. Networks of the presets with memory average random encodings in every layer, and read no times at all.
Written by `tools/encoding_table.py`.

The networks were trained on pixel values, not on spikes. Direct current gives the first layer the exact
values at once and needs the fewest steps. The rate encodings and burst have the mean of the values and an
error that falls with the steps. Latency gives every pixel above 0 one spike, whose time these networks do not
read: its row shows what happens where a code does not fit the network.

Early exit: the margin is calibrated by `spikeserve.calibrate_early_exit` on the second half of the images for
a loss of accuracy of at most the first column there, out of {exit_steps} steps; accuracy and steps are those
of a run with `early_exit` on the first half. A few hundred images decide a loss of accuracy only to a point
or two: calibrate on as many as you have.
"""


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    return head + [f"| {' | '.join(row)} |" for row in rows]


def encoding_rows(client: spikeserve.Client, item: accuracy_table.Prepared) -> Iterator[tuple[str, ...]]:
    """Accuracy by encoding and steps."""
    for name, encoding in ENCODINGS.items():
        row = [name]
        for steps in STEPS:
            result = client.simulate(
                item.name,
                item.samples,
                steps=steps,
                encoding=encoding,
                seed=1,
                statistics=False,
            )
            row.append(f"{np.mean(result.classes == item.labels):.1%}")
        yield tuple(row)


def exit_rows(client: spikeserve.Client, item: accuracy_table.Prepared) -> Iterator[tuple[str, ...]]:
    """Accuracy and mean steps by the loss that the calibration allowed."""
    half = len(item.samples) // 2
    test, labels = item.samples[:half], item.labels[:half]
    full = client.simulate(item.name, test, steps=EXIT_STEPS, statistics=False)
    yield "no early exit", "", f"{np.mean(full.classes == labels):.1%}", f"{EXIT_STEPS}"
    for loss in LOSSES:
        found = spikeserve.calibrate_early_exit(
            client, item.name, item.samples[half:], item.labels[half:], max_loss=loss, min_steps=2,
            steps=EXIT_STEPS,
        )  # fmt: skip
        result = client.simulate(
            item.name,
            test,
            steps=EXIT_STEPS,
            early_exit=found.early_exit,
            statistics=False,
        )
        assert result.steps_used is not None
        accuracy = np.mean(result.classes == labels)
        yield (
            f"{loss:.1%}",
            f"{found.early_exit.margin:.3g}",
            f"{accuracy:.1%}",
            f"{result.steps_used.mean():.1f}",
        )


def chapter(client: spikeserve.Client, model: TrainedModel, count: int) -> str:
    """Markdown of one network; nothing of it stays on the server."""
    item = accuracy_table.prepare(client, model, "spikeserve", count)
    float_accuracy = np.mean(item.float_classes == item.labels)
    lines = [
        f"\n## {model.name}\n",
        f"Float network: {float_accuracy:.1%}. Accuracy by encoding and steps:\n",
    ]
    lines += _table(
        ("encoding", *(f"{steps} steps" for steps in STEPS)),
        encoding_rows(client, item),
    )
    lines += ["\nEarly exit:\n"]
    lines += _table(("allowed loss", "margin", "accuracy", "mean steps"), exit_rows(client, item))
    client.unload(item.name)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--output", type=Path, default=trained_models.ROOT / "docs" / "encodings.md")
    arguments = parser.parse_args()
    models = [model for model in trained_models.ALL if model.data == "fashion"]
    with (
        spikeserve.serve(backend="cpu") as server,
        spikeserve.Client(server.address, max_batch=100, timeout=3600) as client,
    ):
        parts = [chapter(client, model, arguments.samples) for model in models]
    about = ABOUT.format(samples=arguments.samples, exit_steps=EXIT_STEPS)
    arguments.output.write_text(about + "".join(parts))
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
