"""Checks of what a caller says; every refusal is a ConversionError that names it."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from spikeserve.convert.errors import ConversionError


def positive(value: object, what: str, unit: str = "") -> float:
    """A finite number above 0; ConversionError for anything else."""
    number = _number(value)
    if number is None or not number > 0:
        raise ConversionError(f"{what} is {value!r}, wanted a number above 0 {unit}".rstrip())
    return number


def whole(value: object, what: str, least: int) -> int:
    """An integer of at least `least`; ConversionError for anything else."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ConversionError(f"{what} is {value!r}, wanted a whole number of at least {least}")
    return int(value)


def byte_map(value: object) -> tuple[float, float] | None:
    """(uint8_scale, uint8_offset) from None, a scale or a pair."""
    if value is None:
        return None
    pair = [_number(v) for v in (value if isinstance(value, (tuple, list)) else (value, 0.0))]
    if len(pair) != 2 or pair[0] is None or pair[1] is None or pair[0] == 0:
        raise ConversionError(f"uint8_scale is {value!r}, give a scale or (scale, offset)")
    return pair[0], pair[1]


def fixed_scales(given: object, layers: Iterable[str]) -> dict[str, float]:
    """The scales the caller gives, by layer; ConversionError for unknown layers and bad numbers."""
    if given is None:
        return {}
    table = given if isinstance(given, Mapping) else dict.fromkeys(layers, given)
    check_layers(table, layers, "scale_firing_rates")
    return {name: positive(value, f"scale_firing_rates of '{name}'") for name, value in table.items()}


def check_layers(table: Mapping[str, Any], layers: Iterable[str], what: str) -> None:
    """ConversionError where an option names something else than a layer with neurons."""
    known = list(dict.fromkeys(layers))
    for name in table:
        if name not in known:
            raise ConversionError(
                f"{what} names {name!r}, the layers with neurons are {', '.join(known) or 'none'}"
            )


def _number(value: object) -> float | None:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return float(value) if real and math.isfinite(value) else None  # type: ignore[arg-type]
