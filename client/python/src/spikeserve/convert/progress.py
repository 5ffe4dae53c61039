"""How far a conversion is: its stages, and the bar that shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

OnStage = Callable[[str, int, int], object]  # what is being done, how much of it, of how much (0: not known)


class Stages:
    """Tells somebody what is being done."""

    def __init__(self, on_stage: OnStage) -> None:
        self._on_stage = on_stage

    def say(self, stage: str) -> None:
        """This is done now, nobody knows for how long."""
        self._on_stage(stage, 0, 0)

    def of(self, stage: str) -> Callable[[int, int], None]:
        """A function of (done, total) of this stage."""
        return partial(self._tell, stage)

    def _tell(self, stage: str, done: int, total: int) -> None:
        self._on_stage(stage, done, total)


@contextmanager
def stages_of(progress: bool | OnStage | None) -> Iterator[Stages]:
    """Stages that are drawn (True), told to a function, or nobody's business."""
    if callable(progress):
        yield Stages(progress)
    elif progress:
        with _bar() as draw:
            yield Stages(draw)
    else:
        yield Stages(lambda stage, done, total: None)


@contextmanager
def _bar() -> Iterator[OnStage]:
    """A bar on stderr, which goes away at the end; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("converting", total=None)
        yield lambda stage, done, total: bar.update(
            task, description=stage, completed=done, total=total or None
        )
