"""Converts models in processes of their own, and says what that takes.

python client/python/tests/support/cost_of_conversion.py: a VGG and an MLP, as a table.
python client/python/tests/support/cost_of_conversion.py MODEL SAMPLES: one of them, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import large_models
import numpy as np

import spikeserve
from spikeserve.convert.definition.work import multiplications

_SIDE = 512  # of the matrices
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512))


def cost(model: Path, samples: Path) -> dict[str, float]:
    """What a conversion with these samples, a .npy file, takes in this process.

    Seconds by the clock and of processors, those of matrix products with as many multiplications as one pass
    of the samples has; bytes of memory at most, above what there was before, and bytes of the weights.
    """
    matrix = np.random.default_rng(0).uniform(size=(_SIDE, _SIDE)).astype("f4")
    matrix @ matrix  # the library's threads and buffers are no cost of the conversion
    given = np.load(samples)
    options: dict[str, Any] = {"sample_data": given} if len(given) else {}
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is a new one
    base, clock, started = _memory("VmRSS"), time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        network = spikeserve.convert(model, class_labels=[*"0123456789"], **options)
    spent, seconds, peak = time.perf_counter() - clock, time.process_time() - started, _memory("VmHWM")
    products = len(given) * multiplications(network.definition) // _SIDE**3 + 1
    started = time.process_time()
    for _ in range(products):
        matrix @ matrix
    return {
        "clock_seconds": spent,
        "seconds": seconds,
        "pass_seconds": time.process_time() - started,
        "bytes": peak - base,
        "weight_bytes": sum(len(tensor.data) for tensor in network.definition.tensors),
    }


def _memory(what: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) << 10


def _table(folder: Path) -> None:
    rng = np.random.default_rng(1)
    vgg = large_models.chain_of_convolutions(folder, 32, _BLOCKS, (2048,)).rename(folder / "vgg.keras")
    mlp = large_models.dense_chain(folder, 784, (4096, 4096, 4096)).rename(folder / "mlp.keras")
    print("| model | samples | seconds | processor seconds | memory / weights |\n|---|---:|---:|---:|---:|")
    for model, shape in ((vgg, (32, 32, 3)), (mlp, (784,))):
        for samples in (0, 64, 500):
            np.save(folder / "samples.npy", rng.random((samples, *shape), np.float32))
            command = [sys.executable, __file__, str(model), str(folder / "samples.npy")]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"| {model.stem} | {samples} | {found['clock_seconds']:.1f} | {found['seconds']:.1f} "
                f"| {found['bytes'] / found['weight_bytes']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(cost(Path(sys.argv[1]), Path(sys.argv[2]))))
    else:
        with tempfile.TemporaryDirectory() as name:
            _table(Path(name))
