"""The reference of the Python package names everything public, and refuses what has no docstring."""

from __future__ import annotations

from dataclasses import dataclass, field

import python_pages

import spikeserve


@dataclass(frozen=True)
class Documented:
    """A class."""

    steps: int  # of the run
    rate: float | None = None  # Hz, or none
    names: list[str] = field(default_factory=list)
    _hidden: int = 0

    def run(self) -> None:
        """Runs."""

    @property
    def size(self) -> int:
        """The size."""
        return self.steps

    def _private(self) -> None: ...


@dataclass
class Bare:
    steps: int = 0

    def run(self) -> None: ...

    @property
    def size(self) -> int:
        return self.steps


def test_fields_have_their_comments() -> None:
    fields = python_pages.read_class(Documented).fields
    assert [(one.name, one.type, one.default, one.comment) for one in fields] == [
        ("steps", "int", "", "of the run"),
        ("rate", "float | None", "None", "Hz, or none"),
        ("names", "list[str]", "", ""),
    ]


def test_members_are_public_and_of_the_package() -> None:
    assert [name for name, _ in python_pages.members(Documented)] == ["run", "size"]
    assert [name for name, _ in python_pages.members(spikeserve.SpikeserveError)] == []
    assert {"load", "simulate", "address"} <= {name for name, _ in python_pages.members(spikeserve.Client)}


def test_what_has_no_docstring_is_found() -> None:
    assert python_pages.missing_docstrings("a", Documented) == []
    assert python_pages.missing_docstrings("a", Bare) == ["a", "a.run", "a.size"]
    assert python_pages.missing_docstrings("a", lambda: None) == ["a"]


def test_everything_public_is_on_the_page() -> None:
    page = python_pages.page()
    for name in spikeserve.__all__:
        thing = getattr(spikeserve, name)
        if thing is not spikeserve.encodings:
            assert f"::: {thing.__module__}.{thing.__qualname__}\n" in page
    assert "::: spikeserve.samples.read_array\n" in page
    assert "::: spikeserve.encodings.Poisson\n" in page
