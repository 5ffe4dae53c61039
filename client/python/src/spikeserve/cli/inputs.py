"""The samples that a command is given, by input of the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeserve.results import NetworkInfo
from spikeserve.samples import fit_shape, fit_steps, read_array, read_samples

Samples = npt.NDArray[Any] | dict[str, npt.NDArray[Any]]


def by_name(files: Sequence[str]) -> dict[str, list[str]]:
    """The files of every input, from FILE or INPUT=FILE; "" for those without a name."""
    table: dict[str, list[str]] = {}
    for file in files:
        name, equals, path = file.partition("=")
        named = equals and name and path and not Path(file).exists()
        table.setdefault(name if named else "", []).append(path if named else file)
    return table


def read_inputs(
    files: Sequence[str], info: NetworkInfo, limit: int | None, *, per_step: bool = False
) -> Samples:
    """The samples in FILES as the network takes them; by name where it has several inputs.

    For several inputs: INPUT=FILE, or one .npz file with an array for each. ValueError for others.
    """
    shapes = info.input_shapes
    fit = fit_steps if per_step else fit_shape
    given = by_name(files)
    if len(shapes) == 1 and set(given) <= {"", *shapes}:
        (shape,) = shapes.values()
        return fit(read_samples([path for paths in given.values() for path in paths]), shape)[:limit]
    if list(given) == [""] and len(given[""]) == 1:
        found = _from_archive(given[""][0], list(shapes))
        if found is not None:
            return {name: fit(array, shapes[name])[:limit] for name, array in found.items()}
    if set(given) != set(shapes):
        example = " ".join(f"{name}=FILE" for name in shapes)
        raise ValueError(
            f"network '{info.name}' has the inputs {', '.join(shapes)}, got "
            f"{', '.join(name or 'a file without a name' for name in given)}: give {example}"
        )
    return {name: fit(read_samples(given[name]), shape)[:limit] for name, shape in shapes.items()}


def _from_archive(file: str, names: Sequence[str]) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays of an .npz file that has one of each name; None for any other file."""
    if not file.endswith(".npz"):
        return None
    with np.load(file, allow_pickle=False) as archive:
        has_all = set(names) <= set(archive.files)
    return {name: read_array(f"{file}:{name}") for name in names} if has_all else None


def steps_of(samples: Samples) -> int:
    """How many steps samples [n, steps, ...] have."""
    return int((next(iter(samples.values())) if isinstance(samples, dict) else samples).shape[1])
