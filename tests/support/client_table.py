"""Which client shows which feature: a marker for tests, and what became of the marked ones.

`@pytest.mark.client("Node", "stream", "session")` says that a test, where it passes, shows that users of this
client have these features. Every run of pytest writes the outcomes into build/clients.json, beside those of
tests that it did not run; tools/clients_table.py makes the table of docs/clients.md of them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[2] / "build" / "clients.json"
CLIENTS = (
    "Python",
    "Python asyncio",
    "Go",
    "CLI",
    "tritonclient gRPC",
    "REST",
    "Node",
    "Java",
    "grpcurl",
    "ghz",
)
FEATURES = (
    "load",
    "unload",
    "list",
    "uint8",
    "float32",
    "float64",
    "run options",
    "stream",
    "session",
    "records",
    "statistics",
    "classes as text",
    "health",
    "token",
    "TLS",
    "mutual TLS",
    "unix socket",
    "retry",
    "round robin",
    "network header",
    "numpy files",
    "IDX files",
)
# The worst comes last: what a test reports for its parts is the last of them.
_OUTCOMES = ("passed", "skipped", "failed")


class _Recorder:
    """Collects what the marked tests show, and how they ended."""

    def __init__(self) -> None:
        self._shown: dict[str, list[tuple[str, str]]] = {}
        self._outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marks = list(item.iter_markers("client"))
            if marks:
                self._shown[_name(item)] = [
                    cell for mark in marks for cell in cells_of(mark.args, _name(item))
                ]
                item.user_properties.append(("client", _name(item)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = dict(report.user_properties).get("client")
        if isinstance(name, str):
            known = self._outcomes.get(name, "passed")
            self._outcomes[name] = max(known, report.outcome, key=_OUTCOMES.index)

    def pytest_sessionfinish(self) -> None:
        if not self._outcomes:
            return
        found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        for name, outcome in self._outcomes.items():
            found[name] = {"shows": self._shown[name], "outcome": outcome}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "client(name, *features): shows that this client has these features")
    config.pluginmanager.register(_Recorder())


def cells_of(marked: tuple[str, ...], test: str) -> list[tuple[str, str]]:
    """Client and feature, for each feature of a mark; UsageError for a name that the table does not have."""
    client, *features = marked or ("",)
    if client not in CLIENTS:
        raise pytest.UsageError(f"{test}: client is {client!r}, choose one of {', '.join(CLIENTS)}")
    for feature in features:
        if feature not in FEATURES:
            raise pytest.UsageError(f"{test}: feature is {feature!r}, choose one of {', '.join(FEATURES)}")
    if not features:
        raise pytest.UsageError(f"{test}: the mark of {client} names no feature")
    return [(client, feature) for feature in features]


def _name(item: pytest.Item) -> str:
    """As in the file of results: the path from the root of the repository, wherever pytest runs."""
    path = item.path.relative_to(RESULTS.parents[1]).as_posix()
    return f"{path}::{item.nodeid.partition('::')[2]}"
