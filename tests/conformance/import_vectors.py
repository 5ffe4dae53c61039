"""Writes the golden runs into tests/data/conformance, all in the one format that the tests read.

    python import_vectors.py VECTORS MODELS OUT

VECTORS holds NAME.json and NAME.npz of the reference simulators, MODELS the Keras files that the keras_* runs
were made with. Needs numpy and h5py. The output is deterministic: running it again changes no byte.
"""

import json
import sys
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]
Case = dict[str, Any]


def threshold_ties(case: Case, arrays: Arrays) -> bool:
    """Whether a voltage meets the threshold exactly, so that the last bit decides in which step it spikes."""
    types = {layer.get("neuron", {}).get("type") for layer in case["layers"]}
    if not types & {"SpikingRectifiedLinear", "RegularSpiking"} or "expected:voltage" not in arrays:
        return False
    spiking = arrays["expected:out"].any(axis=1)
    voltage = arrays["expected:voltage"]
    return bool((np.minimum(voltage, 1 - voltage).min(axis=1) < 1e-9)[spiking].any())


def layer_case(case: Case, arrays: Arrays) -> Case:
    kept = {key: value for key, value in case.items() if key != "notes"}
    return kept | {"rule": "layers", "threshold_ties": threshold_ties(case, arrays)}


def neurons(name: str, size: int, scale: float, bias: str | None) -> Case:
    """A ReLU layer with its rates scaled: the gain times the scale, the spikes divided by it."""
    return {"name": name, "kind": "neurons", "size": size, "spiking": True, "gain": scale, "bias": bias,
            "initial_voltage": 0.0, "neuron": {"type": "SpikingRectifiedLinear", "amplitude": 1 / scale}}


class KerasGraph:
    """The layers of a sequential Keras file as the layers, edges and arrays of a case."""

    def __init__(self, model: h5py.File, options: Case) -> None:
        self.weights, self.options = model["model_weights"], options
        self.layers: list[Case] = []
        self.edges: list[Case] = []
        self.arrays: Arrays = {}
        self.source, self.shape = "", tuple[int, ...]()
        for layer in json.loads(model.attrs["model_config"])["config"]["layers"]:
            getattr(self, "add_" + layer["class_name"].lower())(layer["config"])

    def add_inputlayer(self, config: Case) -> None:
        self.shape = tuple(config["batch_input_shape"][1:])
        self.append({"name": "in", "kind": "input", "size": int(np.prod(self.shape))})

    def add_flatten(self, config: Case) -> None:
        self.shape = (int(np.prod(self.shape)),)

    def add_dense(self, config: Case) -> None:
        kernel, bias = self.variables(config["name"])
        self.arrays[f"w_{config['name']}"] = np.ascontiguousarray(kernel.T)
        self.connect({"kind": "dense", "weight": f"w_{config['name']}"}, config["name"])
        self.shape = (config["units"],)
        self.nonlinearity(config, bias)

    def add_conv2d(self, config: Case) -> None:
        if config["padding"] != "valid" or config["dilation_rate"] != [1, 1] or config["groups"] != 1:
            raise ValueError(f"{config['name']}: only plain valid convolutions are read here")
        kernel, bias = self.variables(config["name"])
        self.arrays[f"w_{config['name']}"] = kernel
        transform = {"kind": "conv2d", "weight": f"w_{config['name']}", "input_shape": list(self.shape),
                     "strides": config["strides"], "padding": config["padding"]}
        self.connect(transform, config["name"])
        strides = config["strides"]
        extents = [(self.shape[i] - kernel.shape[i]) // strides[i] + 1 for i in range(2)]
        self.shape = (*extents, config["filters"])
        self.nonlinearity(config, np.tile(bias, int(np.prod(extents))))

    def variables(self, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        group = self.weights[name][name]
        return group["kernel:0"][()], group["bias:0"][()]

    def connect(self, transform: Case, target: str) -> None:
        from_neurons = self.layers[-1]["kind"] == "neurons"
        synapse = {"lowpass": self.options["synapse"]} if self.options["synapse"] is not None else None
        self.edges.append({"src": self.source, "dst": target, "transform": transform,
                           "synapse": synapse if from_neurons else None})

    def nonlinearity(self, config: Case, bias: np.ndarray[Any, Any]) -> None:
        """Spikes for a ReLU, nothing otherwise: the runs were made without the final softmax."""
        name, size, scale = config["name"], int(np.prod(self.shape)), self.options["scale_firing_rates"]
        spiking = config["activation"] == "relu"
        self.arrays[f"b_{name}"] = np.float32(scale) * bias if spiking else bias
        linear = {"name": name, "kind": "linear", "size": size, "bias": f"b_{name}"}
        self.append(neurons(name, size, scale, f"b_{name}") if spiking else linear)

    def append(self, layer: Case) -> None:
        self.layers.append(layer)
        self.source = layer["name"]


def keras_case(case: Case, arrays: Arrays, models: Path, out: Path) -> tuple[Case, Arrays]:
    with h5py.File(models / case["model"]) as model:
        graph = KerasGraph(model, case)
    with np.load(models / "fashion_mlp.reference.npz") as reference:
        images = reference["inputs"][arrays["images"]].reshape(len(arrays["images"]), -1)
    # The runs of one model differ in the scale of the biases at most: weights are kept once.
    weights = {name: array for name, array in graph.arrays.items() if name.startswith("w_")}
    shared = Path(case["model"]).stem + ".weights.npz"
    save(out / shared, {f"array:{name}": array for name, array in weights.items()})
    synapse = {"lowpass": case["probe_synapse"]} if case["probe_synapse"] is not None else None
    probe = {"name": "out", "target": graph.source, "synapse": synapse, "quantity": "output"}
    description = {key: case[key] for key in ("name", "oracle", "dt", "steps")}
    description |= {"about": "a Keras network, converted", "rule": "means", "weights": shared}
    description |= {"layers": graph.layers, "edges": graph.edges, "probes": [probe]}
    values = {f"array:{name}": array for name, array in graph.arrays.items() if name not in weights}
    return description, values | {"input": images, "expected:out": arrays["expected_output"]}


def save(path: Path, arrays: Arrays) -> None:
    np.savez(path, **{name: np.ascontiguousarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]


def main() -> None:
    vectors, models, out = (Path(argument) for argument in sys.argv[1:4])
    for path in sorted(vectors.glob("*.json")):
        case = json.loads(path.read_text())
        with np.load(path.with_suffix(".npz")) as stored:
            arrays = dict(stored)
        if "model" in case:
            case, arrays = keras_case(case, arrays, models, out)
        else:
            case = layer_case(case, arrays)
        (out / path.name).write_text(json.dumps(case, indent=1) + "\n")
        save(out / (path.stem + ".npz"), arrays)


if __name__ == "__main__":
    main()
