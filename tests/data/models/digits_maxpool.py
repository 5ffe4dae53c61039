"""Trains digits_maxpool.keras, a convolutional network with max pools, on the digits beside it.

Needs numpy and h5py; the seed is fixed. Run it in this folder: it writes the file and its outputs on test
images, and prints the accuracy.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import h5py
import numpy as np

Array = np.ndarray[Any, Any]
TEST, KEPT = 397, 200
FILTERS = (12, 24)
EPOCHS, BATCH, RATE = 40, 50, 0.003


def patches(x: Array) -> Array:
    """[n, h, w, 9 * channels] what a 3x3 convolution with padding "same" reads."""
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    h, w = x.shape[1:3]
    return np.concatenate([padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)], axis=-1)


def back(gradient: Array, channels: int) -> Array:
    """The gradient of the input of `patches` from that of its output."""
    n, h, w, _ = gradient.shape
    padded = np.zeros((n, h + 2, w + 2, channels), gradient.dtype)
    for index, part in enumerate(np.split(gradient, 9, axis=-1)):
        i, j = divmod(index, 3)
        padded[:, i : i + h, j : j + w] += part
    return padded[:, 1:-1, 1:-1]


class Network:
    """Two blocks of convolution, ReLU and 2x2 max pool, then a Dense layer."""

    def __init__(self, rng: np.random.Generator) -> None:
        sizes = [(9, FILTERS[0]), (9 * FILTERS[0], FILTERS[1]), (4 * FILTERS[1], 10)]
        self.weights = [rng.normal(size=s).astype("f4") * np.float32((2 / s[0]) ** 0.5) for s in sizes]
        self.biases = [np.zeros(s[1], "f4") for s in sizes]
        self._moments = [[np.zeros_like(p), np.zeros_like(p)] for p in self.weights + self.biases]
        self._time = 0

    def forward(self, x: Array) -> tuple[Array, list[Any]]:
        kept = []
        for weight, bias in zip(self.weights[:2], self.biases[:2], strict=True):
            seen = patches(x)
            active = np.maximum(seen @ weight + bias, 0)
            n, h, w, c = active.shape
            cells = active.reshape(n, h // 2, 2, w // 2, 2, c)
            x = cells.max(axis=(2, 4))
            kept.append((seen, active, cells, x))
        flat = x.reshape(len(x), -1)
        return flat @ self.weights[2] + self.biases[2], [*kept, flat]

    def learn(self, x: Array, labels: Array) -> None:
        logits, (*blocks, flat) = self.forward(x)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        gradient = shares / shares.sum(axis=1, keepdims=True)
        gradient[np.arange(len(x)), labels] -= 1
        gradient /= len(x)
        weights, biases = [flat.T @ gradient], [gradient.sum(axis=0)]
        gradient = (gradient @ self.weights[2].T).reshape(blocks[-1][3].shape)
        for (seen, active, cells, pooled), weight in zip(blocks[::-1], self.weights[1::-1], strict=True):
            won = cells == pooled[:, :, None, :, None]
            gradient = (won * gradient[:, :, None, :, None]).reshape(active.shape) * (active > 0)
            flat_seen = seen.reshape(-1, seen.shape[-1])
            weights.append(flat_seen.T @ gradient.reshape(-1, gradient.shape[-1]))
            biases.append(gradient.sum(axis=(0, 1, 2)))
            gradient = back(gradient @ weight.T, seen.shape[-1] // 9)
        self._step(weights[::-1] + biases[::-1])

    def _step(self, gradients: list[Array]) -> None:
        """Adam."""
        self._time += 1
        for value, moments, gradient in zip(
            self.weights + self.biases, self._moments, gradients, strict=True
        ):
            moments[0] += 0.1 * (gradient - moments[0])
            moments[1] += 0.001 * (gradient**2 - moments[1])
            mean, square = moments[0] / (1 - 0.9**self._time), moments[1] / (1 - 0.999**self._time)
            value -= (RATE * mean / (np.sqrt(square) + 1e-8)).astype("f4")


def save(network: Network, path: str) -> None:
    """As Keras 3 writes it."""

    def layer(class_name: str, name: str, **config: Any) -> dict[str, Any]:
        return {"module": "keras.layers", "class_name": class_name, "config": {"name": name, **config}}

    layers = [layer("InputLayer", "image", batch_shape=[None, 8, 8, 1])]
    for index, filters in enumerate(FILTERS):
        spec = {"filters": filters, "kernel_size": [3, 3], "padding": "same", "activation": "relu"}
        layers += [layer("Conv2D", f"conv_{index}", **spec), layer("MaxPooling2D", f"pool_{index}")]
    layers += [layer("Flatten", "flatten"), layer("Dense", "logits", units=10, activation="linear")]
    config = {"module": "keras", "class_name": "Sequential", "config": {"name": "digits", "layers": layers}}
    content = io.BytesIO()
    with h5py.File(content, "w", track_order=False) as file:
        for index, group in enumerate(("conv2d", "conv2d_1", "dense")):
            weight = network.weights[index]
            shape = (3, 3, -1, weight.shape[1]) if index < 2 else weight.shape
            stored = file.create_group(f"layers/{group}/vars")
            stored.create_dataset("0", data=weight.reshape(shape))
            stored.create_dataset("1", data=network.biases[index])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", content.getvalue())


def main() -> None:
    """Trains and writes."""
    data = np.load("digits.npz")
    images = (data["images"].reshape(-1, 8, 8, 1) / 16).astype("f4")
    labels = data["labels"].astype(int)
    rng = np.random.default_rng(0)
    network = Network(rng)
    for _ in range(EPOCHS):
        for chosen in np.array_split(rng.permutation(len(images) - TEST), (len(images) - TEST) // BATCH):
            network.learn(images[chosen], labels[chosen])
    outputs = network.forward(images[-TEST:])[0]
    found = outputs.argmax(axis=1)
    save(network, "digits_maxpool.keras")
    first = {"inputs": images[-TEST:][:KEPT], "outputs": outputs[:KEPT], "labels": labels[-TEST:][:KEPT]}
    np.savez_compressed("digits_maxpool.reference.npz", **first)
    print(f"{np.mean(found == labels[-TEST:]):.2%} of {TEST} test images")


if __name__ == "__main__":
    main()
