"""Strict JSON for configurations from files that nobody vouches for."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from spikeserve.convert.errors import ConversionError
from spikeserve.convert.read.limits import Limits


def parse_json(text: bytes | str, what: str, limits: Limits) -> Any:
    """Parses `text`; refuses deep nesting, duplicate keys, NaN, Infinity and oversized documents."""
    if len(text) > limits.config_bytes:
        raise ConversionError(f"{what}: {len(text)} bytes, the limit is {limits.config_bytes}")
    decoded = _decode(text, what)
    _check_depth(decoded, what, limits.json_depth)
    try:
        value = json.loads(
            decoded,
            object_pairs_hook=lambda pairs: _unique(pairs, what),
            parse_constant=lambda token: _refuse(f"{what}: {token} is not a number"),
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConversionError):
            raise
        raise ConversionError(f"{what}: not valid JSON: {error}") from error
    check_structure(value, what, limits)
    return value


def check_structure(value: Any, what: str, limits: Limits) -> None:
    """Refuses too many items, infinite numbers and broken text, without recursion."""
    pending = [value]
    seen = 0
    while pending:
        item = pending.pop()
        seen += 1
        if seen > limits.json_items:
            raise ConversionError(f"{what}: more than {limits.json_items} JSON values")
        if isinstance(item, float) and not math.isfinite(item):
            raise ConversionError(f"{what}: a number is too large")
        if isinstance(item, str) and not _is_unicode(item):
            raise ConversionError(f"{what}: {item!r:.60} is not valid text")
        if isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _is_unicode(text: str) -> bool:
    """False for halves of surrogate pairs, which no output can encode."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _decode(text: bytes | str, what: str) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConversionError(f"{what}: not UTF-8 text") from error


def _check_depth(text: str, what: str, limit: int) -> None:
    """Counts brackets outside of strings, so that the parser never sees a deep document."""
    depth = 0
    inside = escaped = False
    for char in text:
        if inside:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                inside = False
        elif char == '"':
            inside = True
        elif char in "[{":
            depth += 1
            if depth > limit:
                raise ConversionError(f"{what}: nested deeper than {limit} levels")
        elif char in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ConversionError(f"{what}: the key {key!r} appears twice in one object")
        result[key] = value
    return result


def _refuse(message: str) -> NoReturn:
    raise ConversionError(message)
