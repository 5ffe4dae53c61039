"""Writes explicit delays into the connections that leave populations."""

from __future__ import annotations

from collections.abc import Mapping

from spikeserve.convert.calibrate.checks import check_layers, whole
from spikeserve.convert.errors import ConversionError
from spikeserve.convert.lower.lower import Lowered

MAX_DELAY_STEPS = 4096  # what the format allows


def set_delays(lowered: Lowered, value: int | Mapping[str, int]) -> None:
    """One delay in steps for all populations, or {Keras layer: steps}; ConversionError for others.

    What reaches a MAX pool is late behind it.
    """
    layers = [population.layer for population in lowered.populations.values()]
    table = value if isinstance(value, Mapping) else dict.fromkeys(layers, value)
    check_layers(table, layers, "delay_steps")
    delays = {layer: _delay(steps) for layer, steps in table.items()}
    for connection in lowered.definition.connections:
        source = lowered.carriers.get(connection.source, connection.source)
        population = lowered.populations.get(source)
        if population is not None and connection.target not in lowered.carriers:
            connection.delay_steps = delays.get(population.layer, 0)


def _delay(value: int) -> int:
    steps = whole(value, "delay_steps", 0)
    if steps > MAX_DELAY_STEPS:
        raise ConversionError(f"delay_steps is {steps}, at most {MAX_DELAY_STEPS} are possible")
    return steps
