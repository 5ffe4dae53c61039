"""Proves a conversion: the definition and the source model give the same rates.

Two computations that share no rule: reference.py walks the source graph with Keras' definitions of its
layers and the weights of the file; forward.py walks the finished definition, folded and explicit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spikeserve.convert.arrays import Array
from spikeserve.convert.definition.forward import in_turn
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.lower.decisions import Decision
from spikeserve.convert.lower.lower import Lowered
from spikeserve.convert.read.graph import Graph
from spikeserve.convert.reference import run_graph

TOLERANCE = 1e-4  # of the largest output value
CHECK_SAMPLES = 8
_TINY = 1e-9  # outputs that are all smaller than this count as zeros


def model_outputs(
    graph: Graph,
    decisions: Mapping[int, Decision],
    lowered: Lowered,
    inputs: Mapping[str, Array],
    scales: Mapping[str, float],
) -> list[Array]:
    """What the source model gives, for `check_conversion`; afterwards its weights are not needed any more."""
    by_node = {lowered.input_nodes[name]: array for name, array in inputs.items()}
    with np.errstate(all="ignore"):  # what is not finite fails the check
        return run_graph(graph, decisions, by_node, scales)


def check_conversion(lowered: Lowered, inputs: Mapping[str, Array], wanted: Sequence[Array]) -> float:
    """The largest error relative to the largest output; ConversionError above the tolerance."""
    definition = lowered.definition
    targets = {probe.target for probe in definition.probes}
    with np.errstate(all="ignore"):
        passed = in_turn(definition, inputs, np.float64, lowered.draft.tensors)
        values = {operation.name: value for operation, _, value in passed if operation.name in targets}
        errors = [
            _error(values[probe.target], want, probe.name)
            for want, probe in zip(wanted, definition.probes, strict=True)
        ]
    worst = float(np.max(errors))
    if not worst <= TOLERANCE:  # NaN as well
        raise ConversionError(
            f"internal check failed: the converted network differs from the model by {worst:.2g} of "
            f"the largest output (limit {TOLERANCE:g}); please report this model"
        )
    return worst


def _error(got: Array, want: Array, name: str) -> float:
    if got.shape != want.shape:
        raise ConversionError(
            f"internal check failed: output '{name}' has the shape {got.shape[1:]}, the model gives "
            f"{want.shape[1:]}; please report this model"
        )
    return float(np.abs(got - want).max() / max(float(np.abs(want).max()), _TINY))
