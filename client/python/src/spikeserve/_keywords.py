"""Keyword arguments: how a call shows those it has, and what it answers to one that it has not."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import wraps
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

NOWHERE: Mapping[str, str] = MappingProxyType({})


def unknown(name: str, known: Iterable[str]) -> str:
    """What is wrong with a name that is not among the known ones, with the most similar of them."""
    names = sorted(known)
    similar = difflib.get_close_matches(name, names, n=1) or [one for one in names if name in one]
    return f"'{name}'; did you mean '{similar[0]}'?" if similar else f"'{name}'; it has {', '.join(names)}"


def check(
    call: str, given: Iterable[str], known: Iterable[str], elsewhere: Mapping[str, str] = NOWHERE
) -> None:
    """TypeError, in the name of the call, for the first keyword that it does not have.

    `elsewhere`: keywords of other calls, and what to do with them.
    """
    names = set(known)
    for name in given:
        if name in elsewhere:
            raise TypeError(f"{call}() has no option '{name}': {elsewhere[name]}")
        if name not in names:
            raise TypeError(f"{call}() has no option {unknown(name, names)}")


def parameters(options: type) -> list[inspect.Parameter]:
    """The fields of a data class as keyword-only parameters, each with its type and default."""
    return [
        inspect.Parameter(
            item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default, annotation=item.type
        )
        for item in fields(options)
        if item.default is not MISSING
    ]


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """The function, which refuses unknown keywords in its own name and proposes the one that was meant."""
    return with_options(())(function)


def with_options(
    options: Sequence[inspect.Parameter], elsewhere: Mapping[str, str] = NOWHERE
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """As `checked`, for a function whose `**options` are these parameters: its signature shows them."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        signature = _expanded(inspect.signature(function), options)
        known = frozenset(signature.parameters) - {"self"}

        def look(arguments: Sequence[Any], keywords: Iterable[str]) -> None:
            name = function.__name__
            check(type(arguments[0]).__name__ if name == "__init__" else name, keywords, known, elsewhere)

        @wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            look(args, kwargs)
            return function(*args, **kwargs)

        @wraps(function)
        async def waiting(*args: P.args, **kwargs: P.kwargs) -> Any:
            look(args, kwargs)
            return await cast("Callable[..., Any]", function)(*args, **kwargs)

        chosen: Any = waiting if inspect.iscoroutinefunction(function) else wrapper
        chosen.__signature__ = signature
        return cast("Callable[P, T]", chosen)

    return decorate


def _expanded(signature: inspect.Signature, options: Sequence[inspect.Parameter]) -> inspect.Signature:
    """The signature with these parameters in the place of its `**options`."""
    kept = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    return signature.replace(parameters=[*kept, *options])


class Checked:
    """A data class that refuses unknown fields by its own name and proposes the one that was meant."""

    __slots__ = ()

    def __new__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        del args
        if kwargs:
            check(cls.__name__, kwargs, [item.name for item in fields(cast("Any", cls)) if item.init])
        return object.__new__(cls)
