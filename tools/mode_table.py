"""Measures all trained networks in every mode, and writes the chapter "Modes" at the end of docs/accuracy.md.

    python tools/mode_table.py [--samples 1000] [--output docs/accuracy.md]

Everything runs through a server on this machine. Reference mode takes some minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import trained_models
from accuracy_table import SAMPLES, convert, input_shape
from trained_models import TrainedModel

import spikeserve

STEPS = 16
MODES = ("exact", "fast", "int8", "reference")
WITHOUT_REFERENCE = ("exact", "fast", "int8")  # over all test images, where reference mode would take an hour
TITLE = "## Modes"
ABOUT = f"""{TITLE}

The `spikeserve` preset over {STEPS} steps in each mode of [semantics.md](semantics.md#modes), written by
`python tools/mode_table.py`, which `make accuracy` runs last. `reference` is float64 and too slow for all
images. Points are percentage points of accuracy apart; the last columns are the share of images with the same
class.
"""
PAIRS = (("exact", "reference"), ("fast", "reference"), ("fast", "exact"), ("int8", "exact"))
_COLUMNS = (
    "network", "images", *MODES,
    *(f"{one} - {other}" for one, other in PAIRS),
    *(f"same class, {one} and {other}" for one, other in PAIRS),
)  # fmt: skip
HEADER = f"| {' | '.join(_COLUMNS)} |\n|---{'|---:' * (len(_COLUMNS) - 1)}|"

Classes = npt.NDArray[np.int64]


def classify(
    client: spikeserve.Client, model: TrainedModel, count: int, modes: Sequence[str]
) -> tuple[Classes, dict[str, Classes]]:
    """The labels of the first `count` test images, and their classes by mode; nothing stays on the server."""
    network = convert(model, "spikeserve")
    samples, labels = model.test_samples(count, input_shape(model))
    classes = {}
    for version, mode in enumerate(modes, 1):
        client.load(f"{model.name}.modes", network, version=version, mode=mode)
        result = client.simulate(
            f"{model.name}.modes", samples, version=version, steps=STEPS, statistics=False
        )
        assert result.settings.mode == mode
        classes[mode] = result.classes
    client.unload(f"{model.name}.modes")
    return np.asarray(labels, np.int64), classes


def accuracies(labels: Classes, classes: dict[str, Classes]) -> dict[str, float]:
    """Share of the images with their label, by mode."""
    return {mode: float(np.mean(of_mode == labels)) for mode, of_mode in classes.items()}


def row(name: str, labels: Classes, classes: dict[str, Classes]) -> str:
    """Markdown of one network; dashes where a mode was not run."""
    accuracy = accuracies(labels, classes)
    cells = [name, f"{len(labels):,}"]
    cells += [f"{accuracy[mode]:.2%}" if mode in accuracy else "-" for mode in MODES]
    measured = [a in classes and b in classes for a, b in PAIRS]
    cells += [
        f"{100 * (accuracy[a] - accuracy[b]):+.2f}" if known else "-"
        for (a, b), known in zip(PAIRS, measured, strict=True)
    ]
    cells += [
        f"{np.mean(classes[a] == classes[b]):.2%}" if known else "-"
        for (a, b), known in zip(PAIRS, measured, strict=True)
    ]
    return f"| {' | '.join(cells)} |"


def chapter(client: spikeserve.Client, models: Sequence[TrainedModel], count: int) -> str:
    """A row with reference mode per network, and one over all images where there are more."""
    lines = [ABOUT, HEADER]
    for model in models:
        lines.append(row(model.name, *classify(client, model, count, MODES)))
        every = len(model.images.test)
        if every > count:
            lines.append(row(model.name, *classify(client, model, every, WITHOUT_REFERENCE)))
    return "\n".join(lines) + "\n"


def with_chapter(page: str, text: str) -> str:
    """The page with this chapter at its end, in place of the one that it had."""
    before = page.split(f"{TITLE}\n")[0].rstrip()
    return f"{before}\n\n{text}"


def write_page(
    about: str | None,
    samples: int,
    chapter_of: Callable[[spikeserve.Client, Sequence[TrainedModel], int], str],
    with_text: Callable[[str, str], str],
) -> None:
    """Measures a chapter of the page through a server, and puts it into the page."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=samples)
    parser.add_argument("--output", type=Path, default=trained_models.ROOT / "docs" / "accuracy.md")
    arguments = parser.parse_args()
    with (
        spikeserve.serve(backend="cpu") as server,
        spikeserve.Client(server.address, max_batch=100, timeout=3600) as client,
    ):
        text = chapter_of(client, trained_models.ALL, arguments.samples)
    arguments.output.write_text(with_text(arguments.output.read_text(), text))
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    write_page(__doc__, SAMPLES, chapter, with_chapter)
