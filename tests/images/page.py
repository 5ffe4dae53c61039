"""The commands of docs/deployment.md."""

from __future__ import annotations

import re

from containers import ROOT

PAGE = ROOT / "docs" / "deployment.md"
# Chapters whose commands are run as they stand, and how many blocks of them there are.
CHAPTERS = {"container": ("One machine, in a container", 4), "systemd": ("One machine, by systemd", 4)}


def commands(chapter: str) -> list[str]:
    """The shell scripts of a chapter, in their order."""
    title, count = CHAPTERS[chapter]
    text = PAGE.read_text(encoding="utf-8")
    [body] = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    found = re.findall(r"^```sh\n(.*?)^```$", body, re.DOTALL | re.MULTILINE)
    assert len(found) == count, f"{PAGE.name}, {title}: got {len(found)} scripts, wanted {count}"
    return list(found)
