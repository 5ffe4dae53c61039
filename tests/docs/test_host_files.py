"""What a code host and editors read is well formed and calls what is there."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FORMS = [path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_forms_ask_for_something(form: Path) -> None:
    content = load(form)
    assert content["name"]
    assert content["description"]
    fields = [item for item in content["body"] if item["type"] != "markdown"]
    assert len({item["id"] for item in fields}) == len(fields)
    for item in fields:
        assert item["type"] in {"textarea", "input", "dropdown"}
        assert item["attributes"]["label"]
        assert ("options" in item["attributes"]) == (item["type"] == "dropdown")
    assert any(item.get("validations", {}).get("required") for item in fields)


def test_there_are_forms() -> None:
    assert {form.stem for form in FORMS} == {"bug", "conversion", "feature"}
    assert load(ROOT / ".github/ISSUE_TEMPLATE/config.yml") == {"blank_issues_enabled": True}
    assert (ROOT / ".github/pull_request_template.md").read_text()


def test_hosted_ci_runs_what_every_machine_runs() -> None:
    workflow = load(ROOT / ".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[-1] == ".ci/run"
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert job["container"] == "debian:12"
    assert job["timeout-minutes"] == 90


def test_hooks_call_pieces_of_the_lint_script() -> None:
    (repo,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    known = {path.stem for path in (ROOT / "tests/lint").glob("*.py")} | {"ruff", "mypy"}
    for hook in repo["hooks"]:
        script, *pieces = hook["entry"].split()
        assert os.access(ROOT / script, os.X_OK)
        assert pieces
        assert set(pieces) <= known


def test_the_dev_container_installs_what_make_needs() -> None:
    content = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert content["image"] == "debian:12"  # as hosted CI
    commands = content["postCreateCommand"].split(" && ")
    assert commands == ["tools/bootstrap.sh", "make venv"]
    assert os.access(ROOT / commands[0], os.X_OK)
    assert re.search(r"^venv:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_site_names_every_page_and_no_other() -> None:
    site = load(ROOT / "tools/mkdocs.yml")
    named = {page for entry in site["nav"] for page in leaves(entry)}
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    pages = {path.relative_to(ROOT).as_posix() for path in paths}
    assert named == pages | {"reference/python.md", "reference/protocol.md"}


def leaves(entry: Any) -> list[str]:
    """The pages of one entry of the navigation."""
    if isinstance(entry, str):
        return [entry]
    items = entry.values() if isinstance(entry, dict) else entry
    return [page for item in items for page in leaves(item)]
