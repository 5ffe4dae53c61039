"""Runs the trained networks in PyTorch and spiking libraries beside spikeserve: same weights, steps, images.

    make bench-peers    (tests/bench/peers.py --bench PROGRAM --data FOLDER --json FILE)

Each library is used as its documentation says, in inference mode, with as many threads as spikeserve. What is
not installed is left out and named.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_chain
from torch_chain import TorchChain

Classify = Callable[[torch.Tensor, int], torch.Tensor]  # images, steps -> mean outputs

TIME_TO_ACCURACY_STEPS = (4, 8, 16, 32, 64, 100)
ALLOWED_LOSS = 0.01  # of accuracy


@dataclass(frozen=True)
class Case:
    """A network with its steps, and the case of the C++ benchmark that is the same."""

    name: str
    spk: str
    case: str
    steps: int
    batch: int


CASES = (
    Case("mlp_784_128_10 T=100", "fashion_mlp.spk", "mlp_784_128_10.u8", 100, 256),
    Case("mlp_784_128_10 T=100 batch 1", "fashion_mlp.spk", "mlp_784_128_10.u8", 100, 1),
    Case("fashion_cnn T=60", "fashion_cnn.spk", "fashion_cnn.t60", 60, 32),
    Case("fashion_cnn T=16", "fashion_cnn.spk", "fashion_cnn.t16", 16, 32),
)


def float_pass(chain: TorchChain) -> Classify:
    """The float network: one pass, whatever the steps."""
    layers = [(stage.linear, stage.spiking) for stage in chain.stages]

    def run(images: torch.Tensor, steps: int) -> torch.Tensor:
        del steps
        for linear, spiking in layers:
            images = linear(images)
            if spiking:
                images = torch.relu_(images)
        return images

    return run


def step_loop(chain: TorchChain) -> Classify:
    """A loop over steps by hand: the neuron that spikeserve has, which may spike several times per step."""

    def run(images: torch.Tensor, steps: int) -> torch.Tensor:
        voltages: list[torch.Tensor | None] = [None] * len(chain.stages)
        total: Any = 0
        for _ in range(steps):
            values = images
            for index, stage in enumerate(chain.stages):
                values = stage.linear(values)
                if stage.spiking:
                    voltage = voltages[index]
                    voltage = values + (chain.voltage if voltage is None else voltage)
                    values = voltage.floor().clamp_(min=0)
                    voltages[index] = voltage.sub_(values)
            total = total + values
        return torch.as_tensor(total / steps)

    return run


def spikingjelly(chain: TorchChain) -> Classify:
    """SpikingJelly, multi-step: every layer takes all steps at once."""
    from spikingjelly.activation_based import functional, layer, neuron

    modules: list[Any] = []
    nodes: list[Any] = []
    for stage in chain.stages:
        modules.append(layer.SeqToANNContainer(*stage.linear))
        if stage.spiking:
            nodes.append(neuron.IFNode(v_threshold=1.0, v_reset=None, step_mode="m"))
            modules.append(nodes[-1])
    network = torch.nn.Sequential(*modules).eval()

    def run(images: torch.Tensor, steps: int) -> torch.Tensor:
        functional.reset_net(network)
        for node in nodes:
            node.v = chain.voltage
        return torch.as_tensor(network(images.unsqueeze(0).repeat(steps, *[1] * images.dim())).mean(0))

    return run


def snntorch(chain: TorchChain) -> Classify:
    """snnTorch: Leaky neurons with beta 1 that subtract the threshold, in a loop over steps."""
    import snntorch as snn

    cells = [snn.Leaky(beta=1.0, threshold=1.0, reset_mechanism="subtract") for _ in chain.stages]

    def run(images: torch.Tensor, steps: int) -> torch.Tensor:
        voltages: list[Any] = [None] * len(chain.stages)
        total: Any = 0
        for _ in range(steps):
            values = images
            for index, stage in enumerate(chain.stages):
                values = stage.linear(values)
                if stage.spiking:
                    if voltages[index] is None:
                        voltages[index] = torch.full_like(values, chain.voltage)
                    values, voltages[index] = cells[index](values, voltages[index])
            total = total + values
        return torch.as_tensor(total / steps)

    return run


def sinabs(chain: TorchChain) -> Classify:
    """Sinabs: IAFSqueeze layers, which spike several times per step; samples and steps in one axis."""
    import sinabs.layers as sl

    built: dict[int, tuple[Any, list[Any]]] = {}

    def build(batch: int) -> tuple[Any, list[Any]]:
        modules: list[Any] = []
        cells: list[Any] = []
        for stage in chain.stages:
            modules.append(stage.linear)
            if stage.spiking:
                cells.append(sl.IAFSqueeze(batch_size=batch, spike_threshold=torch.tensor(1.0)))
                modules.append(cells[-1])
        return torch.nn.Sequential(*modules).eval(), cells

    def run(images: torch.Tensor, steps: int) -> torch.Tensor:
        batch = len(images)
        if batch not in built:
            built[batch] = build(batch)
            built[batch][0](images)  # makes the states
        network, cells = built[batch]
        for cell in cells:
            cell.reset_states()
            cell.v_mem.fill_(chain.voltage)
        return torch.as_tensor(network(images.repeat_interleave(steps, 0)).reshape(batch, steps, -1).mean(1))

    return run


SYSTEMS: dict[str, tuple[str, Callable[[TorchChain], Classify]]] = {
    "PyTorch, float pass": ("torch", float_pass),
    "PyTorch step loop": ("torch", step_loop),
    "SpikingJelly, multi-step": ("spikingjelly", spikingjelly),
    "snnTorch": ("snntorch", snntorch),
    "Sinabs": ("sinabs", sinabs),
}


def installed() -> tuple[dict[str, str], list[str]]:
    """Versions of the systems that are there, and the names of those that are not."""
    versions, missing = {}, []
    for name, (package, _) in SYSTEMS.items():
        try:
            versions[name] = f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    return versions, missing


class Ours:
    """spikeserve, by the C++ benchmark."""

    def __init__(self, program: Path, data: Path, threads: int) -> None:
        self.command = [str(program), "--data", str(data), "--threads", str(threads)]

    def run(self, case: Case, steps: int, *, window: float, accuracy: int = 0) -> dict[str, Any]:
        words = ["--alone", case.case, "--steps", steps, "--batch", case.batch, "--window", window]
        words += ["--accuracy", accuracy] if accuracy else []
        command = self.command + [str(word) for word in words]
        return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


@dataclass(frozen=True)
class Images:
    """Test images as floats [n, 784], and their labels."""

    values: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]


def load_images(data: Path, count: int) -> Images:
    """The first images of the file that prepare.py wrote."""
    labels = np.frombuffer((data / "fashion_test.labels").read_bytes(), np.uint8)
    pixels = np.frombuffer((data / "fashion_test.images").read_bytes(), np.uint8).reshape(len(labels), -1)
    return Images((pixels[:count] / np.float32(255)).astype(np.float32), labels[:count])


def seconds(body: Callable[[], object], window: float) -> float:
    """Median time of a call over the window, after one call that is not counted."""
    body()
    times: list[float] = []
    while not times or sum(times) < window:
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def accuracy(run: Classify, images: torch.Tensor, labels: Any, steps: int, batch: int) -> float:
    """Share of the images that get their label."""
    parts = [run(images[at : at + batch], steps).argmax(1).numpy() for at in range(0, len(images), batch)]
    return float((np.concatenate(parts) == labels).mean())


class CaseRun:
    """One case over all systems that are installed."""

    def __init__(self, case: Case, data: Path, images: Images, ours: Ours, names: list[str]) -> None:
        self.case = case
        self.chain = torch_chain.read(data / case.spk)
        self.images = self.chain.images(images.values)
        self.labels = images.labels
        self.ours = ours
        self.runs = {name: SYSTEMS[name][1](self.chain) for name in names}

    def accuracy(self, name: str, steps: int) -> float:
        """Of one system over all images."""
        if name == "spikeserve":
            return float(self.ours.run(self.case, steps, window=0, accuracy=len(self.labels))["accuracy"])
        return accuracy(self.runs[name], self.images, self.labels, steps, max(self.case.batch, 50))

    def seconds(self, name: str, steps: int, window: float) -> float:
        """Of one batch."""
        if name == "spikeserve":
            return float(self.ours.run(self.case, steps, window=window)["seconds"])
        batch = self.images[: self.case.batch]
        return seconds(lambda: self.runs[name](batch, steps), window)

    def compare(self, rounds: int, window: float) -> list[dict[str, Any]]:
        """Rates at the case's steps, systems in turn."""
        names = ["spikeserve", *self.runs]
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                times[name].append(self.seconds(name, self.case.steps, window))
        rows = []
        for name in names:
            rate = self.case.batch / statistics.median(times[name])
            rows.append(self._row(name, self.case.steps, rate, self.accuracy(name, self.case.steps)))
        return rows

    def time_to_accuracy(self, float_accuracy: float, window: float) -> list[dict[str, Any]]:
        """Each system at the fewest steps that lose no more than a point against the float network."""
        rows = []
        for name in ["spikeserve", *self.runs]:
            if name == "PyTorch, float pass":
                continue
            for steps in TIME_TO_ACCURACY_STEPS:
                reached = self.accuracy(name, steps)
                if reached >= float_accuracy - ALLOWED_LOSS:
                    rate = self.case.batch / self.seconds(name, steps, window)
                    rows.append(self._row(name, steps, rate, reached))
                    break
        return rows

    def _row(self, name: str, steps: int, rate: float, reached: float) -> dict[str, Any]:
        return {
            "case": self.case.name, "system": name, "steps": steps, "batch": self.case.batch,
            "inferences_per_second": rate, "accuracy": reached,
        }  # fmt: skip


