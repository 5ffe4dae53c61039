"""Measures all trained networks in both presets at several numbers of steps, and writes docs/accuracy.md.

    python tools/accuracy_table.py [--samples 1000] [--output docs/accuracy.md]

Everything runs through a server on this machine. Takes some minutes.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trained_models
from trained_models import TrainedModel

import spikeserve
from spikeserve.cli.common import progress_bar
from spikeserve.evaluation import Evaluation, classify_float, evaluate

NENGO_DL = "nengo_dl"
NENGO_DL_FASTER = "nengo_dl, scale 500"
SCALES = {NENGO_DL: 100, NENGO_DL_FASTER: 500}  # of all layers
PRESETS = ("spikeserve", *SCALES)
STEPS = (8, 16, 32, 64, 100)
SAMPLES = 1000
CALIBRATION_SAMPLES = 1000

ABOUT = """# Accuracy

How well the trained networks of `tests/data/models` classify as spiking networks: the first {samples:,} test
images ({digits} for the digits), steps of 1 ms, `exact` mode. Written by `make accuracy`;
`tests/e2e/test_accuracy.py` holds the goals.

The default preset, `balanced`, and the others with memory have
[a chapter of their own](#neurons-with-memory).

- **spikeserve**: signed integrate-and-fire, no synapse, initial voltage 0.5, scales from
  the activations on {calibration:,} training images.
- **nengo_dl**: what NengoDL does. SpikingRectifiedLinear, `scale_firing_rates=100`, synapse 0.005 s, probe
  0.01 s, uniform initial voltage. Its filters take tens of steps to settle, so few steps cannot work.
- **nengo_dl, scale 500**: for the networks where the converter warns that a layer spikes less than once per
  neuron and run at scale 100. That is too little to classify well.

Points are percentage points of accuracy above or below the float network on the same images. Agreement is the
share of images with the class of the float network. The rate is the mean over all neurons, images and steps.
Spikes and synaptic operations (a spike arriving at a weight) are per inference.
"""
_COLUMNS = ("steps", "accuracy", "points", "agreement", "mean rate (Hz)", "spikes", "synaptic operations")
HEADER = f"| {' | '.join(_COLUMNS)} |\n{'|---:' * len(_COLUMNS)}|"


@dataclass(frozen=True)
class Prepared:
    """A converted network on the server, with the test samples and the classes of the float network."""

    name: str
    samples: trained_models.Bytes
    labels: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    float_classes: np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def convert(model: TrainedModel, preset: str) -> spikeserve.Network:
    """The network with the options of the table; its byte input takes the images as they are stored."""
    if preset == "spikeserve":
        return _convert(model, preset="spikeserve")
    return _convert(model, preset="nengo_dl", scale_firing_rates=SCALES[preset])


def best_nengo_dl(model: TrainedModel) -> str:
    """Scale 100, or 500 where the converter warns that a layer would hardly spike."""
    layers = convert(model, NENGO_DL).report.layers
    starved = any(layer.suggested_scale is not None for layer in layers)
    return NENGO_DL_FASTER if starved else NENGO_DL


def _convert(model: TrainedModel, **options: Any) -> spikeserve.Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)  # the table shows what they are about
        return spikeserve.convert(
            model.path,
            sample_data=model.sample_data(CALIBRATION_SAMPLES, input_shape(model)),
            uint8_scale=model.images.uint8_scale,
            **options,
        )


def input_shape(model: TrainedModel) -> tuple[int, ...]:
    """Of one sample: the convolutional networks have a channel axis."""
    shape = model.images.test.shape[1:]
    return (*shape, 1) if "cnn" in model.name or "lenet" in model.name else shape


def prepare(client: spikeserve.Client, model: TrainedModel, preset: str, count: int = SAMPLES) -> Prepared:
    """Converts and loads the network."""
    network = convert(model, preset)
    samples, labels = model.test_samples(count, input_shape(model))
    name = f"{model.name}.{PRESETS.index(preset)}"
    client.load(name, network)
    return Prepared(name, samples, labels, classify_float(network, samples))


def measure(client: spikeserve.Client, prepared: Prepared, steps: int) -> Evaluation:
    """One row of the table."""
    return evaluate(
        client,
        prepared.name,
        prepared.samples,
        prepared.labels,
        float_classes=prepared.float_classes,
        steps=steps,
    )


def row(item: Evaluation) -> str:
    """Markdown of one measurement."""
    assert item.accuracy is not None
    assert item.float_accuracy is not None
    assert item.agreement is not None
    points = 100 * (item.accuracy - item.float_accuracy)
    return (
        f"| {item.settings.steps} | {item.accuracy:.2%} | {points:+.2f} | {item.agreement:.2%} "
        f"| {item.mean_rate_hz:.1f} | {item.spikes_per_inference:,.0f} "
        f"| {item.synaptic_operations_per_inference:,.0f} |"
    )


def chapter(client: spikeserve.Client, model: TrainedModel, count: int, on_row: Callable[[], None]) -> str:
    """Markdown of one network; nothing of it stays on the server."""
    lines: list[str] = []
    for preset in dict.fromkeys(("spikeserve", NENGO_DL, best_nengo_dl(model))):
        prepared = prepare(client, model, preset, count)
        lines += [f"\n### {preset}\n", HEADER]
        for steps in STEPS:
            evaluation = measure(client, prepared, steps)
            lines.append(row(evaluation))
            on_row()
        client.unload(prepared.name)
    return f"\n## {model.name}\n\nFloat network: {evaluation.float_accuracy:.2%}.\n" + "\n".join(lines) + "\n"


def page(client: spikeserve.Client, count: int) -> str:
    """The whole page."""
    digits = min(count, len(trained_models.digits().test))
    parts = [ABOUT.format(samples=count, digits=digits, calibration=CALIBRATION_SAMPLES)]
    presets = [len({"spikeserve", NENGO_DL, best_nengo_dl(model)}) for model in trained_models.ALL]
    done = itertools.count(1)
    with progress_bar("measuring") as progress:
        for model in trained_models.ALL:
            parts.append(
                chapter(client, model, count, lambda: progress(next(done), sum(presets) * len(STEPS)))
            )
    return "".join(parts)


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--output", type=Path, default=trained_models.ROOT / "docs" / "accuracy.md")
    arguments = parser.parse_args()
    with (
        spikeserve.serve(backend="cpu") as server,
        spikeserve.Client(server.address, max_batch=100, timeout=3600) as client,
    ):
        arguments.output.write_text(page(client, arguments.samples))
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
