"""Writes the request bodies of deploy/ghz, of any network and samples, and the descriptors for ghz.

    python tools/load_bodies.py --network X.spk --data images.npy
    spikeserve load loadtest X.spk
    ghz --config deploy/ghz/unary-64.json 127.0.0.1:8001

Each body is build/loadtest/bodies/PROFILE.bin, serialized messages with their lengths before them, for
`ghz --binary-file`; the descriptors are build/loadtest/spikeserve.protoset.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from loadtesting import bodies, profiles, workload

from spikeserve import NetworkFileError
from spikeserve.samples import SampleFileError

Number = TypeVar("Number", int, float)

OUTPUT = Path(__file__).resolve().parent.parent / "build" / "loadtest"


def write(arguments: argparse.Namespace) -> None:
    """Writes all that can be written, and says what cannot."""
    network, _ = workload.load_network(arguments.network)
    samples, label = workload.load_samples(arguments.data, network, arguments.samples)
    unknown = np.zeros(len(samples), np.int64)  # a body holds no classes
    work = workload.Workload(network, samples, unknown, arguments.steps, label)
    descriptors = bodies.compile_protoset(arguments.output / "spikeserve.protoset")
    print(descriptors.path)
    for profile in profiles.read_all().values():
        target = arguments.output / "bodies" / f"{profile.name}.bin"
        try:
            body = bodies.make(profile, work, descriptors)
        except bodies.BodyError as error:
            print(f"{profile.name}: left out: {error}", file=sys.stderr)
            continue
        body.write(target)
        print(f"{target}: {len(body.messages)} messages, {target.stat().st_size:,} bytes")


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_workload_options(parser)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder; default: build/loadtest")
    try:
        write(parser.parse_args())
    except (OSError, workload.WorkloadError, bodies.BodyError, NetworkFileError, SampleFileError) as error:
        print(f"load_bodies: {error}", file=sys.stderr)
        return 1
    return 0


def positive(number: type[Number]) -> Callable[[str], Number]:
    """The type of an option that is a number above 0."""

    def read(text: str) -> Number:
        value = number(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"got {text}, wanted above 0")
        return value

    read.__name__ = number.__name__  # argparse names it where the text is no number
    return read


def add_workload_options(parser: argparse.ArgumentParser) -> None:
    """What is sent."""
    parser.add_argument("--network", type=Path, help="a .spk file; default: the LeNet of tests/data/models")
    parser.add_argument(
        "--data", type=Path, help="samples [n, ...]: .npy, .npz:KEY, IDX, PNG; default: Fashion-MNIST"
    )
    parser.add_argument(
        "--samples",
        type=positive(int),
        default=workload.SAMPLES,
        help="use the first N (default: %(default)s)",
    )
    parser.add_argument(
        "--steps", type=positive(int), default=workload.STEPS, help="time steps (default: %(default)s)"
    )


if __name__ == "__main__":
    sys.exit(main())
