"""What sample data lets one expect of runs: the range of the inputs, and neurons that will hardly spike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spikeserve._report import LayerReport
from spikeserve.convert.calibrate.samples import Samples
from spikeserve.convert.calibrate.scaling import ENOUGH_SPIKES, MIN_SPIKES
from spikeserve.convert.models.neuron import NeuronModel, Response
from spikeserve.v1 import network_pb2 as pb


def set_input_ranges(samples: Samples, provenance: pb.Provenance) -> None:
    """Keeps the ranges of the caller's samples, beside which a server looks at the inputs of runs."""
    if not samples.real:
        return
    for name, values in samples.values.items():
        provenance.input_ranges.add(
            input=name,
            lowest=float(values.min()),
            highest=float(values.max()),
            mean_magnitude=float(np.abs(values).mean(dtype=np.float64)),
        )


def few_spikes(reports: Sequence[tuple[LayerReport, NeuronModel]], steps: int) -> list[str]:
    """A message for neurons with too few spikes for which no other scale is suggested.

    A scale changes what neurons such as LIF compute, and so what was trained: only longer runs help.
    """
    low = {
        report.layer: report.expected_spikes
        for report, model in reports
        if model.response is Response.TRAINED
        and report.mean_activation
        and report.expected_spikes is not None
        and report.expected_spikes < MIN_SPIKES
    }
    if not low:
        return []
    names = ", ".join(f"'{layer}' ({spikes:.2g})" for layer, spikes in low.items())
    least = min(low.values())
    wanted = math.ceil(steps * ENOUGH_SPIKES / least) if least > 0 else 0
    longer = (
        f"give more steps (steps={wanted} for about {ENOUGH_SPIKES:g} spikes)"
        if wanted
        else ("their input stays below the threshold")
    )
    return [
        f"fewer than one expected spike per active neuron and run, so the outputs will be poor: {names}; "
        f"{longer}. scale_firing_rates makes more too, and changes what these neurons were trained with"
    ]
