"""Measures all trained networks in both presets at several numbers of steps, and writes docs/accuracy.md.

    python tools/accuracy_table.py [--samples 1000] [--output docs/accuracy.md]

Everything runs through a server on this machine. Takes some minutes.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trained_models
from trained_models import TrainedModel

import spikeserve
from spikeserve.cli.common import progress_bar
from spikeserve.evaluation import Evaluation, classify_float, evaluate

PRESETS: dict[str, dict[str, Any]] = {
    "spikeserve": {},
    "nengo_dl": {"scale_firing_rates": 100},  # synapse 0.005 s, probe 0.01 s come with the preset
}
STEPS = (8, 16, 32, 64, 100)
SAMPLES = 1000
CALIBRATION_SAMPLES = 1000

ABOUT = """# Accuracy

How well the trained networks of `tests/data/models` classify as spiking networks: the first {samples:,} test
images ({digits} for the digits), steps of 1 ms, `exact` mode. Written by `make accuracy`;
`tests/e2e/test_accuracy.py` holds the goals.

- **spikeserve**: the default preset. Signed integrate-and-fire, no synapse, initial voltage 0.5, scales from
  the activations on {calibration:,} training images.
- **nengo_dl**: what NengoDL does. SpikingRectifiedLinear, `scale_firing_rates=100`, synapse 0.005 s, probe
  0.01 s, uniform initial voltage. Its filters take tens of steps to settle, so few steps cannot work.

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)  # the table shows what they are about
        return spikeserve.convert(
            model.path,
            preset=preset,
            sample_data=model.sample_data(CALIBRATION_SAMPLES, input_shape(model)),
            uint8_scale=model.images.uint8_scale,
            **PRESETS[preset],
        )


def input_shape(model: TrainedModel) -> tuple[int, ...]:
    """Of one sample: the convolutional networks have a channel axis."""
    shape = model.images.test.shape[1:]
    return (*shape, 1) if "cnn" in model.name or "lenet" in model.name else shape


def prepare(client: spikeserve.Client, model: TrainedModel, preset: str, count: int = SAMPLES) -> Prepared:
    """Converts and loads the network."""
    network = convert(model, preset)
    samples, labels = model.test_samples(count, input_shape(model))
    name = f"{model.name}.{preset}"
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


def rows(client: spikeserve.Client, model: TrainedModel, preset: str, count: int) -> Iterator[Evaluation]:
    """The rows of one network and preset; the network is gone afterwards."""
    prepared = prepare(client, model, preset, count)
    for steps in STEPS:
        yield measure(client, prepared, steps)
    client.unload(prepared.name)


def section(title: str, evaluations: list[Evaluation]) -> str:
    """Markdown of one network and preset."""
    return "\n".join([f"\n### {title}\n", HEADER, *(row(item) for item in evaluations)]) + "\n"


def row(item: Evaluation) -> str:
    """Markdown of one measurement."""
    assert item.float_accuracy is not None
    assert item.agreement is not None
    points = 100 * (item.accuracy - item.float_accuracy)
    return (
        f"| {item.settings.steps} | {item.accuracy:.2%} | {points:+.2f} | {item.agreement:.2%} "
        f"| {item.mean_rate_hz:.1f} | {item.spikes_per_inference:,.0f} "
        f"| {item.synaptic_operations_per_inference:,.0f} |"
    )


def table(client: spikeserve.Client, count: int) -> str:
    """The whole page."""
    digits = min(count, len(trained_models.digits().test))
    parts = [ABOUT.format(samples=count, digits=digits, calibration=CALIBRATION_SAMPLES)]
    total = len(trained_models.ALL) * len(PRESETS) * len(STEPS)
    done = 0
    with progress_bar("measuring") as progress:
        for model in trained_models.ALL:
            for preset in PRESETS:
                evaluations = []
                for evaluation in rows(client, model, preset, count):
                    evaluations.append(evaluation)
                    done += 1
                    progress(done, total)
                if preset == "spikeserve":
                    accuracy = evaluations[0].float_accuracy
                    parts.append(f"\n## {model.name}\n\nFloat network: {accuracy:.2%}.\n")
                parts.append(section(preset, evaluations))
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
        arguments.output.write_text(table(client, arguments.samples))
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
