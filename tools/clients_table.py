"""The table of docs/clients.md: which client has which feature, as the tests of this checkout have shown it.

    python tools/clients_table.py                writes the table of the last test run into the page
    python tools/clients_table.py --check        fails where page and tests differ, after `make test`
    python tools/clients_table.py --check-all    fails also where a cell has no test at all, after all of CI

Python tests say what they show by a marker (tests/support/client_table.py), those of the Go client by their
names (tests/support/go_client_features.json). A check passes over a cell whose only tests were skipped, and
says so: then a tool was missing, and the page says what another machine has shown. --check also passes over
a cell whose tests run elsewhere.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from client_table import CLIENTS, FEATURES, RESULTS  # noqa: E402

PAGE = ROOT / "docs" / "clients.md"
GO_FEATURES = ROOT / "tests" / "support" / "go_client_features.json"
GO_LOG = ROOT / "build" / "gotest.txt"
BEGIN, END = "<!-- table of clients: made by `make clients-table` -->", "<!-- end of the table -->"
Cell = tuple[str, str]  # client, feature

# What a protocol or a tool has not, so that no test can show it.
NOT_THERE: frozenset[Cell] = frozenset(
    {
        ("tritonclient gRPC", "session"),
        ("tritonclient gRPC", "records"),
        ("REST", "session"),
        ("REST", "records"),
        ("REST", "stream"),
        ("REST", "unix socket"),
        ("CLI", "session"),
        ("CLI", "stream"),
        ("Go", "numpy files"),
    }
)


def go_tests(log: str, features: dict[str, list[str]]) -> dict[str, tuple[list[Cell], str]]:
    """What each test of the Go client shows and its outcome; "skipped" for one that the log does not have."""
    words = {"PASS": "passed", "SKIP": "skipped", "FAIL": "failed"}
    found = re.findall(r"^--- (PASS|SKIP|FAIL): (\w+)", log, re.MULTILINE)
    ended = {name: words[word] for word, name in found}
    return {
        name: ([("Go", feature) for feature in shown], ended.get(name, "skipped"))
        for name, shown in features.items()
    }


def python_tests(results: str) -> dict[str, tuple[list[Cell], str]]:
    """What each marked test of Python shows, and its outcome."""
    return {
        name: ([(client, feature) for client, feature in test["shows"]], test["outcome"])
        for name, test in json.loads(results).items()
    }


def outcomes(tests: dict[str, tuple[list[Cell], str]]) -> dict[Cell, str]:
    """A cell is "passed" where a test passed and none failed; else "failed", or "skipped" where all were."""
    seen: dict[Cell, set[str]] = defaultdict(set)
    for shown, outcome in tests.values():
        for cell in shown:
            seen[cell].add(outcome)
    ranked = ("failed", "passed", "skipped")
    return {cell: next(one for one in ranked if one in found) for cell, found in seen.items()}


def table(shown: set[Cell]) -> str:
    """In Markdown, with the marks around it."""
    rows = [["", *CLIENTS], ["---"] + [":-:"] * len(CLIENTS)]
    for feature in FEATURES:
        cells = [(client, feature) for client in CLIENTS]
        rows.append([feature] + ["yes" if c in shown else "none" if c in NOT_THERE else "" for c in cells])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([BEGIN, "", *lines, "", END])


def shown_on(page: str) -> set[Cell]:
    """The cells of the page's table that say yes."""
    rows = re.findall(r"^\| (.*) \|$", page.partition(BEGIN)[2].partition(END)[0], re.MULTILINE)
    if not rows:
        return set()
    clients = [name.strip() for name in rows[0].split("|")][1:]
    found = set()
    for row in rows[2:]:
        feature, *cells = (cell.strip() for cell in f"{row} ".split("|"))
        found |= {(client, feature) for client, cell in zip(clients, cells, strict=True) if cell == "yes"}
    return found


def differences(page: set[Cell], cells: dict[Cell, str], every: bool = True) -> tuple[list[str], list[str]]:
    """What is wrong with the page, and what this run cannot tell. `every`: all tests had their turn."""
    wrong, unknown = [], []
    for cell in sorted(page | cells.keys()):
        name, outcome = " / ".join(cell), cells.get(cell, "missing")
        if outcome == "passed" and cell in NOT_THERE:
            wrong.append(f"{name}: NOT_THERE says that there is none, a test shows it")
        elif outcome == "passed" and cell not in page:
            wrong.append(f"{name}: the tests show it, the page does not; `make clients-table` writes it")
        elif cell in page and (outcome == "skipped" or (outcome == "missing" and not every)):
            unknown.append(name)
        elif outcome in ("failed", "missing") and cell in page:
            wrong.append(f"{name}: the page has it; its tests: {outcome}")
    return wrong, unknown


def main(arguments: list[str]) -> int:
    """Writes the table or, with --check, compares it; the exit status."""
    if arguments not in ([], ["--check"], ["--check-all"]):
        print(f"got {' '.join(arguments)}, wanted --check, --check-all or nothing", file=sys.stderr)
        return 2
    if not RESULTS.exists():
        print(f"clients: no {RESULTS.relative_to(ROOT)}: run the tests first (`make test`)", file=sys.stderr)
        return 1
    log = GO_LOG.read_text(errors="replace") if GO_LOG.exists() else ""
    tests = python_tests(RESULTS.read_text()) | go_tests(log, json.loads(GO_FEATURES.read_text()))
    page, cells = PAGE.read_text(encoding="utf-8"), outcomes(tests)
    wrong, unknown = differences(shown_on(page), cells, every=arguments == ["--check-all"])
    if unknown:
        print(f"clients: not run here: {'; '.join(unknown)}")
    if arguments:
        print("\n".join(f"clients: {line}" for line in wrong) or "clients: the table is what the tests show")
        return 1 if wrong else 0
    kept = {cell for cell in shown_on(page) if cells.get(cell, "skipped") == "skipped"}
    shown = {cell for cell, outcome in cells.items() if outcome == "passed"} | kept
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(before + table(shown) + rest.partition(END)[2], encoding="utf-8")
    print(f"clients: {len(shown)} cells in {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
