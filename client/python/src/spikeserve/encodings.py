"""How an input that is constant over a run becomes spikes; formulas and sources are in docs/semantics.md.

A spike is worth 1/(spikes per step at x = 1), so that the mean of an encoded input is its value x, except for
`Latency`, where every x above 0 gives one spike per window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from spikeserve._keywords import Checked
from spikeserve.v1 import simulation_pb2 as pb


@dataclass(frozen=True)
class Poisson(Checked):
    """Random spikes, |x| * max_rate_hz * dt expected per step (at most 16), n ~ Poisson.

    `max_rate_hz`: rate at x = 1; 0 means 1/dt.
    """

    max_rate_hz: float = 0


@dataclass(frozen=True)
class Bernoulli(Checked):
    """One spike or none per step, with probability |x| * max_rate_hz * dt (at most 1).

    `max_rate_hz`: rate at x = 1; 0 means 1/dt.
    """

    max_rate_hz: float = 0


@dataclass(frozen=True)
class Regular(Checked):
    """Evenly spaced spikes at the rate |x| * max_rate_hz; `max_rate_hz` 0 means 1/dt."""

    max_rate_hz: float = 0


@dataclass(frozen=True)
class Latency(Checked):
    """Time to first spike: one spike per window, the earlier the larger x in [0, 1].

    `window_steps`: 0 means all steps of the run.
    """

    window_steps: int = 0


@dataclass(frozen=True)
class Burst(Checked):
    """ceil(max_spikes * x) spikes at the begin of every window, x in [0, 1], the closer the larger x.

    0 stands for the defaults: a window of all steps, 5 spikes, gaps from 1 to window / max_spikes steps.
    """

    window_steps: int = 0
    max_spikes: int = 0
    min_gap: int = 0
    max_gap: int = 0


Encoding = Poisson | Bernoulli | Regular | Latency | Burst

KINDS: dict[str, type[Encoding]] = {
    "poisson": Poisson,
    "bernoulli": Bernoulli,
    "regular": Regular,
    "latency": Latency,
    "burst": Burst,
}
DIRECT = "direct"  # the values are the current

Encodings = str | Encoding | Mapping[str, str | Encoding]


def messages(encodings: Encodings | None) -> Iterator[pb.Encoding]:
    """The wire's encodings; one without an input name is for an only input. ValueError for unknown kinds."""
    items = encodings.items() if isinstance(encodings, Mapping) else [("", encodings)]
    for name, value in items:
        encoding = parse(value) if isinstance(value, str) else value
        if encoding is None:
            continue
        kind = type(encoding).__name__
        message = pb.Encoding(input=name)
        getattr(message, kind.lower()).SetInParent()
        for key, number in asdict(encoding).items():
            setattr(getattr(message, kind.lower()), key, number)
        yield message


def parse(text: str) -> Encoding | None:
    """The encoding of "KIND" or "KIND:key=value,..."; None for "direct". ValueError for anything else."""
    kind, _, rest = text.partition(":")
    if kind == DIRECT and not rest:
        return None
    if kind not in KINDS:
        raise ValueError(f"encoding is {text!r}, give one of {', '.join([DIRECT, *KINDS])}")
    wanted = {field.name: float if field.name == "max_rate_hz" else int for field in fields(KINDS[kind])}
    values: dict[str, Any] = {}
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        if key not in wanted:
            raise ValueError(f"encoding {text!r}: {key!r} is no parameter, {kind} has {', '.join(wanted)}")
        try:
            values[key] = wanted[key](value)
        except ValueError:
            raise ValueError(f"encoding {text!r}: {key} is {value!r}, wanted a number") from None
    return KINDS[kind](**values)


def text(message: pb.Encoding) -> str:
    """The encoding of a message of the server as `parse` reads it; "unknown" for kinds unknown here."""
    kind = message.WhichOneof("kind")
    if kind is None:
        return "unknown"
    body = getattr(message, kind)
    return f"{kind}:" + ",".join(f"{f.name}={getattr(body, f.name):g}" for f in fields(KINDS[kind]))
