"""Errors and warnings of the converter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


def printable(text: str) -> str:
    """`text` with control characters escaped: names come from files that nobody vouches for."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


class ConversionError(ValueError):
    """The model cannot be converted; the message names the layers and what to do instead."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ConversionWarning(UserWarning):
    """The conversion works, but probably not as well as its caller wants."""


class UnsupportedError(Exception):
    """One layer cannot be lowered: why, and what to do. Collected into one ConversionError."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}; {advice}")
        self.reason = reason
        self.advice = advice


@contextmanager
def reading_configuration() -> Iterator[None]:
    """Turns what a configuration of wrong types or values sets off into UnsupportedError."""
    try:
        yield
    except ConversionError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnsupportedError(
            f"its configuration is damaged ({type(error).__name__}: {error})", "save the model again"
        ) from error


@dataclass(frozen=True)
class Problem:
    """An unsupported layer."""

    layer: str
    class_name: str
    reason: str
    advice: str


_LISTED = 3  # names of one kind


def some(names: Iterable[str]) -> str:
    """The first of these names, and how many more there are."""
    each = [*dict.fromkeys(names)]
    more = f" and {len(each) - _LISTED} more" if len(each) > _LISTED else ""
    return ", ".join(each[:_LISTED]) + more


def refuse(source: str, problems: list[Problem]) -> ConversionError:
    """One error for all unsupported layers, with a line for each kind of problem."""
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((problem.reason, problem.advice), []).append(problem)
    layers = len({problem.layer for problem in problems})
    count = "1 layer" if layers == 1 else f"{layers} layers"
    lines = [_line(found) for found in kinds.values()]
    return ConversionError("\n".join([f"{source}: {count} cannot be converted:", *lines]))


def _line(problems: list[Problem]) -> str:
    """Of one kind."""
    names = some(f"'{problem.layer}'" for problem in problems)
    classes = some(problem.class_name for problem in problems)
    return f"  - {names} ({classes}): {problems[0].reason}; {problems[0].advice}"
