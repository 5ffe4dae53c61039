"""The trained networks of tests/data/models with the images that they were trained and are tested on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve.samples import read_array

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "tests" / "data" / "models"
FASHION_MNIST = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
FASHION_LABELS = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

_DIGITS_TEST = 397

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Images:
    """Bytes [n, rows, columns] and labels [n] of a data set, and how a network takes the bytes."""

    train: Bytes
    test: Bytes
    test_labels: npt.NDArray[np.int64]
    uint8_scale: float


@dataclass(frozen=True)
class TrainedModel:
    """A model file and its data."""

    file: str
    data: str

    @property
    def name(self) -> str:
        """The name of the network."""
        return Path(self.file).stem

    @property
    def path(self) -> Path:
        """Where the file is."""
        return MODELS / self.file

    @property
    def images(self) -> Images:
        """The images of its data set."""
        return fashion_mnist() if self.data == "fashion" else digits()

    def test_samples(self, count: int, shape: tuple[int, ...]) -> tuple[Bytes, npt.NDArray[np.int64]]:
        """The first test images, as the network wants them, and their labels."""
        images = self.images
        return images.test[:count].reshape(-1, *shape), images.test_labels[:count]

    def sample_data(self, count: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """The first training images as the network takes them."""
        images = self.images
        return (images.train[:count] * np.float32(images.uint8_scale)).reshape(-1, *shape)

    def facts(self) -> dict[str, Any]:
        """What is known about the model from its training, where there is a record."""
        record = self.path.with_suffix(".json")
        return dict(json.loads(record.read_text())) if record.is_file() else {}


ALL = (
    TrainedModel("digits_mlp.keras", "digits"),
    TrainedModel("fashion_mlp.keras", "fashion"),
    TrainedModel("fashion_lenet.keras", "fashion"),
    TrainedModel("fashion_cnn.keras", "fashion"),
    TrainedModel("legacy_fashion_mlp.h5", "fashion"),
    TrainedModel("legacy_fashion_cnn.h5", "fashion"),
)


@cache
def fashion_mnist() -> Images:
    """Fashion-MNIST from the Debian package dataset-fashion-mnist; FileNotFoundError where it is not."""
    if not FASHION_MNIST.is_dir():
        raise FileNotFoundError(
            f"{FASHION_MNIST}: no such folder; install the Debian package dataset-fashion-mnist, or name the "
            "folder with the four IDX files in FASHION_MNIST"
        )
    return Images(
        read_array(FASHION_MNIST / "train-images-idx3-ubyte.gz"),
        read_array(FASHION_MNIST / "t10k-images-idx3-ubyte.gz"),
        read_array(FASHION_MNIST / "t10k-labels-idx1-ubyte.gz").astype(np.int64),
        1 / 255,
    )


@cache
def digits() -> Images:
    """The digits of tests/data/models/digits.npz; the last 397 are the test set."""
    images = read_array(f"{MODELS / 'digits.npz'}:images")
    labels = read_array(f"{MODELS / 'digits.npz'}:labels").astype(np.int64)
    return Images(images[:-_DIGITS_TEST], images[-_DIGITS_TEST:], labels[-_DIGITS_TEST:], 1 / 16)
