"""How well a network on a server classifies labelled samples, and what that costs in spikes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spikeserve import _probes
from spikeserve._requests import RunOptions
from spikeserve._upload import OnProgress
from spikeserve.client import Client
from spikeserve.convert.definition.forward import run_rates
from spikeserve.network import Network
from spikeserve.results import LayerStatistics, Settings

if TYPE_CHECKING:
    from typing_extensions import Unpack

_FORWARD_BATCH = 250  # samples of one float pass, so that its memory stays small


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`. Fractions are 0..1; None where what they need was not given."""

    samples: int
    accuracy: float
    float_accuracy: float | None
    agreement: float | None  # same class as the float network
    mean_rate_hz: float  # over all spiking neurons
    spikes_per_inference: float
    synaptic_operations_per_inference: float
    inferences_per_second: float  # seen by this client
    layers: tuple[LayerStatistics, ...]
    settings: Settings
    mean_steps: float  # per sample; below the steps of the run with early_exit


def evaluate(
    client: Client,
    name: str,
    samples: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    *,
    float_classes: npt.NDArray[np.int64] | None = None,
    on_progress: OnProgress | None = None,
    timeout: float | None = None,
    **options: Unpack[RunOptions],
) -> Evaluation:
    """Classifies `samples` [n, shape...] on the server and compares with `labels` [n] (class indices).

    `float_classes` [n] are the classes of the float network, see `classify_float`. Options as in
    `Client.simulate`; ValueError where the counts differ.
    """
    if labels.shape != (len(samples),):
        raise ValueError(f"{len(samples)} samples, but labels of shape {list(labels.shape)}")
    if float_classes is not None and float_classes.shape != labels.shape:
        raise ValueError(f"{len(samples)} samples, but {len(float_classes)} float classes")
    start = time.monotonic()
    result = client.simulate(name, samples, on_progress=on_progress, timeout=timeout, **options)
    seconds = time.monotonic() - start
    _probes.check_classes(result.classes, len(samples), name)
    count = len(samples)
    neurons = sum(layer.neurons for layer in result.stats)
    spikes = sum(layer.spikes for layer in result.stats)
    steps = float(result.settings.steps)
    if result.steps_used is not None:
        steps = float(result.steps_used.mean())
    simulated_s = steps * result.settings.dt
    return Evaluation(
        samples=count,
        accuracy=float(np.mean(result.classes == labels)),
        float_accuracy=None if float_classes is None else float(np.mean(float_classes == labels)),
        agreement=None if float_classes is None else float(np.mean(result.classes == float_classes)),
        mean_rate_hz=spikes / (count * neurons * simulated_s) if neurons else 0.0,
        spikes_per_inference=spikes / count,
        synaptic_operations_per_inference=sum(layer.synaptic_operations for layer in result.stats) / count,
        inferences_per_second=count / seconds,
        layers=result.stats,
        settings=result.settings,
        mean_steps=steps,
    )


def classify_float(network: Network, samples: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The classes [n] of the network with its neurons as rates: those of the model it was converted from.

    `samples` [n, shape...] as for the server; bytes are scaled where the network says how. For networks with
    one input; ValueError for others.
    """
    definition = network.definition
    inputs = [operation for operation in definition.operations if operation.HasField("input")]
    if len(inputs) != 1:
        raise ValueError(f"the network has {len(inputs)} inputs, wanted one")
    body = inputs[0].input
    values = samples.astype(np.float32)
    if samples.dtype == np.uint8 and body.HasField("uint8_scale"):
        values = values * np.float32(body.uint8_scale) + np.float32(body.uint8_offset)
    values = values.reshape(len(values), *body.shape)
    classes = []
    for start in range(0, len(values), _FORWARD_BATCH):
        batch = {inputs[0].name: values[start : start + _FORWARD_BATCH]}
        outputs = run_rates(definition, batch, np.float32)[_probes.answer_target(definition)]
        classes.append(outputs.reshape(len(outputs), -1).argmax(axis=1))
    return np.concatenate(classes)
