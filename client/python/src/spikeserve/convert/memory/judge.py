"""How many classes of the model a network keeps over its few steps, on what it is corrected with.

What a run of any other length gives follows from the same definition: its corrections are in spikes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from spikeserve._show import count
from spikeserve.convert.arrays import Array
from spikeserve.convert.draft import Draft
from spikeserve.convert.memory.search import Trial, outputs_of
from spikeserve.v1 import network_pb2 as pb

ENOUGH = 0.97  # of the classes; a network that keeps fewer takes more steps, where they are free
KEPT = 0.95  # one that keeps fewer than that is warned about
_MORE = 8  # times as many steps that a warning tries
_THRESHOLDS = {pb.OUTPUT_KIND_LOGIT: 0.0, pb.OUTPUT_KIND_PROBABILITY: 0.5}


def judge(
    trial: Trial,
    corrected: Draft,
    outputs: tuple[Array, Array],
    samples: Mapping[str, Array],
    most_steps: int,
) -> tuple[list[str], list[str]]:
    """(notes, warnings) about the classes that the corrected network gives these samples.

    `outputs`: those of the model and of the corrected network. `most_steps`: up to which the steps of the
    definition are doubled until enough classes are kept. Nothing, where outputs are no classes.
    """
    kind = corrected.definition.defaults.output_kind
    if kind != pb.OUTPUT_KIND_CLASSES and kind not in _THRESHOLDS:
        return [], []
    trial = replace(trial, threshold=_THRESHOLDS.get(kind))
    exact, counted = outputs
    wanted = trial.classes(exact)

    def share(steps: int) -> float:
        found = outputs_of(replace(trial, steps=steps), corrected, samples, exact=False)
        return float(np.mean(trial.classes(found) == wanted))

    steps, kept = trial.steps, float(np.mean(trial.classes(counted) == wanted))
    said = [_said(steps, kept, f" of {len(exact)} samples")]
    while kept < ENOUGH and 2 * steps <= most_steps:
        steps *= 2
        kept = share(steps)
        said.append(_said(steps, kept))
    corrected.definition.defaults.steps = steps
    shares = " and ".join(dict.fromkeys((said[0], said[-1])))
    text = f"the class is the model's on {shares}"
    if len(said) > 1:
        text += f", so that a run takes {steps}"
    if kept >= KEPT:
        return [text], []
    more = f"{_said(_MORE * steps, share(_MORE * steps))}; give more steps, such as steps={_MORE * steps}"
    return [], [f"{text}. It would be the model's on {more}"]


def _said(steps: int, kept: float, samples: str = "") -> str:
    return f"{kept:.1%}{samples} over {count(steps, 'step')}"
