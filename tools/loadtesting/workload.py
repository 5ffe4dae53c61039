"""What a load test sends: a network, samples for it, and the classes that are right."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import trained_models

import spikeserve
from spikeserve.evaluation import classify_float
from spikeserve.samples import read_array

NAME = "loadtest"  # of the network on the server
STEPS = 16
SAMPLES = 128  # what is recomputed in float64 before the load; the bodies go round them

_MODEL = trained_models.TrainedModel("fashion_lenet.keras", "fashion")
_SHAPE = (28, 28, 1)
_CALIBRATION = 500  # training images that set the firing rates
# Share of the spread of a network's margins below which rounding alone may decide: such samples are not sent.
_UNCLEAR = 0.01
# A spiking network with 16 steps gives nearly every sample the class of its float network; one that does not
# is not worth loading a server with.
_MIN_AGREEMENT = 0.9

Classes = npt.NDArray[np.int64]


class WorkloadError(ValueError):
    """The network, the samples and the classes do not go together; the message says how."""


@dataclass(frozen=True)
class Workload:
    """`samples` [n, shape...] as they are sent, `expected` [n]: the class of each after `steps` steps."""

    network: spikeserve.Network
    samples: npt.NDArray[Any]
    expected: Classes
    steps: int
    origin: str  # where network, samples and classes come from, for the report

    @property
    def input_name(self) -> str:
        """The Input operation."""
        return str(only_input(self.network).name)


def only_input(network: spikeserve.Network) -> Any:
    """The Input operation of a network; WorkloadError where it has several."""
    inputs = [operation for operation in network.definition.operations if operation.HasField("input")]
    if len(inputs) != 1:
        raise WorkloadError(f"the network has {len(inputs)} inputs, wanted one that --data is for")
    return inputs[0]


def load_network(path: Path | None) -> tuple[spikeserve.Network, str]:
    """The `.spk` file, or the LeNet of tests/data/models, and what to call it."""
    if path is not None:
        return spikeserve.load_network(path), path.name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        network = spikeserve.convert(
            _MODEL.path,
            preset="spikeserve",  # every step is work, as for the most networks that a server may have
            sample_data=_MODEL.sample_data(_CALIBRATION, _SHAPE),
            uint8_scale=_MODEL.images.uint8_scale,
        )
    return network, _MODEL.file


def load_samples(path: Path | None, network: spikeserve.Network, count: int) -> tuple[npt.NDArray[Any], str]:
    """The first samples of a file (.npy, .npz:KEY, IDX, PNG), or Fashion-MNIST test images, as they are sent.

    Bytes stay bytes where the network takes them; everything else becomes float32.
    """
    given = trained_models.fashion_mnist().test if path is None else read_array(path)
    label = "Fashion-MNIST test images" if path is None else path.name
    operation = only_input(network)
    shape = tuple(operation.input.shape)
    sample_shape = given.shape[1:]
    if sample_shape != shape and (*sample_shape, 1) != shape:
        raise WorkloadError(f"{label}: one sample is {list(sample_shape)}, the network takes {list(shape)}")
    if len(given) == 0:
        raise WorkloadError(f"{label}: no samples in it")
    samples = given[:count].reshape(-1, *shape)
    if samples.dtype == np.uint8 and operation.input.HasField("uint8_scale"):
        return samples, label
    return samples.astype("<f4"), label


def reference_classes(
    network: spikeserve.Network, samples: npt.NDArray[Any], steps: int
) -> tuple[Classes, npt.NDArray[np.float64]]:
    """Classes and margins by reference mode: float64, step by step, on a server of its own."""
    with spikeserve.serve(backend="cpu") as server, spikeserve.Client(server.address, timeout=3600) as client:
        client.load(NAME, network, mode="reference")
        result = client.simulate(NAME, samples, steps=steps, statistics=False)
    return result.classes, result.margins


def prepare(
    network_file: Path | None,
    data: Path | None,
    expected: Path | None,
    *,
    count: int = SAMPLES,
    steps: int = STEPS,
) -> Workload:
    """Reads everything and finds the right classes, from a file or by computing them twice over.

    Without a file the classes are those of reference mode, held against a numpy pass of the float network.
    Samples whose class is a matter of rounding are left out. WorkloadError, OSError, SpikeserveError.
    """
    network, network_label = load_network(network_file)
    samples, data_label = load_samples(data, network, count)
    origin = f"{network_label}, {data_label}"
    if expected is not None:
        classes = read_array(expected)[: len(samples)].astype(np.int64)
        if classes.shape != (len(samples),):
            raise WorkloadError(
                f"{expected.name}: shape {list(classes.shape)}, "
                f"wanted one class for each of {len(samples)} samples"
            )
        return Workload(network, samples, classes, steps, f"{origin}; classes from {expected.name}")
    classes, margins = reference_classes(network, samples, steps)
    if len(classes) != len(samples):
        raise WorkloadError(f"{network_label}: no probe of outputs, so there are no classes to check")
    finite = margins[np.isfinite(margins)]  # a single output has no margin
    clear = margins > (_UNCLEAR * np.median(finite) if len(finite) else 0.0)
    if not clear.any():
        raise WorkloadError(f"{data_label}: the network has no clear class for any of {len(samples)} samples")
    agreement = float((classify_float(network, samples) == classes)[clear].mean())
    if agreement < _MIN_AGREEMENT:
        raise WorkloadError(
            f"{network_label}: {agreement:.0%} of the classes are those of the float network, "
            f"wanted {_MIN_AGREEMENT:.0%}; more --steps?"
        )
    origin += (
        f"; {int(clear.sum())} of {len(samples)} samples, classes by reference mode "
        f"({agreement:.1%} as the float network)"
    )
    return Workload(network, samples[clear], classes[clear], steps, origin)
