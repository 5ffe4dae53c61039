"""Converts a Keras network, serves it on the CPU, classifies 1,000 images through gRPC, and says how well.

Draws build/demo.png: the spikes of one image and the evidence that they add up to. Exits with 1 where the
accuracy is more than half a point below that of the float network, or fewer than 98 % of the classes agree.
"""

from __future__ import annotations

import sys

import numpy as np
import trained_models
from matplotlib.figure import Figure
from trained_models import FASHION_LABELS, TrainedModel

import spikeserve
from spikeserve import plot
from spikeserve.cli.common import progress_bar
from spikeserve.evaluation import Evaluation, classify_float, evaluate

IMAGES = 1000
CALIBRATION_IMAGES = 1000
STEPS = 16  # of the default preset 2 would do; more for the picture
BATCH = 50  # images per request, so that the bar moves
SHOWN = 0  # the test image of the picture
PICTURE = trained_models.ROOT / "build" / "demo.png"

MAX_ACCURACY_LOSS = 0.005
MIN_AGREEMENT = 0.98


def main() -> int:
    """Runs the demo; the exit status."""
    model = TrainedModel("fashion_mlp.keras", "fashion")
    network = convert(model)
    samples, labels = model.test_samples(IMAGES, (28, 28))
    expected = classify_float(network, samples)
    with (
        spikeserve.serve(backend="cpu") as server,
        spikeserve.Client(server.address, max_batch=BATCH, timeout=600) as client,
    ):
        print(f"server: {server.address}, CPU")
        with progress_bar("uploading") as uploaded:
            version = client.load(model.name, network, on_progress=uploaded)
        print(f"loaded: {model.name} version {version}")
        with progress_bar("classifying") as classified:
            outcome = evaluate(
                client,
                model.name,
                samples,
                labels,
                float_classes=expected,
                on_progress=classified,
                steps=STEPS,
            )
        draw(client, model.name, network, samples, labels, outcome)
    return report(outcome)


def convert(model: TrainedModel) -> spikeserve.Network:
    """The network, with its firing rates set on training images and a probe of its spikes."""
    network = spikeserve.convert(
        model.path,
        sample_data=model.sample_data(CALIBRATION_IMAGES, (28, 28)),
        uint8_scale=model.images.uint8_scale,
        class_labels=FASHION_LABELS,
    )
    print(f"converted: {model.path.relative_to(trained_models.ROOT)}")
    print(network.summary())
    return plot.add_spike_probes(network)


def draw(
    client: spikeserve.Client,
    name: str,
    network: spikeserve.Network,
    samples: trained_models.Bytes,
    labels: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    outcome: Evaluation,
) -> None:
    """Writes PICTURE."""
    probes = [probe.name for probe in network.definition.probes]
    result = client.simulate(name, samples[SHOWN : SHOWN + 1], steps=STEPS, probes=probes, trajectories=True)
    layer = outcome.layers[0].layer
    dt = result.settings.dt
    figure = Figure(figsize=(9, 9), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, height_ratios=(4, 4, 1.2))
    spikes = result.trajectories[plot.spike_probe_name(layer)][0]
    plot.spike_raster(spikes, dt, title=f"Spikes of {layer} for test image {SHOWN}", axes=top)
    title = f"Evidence per class (the label is {FASHION_LABELS[labels[SHOWN]]})"
    plot.evidence(result.trajectories[probes[0]][0], dt, labels=FASHION_LABELS, title=title, axes=middle)
    plot.layer_rates(outcome.layers, axes=bottom)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    print(f"picture: {PICTURE.relative_to(trained_models.ROOT)}")


def report(outcome: Evaluation) -> int:
    """Prints the result; 0 where it is good enough."""
    assert outcome.accuracy is not None
    assert outcome.float_accuracy is not None
    assert outcome.agreement is not None
    problems = []
    if outcome.accuracy < outcome.float_accuracy - MAX_ACCURACY_LOSS:
        problems.append(f"accuracy is more than {MAX_ACCURACY_LOSS:.1%} below the float network's")
    if outcome.agreement < MIN_AGREEMENT:
        problems.append(f"agreement is below {MIN_AGREEMENT:.0%}")
    print(f"mean rate {outcome.mean_rate_hz:.1f} Hz, {outcome.spikes_per_inference:,.0f} spikes per image")
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    print(
        f"demo: {'failed' if problems else 'ok'} accuracy={outcome.accuracy:.4f} "
        f"float_accuracy={outcome.float_accuracy:.4f} agreement={outcome.agreement:.4f} "
        f"inferences_per_second={outcome.inferences_per_second:.1f}"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, spikeserve.SpikeserveError, spikeserve.ServerStartError) as error:
        sys.exit(f"demo: failed: {error}")
