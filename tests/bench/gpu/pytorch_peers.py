"""The cases of gpu_bench as others run them: step loops in PyTorch, eager and compiled, and SpikingJelly.

    python3 tests/bench/gpu/pytorch_peers.py [--case NAME] [--json FILE] [--device cuda|cpu] [--tiny]

Networks, steps, batches and neurons are those of cases.cc, but for the residual one: a low-pass filter behind
every spiking layer, neurons that spike floor(v) times a step and keep the rest. SpikingJelly, where it is
installed, runs its integrate-and-fire neuron with soft reset (at most one spike a step, no filter) over all
steps at once, with its cupy kernels where it can. Inputs lie on the device; a time is the median over the
repetitions, behind two that are not counted. `--device cpu --tiny` shows that the script works, on a machine
without a GPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Block = tuple[str, int]  # ("conv", channels), ("pool", 2), ("dense", units)

CASES: dict[str, tuple[tuple[int, ...], list[Block], int, list[int]]] = {
    "mlp_784_128_10": ((784,), [("dense", 128)], 100, [1, 32, 256, 4096]),
    "fashion_cnn": (
        (1, 28, 28),
        [("conv", 32), ("pool", 2), ("conv", 64), ("pool", 2), ("dense", 128)],
        60,
        [1, 32, 256],
    ),
    "mlp_4096x4": ((784,), [("dense", 4096)] * 4, 100, [1, 32, 256]),
    "vgg16_cifar": (
        (3, 32, 32),
        [
            block
            for count, channels in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
            for block in [("conv", channels)] * count + [("pool", 2)]
        ]
        + [("dense", 512)],
        100,
        [1, 32],
    ),
}
CLASSES = 10
DECAY = 0.8  # of the filter: dt 1 ms, tau 5 ms


class Neurons(nn.Module):
    """Spikes floor(v) times a step and keeps the rest; filters what it emits."""

    def forward(self, current: Tensor, voltage: Tensor, held: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        voltage = voltage + torch.relu(current)
        spikes = torch.floor(voltage)
        return DECAY * held + (1 - DECAY) * spikes, voltage - spikes, spikes


def layers_of(shape: tuple[int, ...], blocks: list[Block]) -> nn.ModuleList:
    """Weights, and Neurons behind each but the last."""
    layers: list[nn.Module] = []
    for kind, size in blocks:
        if kind == "conv":
            layers += [nn.Conv2d(shape[0], size, 3, padding=1, bias=False), Neurons()]
            shape = (size, *shape[1:])
        elif kind == "pool":
            layers.append(nn.AvgPool2d(size))
            shape = (shape[0], shape[1] // size, shape[2] // size)
        else:
            if len(shape) > 1:
                layers.append(nn.Flatten())
                shape = (shape[0] * shape[1] * shape[2],)
            layers += [nn.Linear(shape[0], size, bias=False), Neurons()]
            shape = (size,)
    layers.append(nn.Linear(shape[0], CLASSES, bias=False))
    return nn.ModuleList(layers)


class Step(nn.Module):
    """One time step of the whole network."""

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def initial(self, x: Tensor) -> list[Tensor]:
        """Voltage and filter of each spiking layer, zeros."""
        state: list[Tensor] = []
        for layer in self.layers:
            if isinstance(layer, Neurons):
                state += [torch.zeros_like(x), torch.zeros_like(x)]
            else:
                x = layer(x)
        return state

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        following: list[Tensor] = []
        for layer in self.layers:
            if isinstance(layer, Neurons):
                voltage, held = state[len(following)], state[len(following) + 1]
                filtered, voltage, _ = layer(x, voltage, held)
                following += [voltage, filtered]
                x = held
            else:
                x = layer(x)
        return x, following


def step_loop(step: Callable[..., tuple[Tensor, list[Tensor]]], model: Step, x: Tensor, steps: int) -> Tensor:
    """The mean output over all steps."""
    state = model.initial(x)
    total = torch.zeros(x.shape[0], CLASSES, device=x.device)
    for _ in range(steps):
        if x.is_cuda:
            torch.compiler.cudagraph_mark_step_begin()
        out, state = step(x, state)
        state = [value.clone() for value in state]  # graphs use their outputs again
        total += out
    return total / steps


def spikingjelly_runner(layers: nn.ModuleList, steps: int) -> Callable[[Tensor], Tensor]:
    """All steps at once through SpikingJelly's integrate-and-fire neurons."""
    from spikingjelly.activation_based import functional, layer, neuron

    parts: list[Any] = []
    for module in layers:
        if not isinstance(module, Neurons):
            parts.append(layer.SeqToANNContainer(module))
            continue
        parts.append(neuron.IFNode(v_reset=None, step_mode="m"))
        on_gpu = next(layers.parameters()).is_cuda and importlib.util.find_spec("cupy") is not None
        if on_gpu and "cupy" in parts[-1].supported_backends:
            parts[-1].backend = "cupy"
    network = nn.Sequential(*parts)

    def run(x: Tensor) -> Tensor:
        functional.reset_net(network)
        out: Tensor = network(x.expand(steps, *x.shape)).mean(0)
        return out

    return run


def seconds(device: str, repetitions: int, body: Callable[[], object]) -> float:
    """Median wall time of body(), device included."""
    times = []
    for i in range(repetitions + 2):
        start = time.perf_counter()
        body()
        if device == "cuda":
            torch.cuda.synchronize()
        if i >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def make_runner(path: str, layers: nn.ModuleList, steps: int) -> Callable[[Tensor], Tensor]:
    """How `path` runs the network on a batch."""
    if path == "spikingjelly":
        return spikingjelly_runner(layers, steps)
    model = Step(layers)
    step = torch.compile(model, mode="reduce-overhead") if path == "pytorch-compiled" else model
    return lambda x: step_loop(step, model, x, steps)


def measure_batch(
    path: str, layers: nn.ModuleList, x: Tensor, steps: int, repetitions: int
) -> dict[str, object]:
    """The time of one batch, or why it could not be run."""
    try:
        run = make_runner(path, layers, steps)
        with torch.inference_mode():
            time_s = seconds(x.device.type, repetitions, lambda: run(x))
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {"seconds": time_s, "inferences_per_second": x.shape[0] / time_s}


def measure(name: str, options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One row per way to run the case and batch."""
    shape, blocks, steps, batches = CASES[name]
    paths = ["pytorch-eager", "pytorch-compiled", "spikingjelly"]
    if options.tiny:
        steps, batches, paths = 3, [2], ["pytorch-eager", "spikingjelly"]
    if importlib.util.find_spec("spikingjelly") is None:
        paths.remove("spikingjelly")
    torch.manual_seed(7)
    layers = layers_of(shape, blocks).to(options.device)
    for path in paths:
        for batch in batches:
            x = torch.rand(batch, *shape, device=options.device)
            row: dict[str, object] = {"case": name, "path": path, "steps": steps, "batch": batch}
            yield row | measure_batch(path, layers, x, steps, options.repetitions)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--tiny", action="store_true", help="3 steps, batch 2, nothing compiled: a try, no figure"
    )
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("pytorch_peers: PyTorch sees no GPU, nothing measured")
        return 77
    names = [options.case] if options.case else list(CASES)
    device = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    rows: list[dict[str, object]] = []
    for row in (row for name in names for row in measure(name, options)):
        print(json.dumps(row), flush=True)
        rows.append(row)
        if options.json:  # with every row: a run that is cut off leaves what it has
            report = {"device": device, "pytorch": torch.__version__, "rows": rows}
            options.json.write_text(json.dumps(report, indent=1))
    return 0 if any("seconds" in row for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
