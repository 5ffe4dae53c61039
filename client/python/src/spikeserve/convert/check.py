"""Proves a conversion: the definition and the source model give the same rates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spikeserve.convert.decisions import Decision
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.forward import run_rates
from spikeserve.convert.graph import Array, Graph
from spikeserve.convert.lower import Lowered
from spikeserve.convert.reference import run_graph

TOLERANCE = 1e-4  # of the largest output value
CHECK_SAMPLES = 8


def check_conversion(
    graph: Graph,
    decisions: Mapping[int, Decision],
    lowered: Lowered,
    inputs: Mapping[str, Array],
    scales: Mapping[str, float],
) -> float:
    """The largest error relative to the largest output; ConversionError above the tolerance."""
    by_node = {lowered.input_nodes[name]: array for name, array in inputs.items()}
    wanted = run_graph(graph, decisions, by_node, scales)
    values = run_rates(lowered.definition, inputs)
    worst = 0.0
    for want, probe in zip(wanted, lowered.definition.probes, strict=True):
        got = values[probe.target]
        if got.shape != want.shape:
            raise ConversionError(
                f"internal check failed: output '{probe.name}' has the shape {got.shape[1:]}, the "
                f"model gives {want.shape[1:]}; please report this model"
            )
        size = max(float(np.abs(want).max()), 1e-30)
        worst = max(worst, float(np.abs(got - want).max()) / size)
    if not worst <= TOLERANCE:
        raise ConversionError(
            f"internal check failed: the converted network differs from the model by {worst:.2g} of "
            f"the largest output (limit {TOLERANCE:g}); please report this model"
        )
    return worst
