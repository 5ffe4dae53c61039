"""Latency against load: calls at growing rates, whatever the answers do, up to the knee and beyond it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loadtesting.measure import Outcome

# Shares of the rate that 16 callers in a closed loop got; growing beyond it until the server does not follow.
SHARES = (0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0)
SHORT_SHARES = (0.25, 0.5, 0.75, 1.0)
_GROWTH = 1.2
_MAX_BEYOND = 8  # steps above the last share
_REFINEMENTS = 2  # steps between the knee and the first step that is past it
_FOLLOWS = 0.97  # share of the rate that is still called following it
KNEE_FACTOR = 3.0  # of the unloaded p99
_UNLOADED_STEPS = 3  # the lowest, of whose p99 the shortest is the unloaded one: others may have been held up

Measure = Callable[[float, bool], Outcome]  # rate in calls per second, whether refusals are allowed


@dataclass(frozen=True)
class Sweep:
    """Steps by rate. `knee`: the last before latency leaves the ground, None where the first has already."""

    steps: tuple[Outcome, ...]
    knee: Outcome | None
    unloaded_p99: float | None  # s
    generator_bound: bool  # the last steps say more about ghz than about the server

    @property
    def peak(self) -> float:
        """The most calls per second that were answered in any step."""
        return max((step.run.served for step in self.steps if step.run), default=0.0)


def follows(step: Outcome) -> bool:
    """Whether the server answered about as many calls per second as were sent, and refused none."""
    run = step.run
    return run is not None and set(run.codes) == {"OK"} and run.served >= _FOLLOWS * run.sent


def generator_lags(step: Outcome) -> bool:
    """Whether ghz itself did not send as fast as it was asked to."""
    return step.run is not None and step.rate is not None and step.run.sent < _FOLLOWS * step.rate


def p99(step: Outcome) -> float | None:
    """Seconds; the slowest call where there are too few for a p99."""
    if step.run is None or not len(step.run.latencies):
        return None
    value = step.run.percentile(99.0)
    return float(step.run.latencies[-1]) if value is None else value


def find_knee(steps: list[Outcome]) -> tuple[Outcome | None, float | None]:
    """The knee among steps by rate, and the unloaded p99.

    It is the highest rate up to which the server follows, with a p99 of at most 3 times the best of the
    lowest rates.
    """
    known = [value for step in steps[:_UNLOADED_STEPS] if (value := p99(step)) is not None]
    if not known:
        return None, None
    unloaded = min(known)
    knee = None
    for step in steps:
        if not _calm(step, unloaded):
            break
        knee = step
    return knee, unloaded


def _calm(step: Outcome, unloaded: float) -> bool:
    value = p99(step)
    return (
        follows(step) and not generator_lags(step) and value is not None and value <= KNEE_FACTOR * unloaded
    )


def _again(steps: list[Outcome], measure: Measure) -> None:
    """Measures once more what was slow although a higher rate was not: something else held it up."""
    _, unloaded = find_knee(steps)
    if unloaded is None:
        return
    calm = [_calm(step, unloaded) for step in steps]
    for index, step in enumerate(steps):
        if not calm[index] and any(calm[index:]) and step.rate is not None and step.ok:
            steps[index] = measure(step.rate, True)


def rates(closed_loop: float, short: bool) -> Iterator[float]:
    """Rates to try, in calls per second, until somebody stops asking."""
    shares = SHORT_SHARES if short else SHARES
    yield from (share * closed_loop for share in shares)
    rate = closed_loop
    for _ in range(_MAX_BEYOND):
        rate *= _GROWTH
        yield rate


def run(measure: Measure, closed_loop: float, short: bool) -> Sweep:
    """Measures until a step after the server's peak, then twice more between the knee and what is past it.

    A step with something wrong is the last.
    """
    steps: list[Outcome] = []
    lost = 0
    for rate in rates(closed_loop, short):
        steps.append(measure(max(rate, 1.0), lost > 0 or rate >= closed_loop))
        if not steps[-1].ok:
            break
        lost = lost + 1 if not follows(steps[-1]) or generator_lags(steps[-1]) else 0
        if lost == 2:
            break
    right = all(step.ok for step in steps)
    if right:
        _again(steps, measure)
    for _ in range(_REFINEMENTS if right and not short else 0):
        knee, _ = find_knee(steps)
        index = steps.index(knee) if knee else -1
        if index + 1 >= len(steps) or knee is None:
            break
        low, high = knee.rate or 0.0, steps[index + 1].rate or 0.0
        steps.insert(index + 1, measure((low + high) / 2, True))
    knee, unloaded = find_knee(steps)
    return Sweep(tuple(steps), knee, unloaded, any(generator_lags(step) for step in steps))
