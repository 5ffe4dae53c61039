"""What the documents tell a reader to type works, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import spikeserve

ROOT = Path(__file__).resolve().parents[2]


def snippets(document: str, language: str) -> list[str]:
    """The code blocks of a document in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


@pytest.fixture
def in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder in which the repository's relative paths work."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("document", ["README.md", "docs/exploring.md"])
def test_python_snippets_run(document: str, server: spikeserve.LocalServer, in_a_copy: Path) -> None:
    code = "\n".join(snippets(document, "python"))
    assert code
    exec(compile(code.replace("127.0.0.1:8001", server.address), document, "exec"), {"__name__": document})
