"""Converts a model in a process of its own and prints what that took, as JSON: `python FILE MODEL SAMPLES`.

Processor seconds of the conversion and of matrix products with as many multiplications as one pass of the
samples has; bytes of memory above what there was before, and bytes of the weights.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import spikeserve
from spikeserve.convert.definition.work import multiplications

_SIDE = 512  # of the matrices


def main() -> None:
    """Prints the JSON."""
    model, samples = Path(sys.argv[1]), np.load(sys.argv[2])
    labels = [str(index) for index in range(10)]
    matrix = np.random.default_rng(0).uniform(size=(_SIDE, _SIDE)).astype("f4")
    matrix @ matrix  # the library's threads and buffers are no cost of the conversion
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is a new one
    base, started = _memory("VmRSS"), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spikeserve.ConversionWarning)
        network = spikeserve.convert(model, sample_data=samples, class_labels=labels)
    seconds, peak = time.process_time() - started, _memory("VmHWM")
    products = len(samples) * multiplications(network.definition) // _SIDE**3 + 1
    started = time.process_time()
    for _ in range(products):
        matrix @ matrix
    print(
        json.dumps(
            {
                "seconds": seconds,
                "pass_seconds": time.process_time() - started,
                "bytes": peak - base,
                "weight_bytes": sum(len(tensor.data) for tensor in network.definition.tensors),
            }
        )
    )


def _memory(what: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) << 10


if __name__ == "__main__":
    main()
