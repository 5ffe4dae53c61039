"""From what a run has measured to the page that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import reliability
from figures import Figures

PAGE = f"before\n\n{reliability.BEGIN}\nold\n{reliability.END}\n\nafter\n"


def test_figures_become_a_table(tmp_path: Path) -> None:
    path = tmp_path / "chaos.json"
    first = Figures("short", seed=3)
    first.add("attacks", "resets", calls=1_400, p99_ms=9.5, survived=True)
    first.add("attacks", "bombs", calls=2, p99_ms=float("inf"))
    first.write(path)
    second = Figures("long", seed=4)
    second.add("attacks", "bombs", calls=1_300, p99_ms=2.0)
    second.write(path)
    page = reliability.written(PAGE, json.loads(path.read_text()))
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "old" not in page
    assert "a long run with seed 4" in page
    assert "| | calls | p99 (ms) | survived |" in page
    assert "| resets | 1,400 | 9.5 | yes |" in page
    assert "| bombs | 1,300 | 2.0 |  |" in page
    assert reliability.written(page, json.loads(path.read_text())) == page


def test_a_page_without_a_place_for_them(tmp_path: Path) -> None:
    about = {"budget": "long", "seed": 1, "cores": 2, "machine": "x86_64"}
    with pytest.raises(ValueError, match="lacks"):
        reliability.written("nothing\n", {"about": about, "tables": {}})
    path = tmp_path / "chaos.json"
    Figures("short", seed=1).write(path)
    assert not path.exists()


def test_a_call_that_was_never_answered_is_said_so() -> None:
    assert reliability.text(float("inf")) == "none answered"