def main() -> None:
    """Runs all cases and writes the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", type=Path, default=Path("build/release/tests/bench/spikeserve-bench"))
    parser.add_argument("--data", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--json", type=Path, default=Path("build/bench-peers.json"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--window", type=float, default=0.5, help="seconds per system and round")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    versions, missing = installed()
    for name in missing:
        print(f"{name}: not installed, left out")
    images = load_images(arguments.data, arguments.images)
    ours = Ours(arguments.bench, arguments.data, arguments.threads)
    result: dict[str, Any] = {
        "versions": versions, "threads": arguments.threads, "images": arguments.images,
        "load": os.getloadavg()[0], "rows": [], "time_to_accuracy": [],
    }  # fmt: skip
    with torch.inference_mode():
        for case in CASES:
            run = CaseRun(case, arguments.data, images, ours, list(versions))
            rows = run.compare(arguments.rounds, arguments.window)
            result["rows"] += rows
            floats = {row["system"]: row["accuracy"] for row in rows}["PyTorch, float pass"]
            if case.steps in (100, 60) and case.batch > 1:
                result["time_to_accuracy"] += run.time_to_accuracy(floats, arguments.window)
            for row in rows:
                rate, reached = row["inferences_per_second"], row["accuracy"]
                print(
                    f"{row['case']:<30} {row['system']:<26} {rate:>12,.1f} inf/s  {reached:.1%}", flush=True
                )
            arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
