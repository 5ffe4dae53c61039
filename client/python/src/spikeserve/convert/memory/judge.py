"""How many classes of the model a network keeps over its few steps, on what it is corrected with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from spikeserve._show import count
from spikeserve.convert.arrays import Array
from spikeserve.convert.memory.search import Trial, outputs_of
from spikeserve.v1 import network_pb2 as pb

KEPT = 0.95  # of the classes; a network that keeps fewer is warned about
_MORE = 8  # times as many steps that are tried then
_THRESHOLDS = {pb.OUTPUT_KIND_LOGIT: 0.0, pb.OUTPUT_KIND_PROBABILITY: 0.5}


def judge(
    trial: Trial,
    corrected: pb.NetworkDefinition,
    outputs: tuple[Array, Array],
    samples: Mapping[str, Array],
) -> tuple[list[str], list[str]]:
    """(notes, warnings) about the classes that the corrected network gives these samples.

    `outputs`: those of the model and of the corrected network. Nothing, where they are no classes.
    """
    kind = corrected.defaults.output_kind
    if kind != pb.OUTPUT_KIND_CLASSES and kind not in _THRESHOLDS:
        return [], []
    trial = replace(trial, threshold=_THRESHOLDS.get(kind))
    exact, counted = outputs
    wanted = trial.classes(exact)
    kept = float(np.mean(trial.classes(counted) == wanted))
    said = f"over {count(trial.steps, 'step')} the class is the model's on {kept:.1%} of {len(exact)} samples"
    if kept >= KEPT:
        return [said], []
    longer = replace(trial, steps=_MORE * trial.steps)
    more = float(np.mean(longer.classes(outputs_of(longer, corrected, samples, exact=False)) == wanted))
    return [], [f"{said}, over {longer.steps} on {more:.1%}; give more steps, such as steps={longer.steps}"]
