"""docs/clients.md shows parts of the files that are compiled and run; its table is what tests have shown."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import clients_table
import pytest
from client_table import CLIENTS, FEATURES, cells_of

from spikeserve import _channel

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "docs" / "examples" / "clients"
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
ENDINGS = {"python": "py", "go": "go", "js": "mjs", "java": "java", "bash": "sh", "json": "json"}


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("language", ENDINGS)
def test_what_the_page_shows_stands_in_a_file_that_is_run(language: str) -> None:
    files = [path.read_text(encoding="utf-8") for path in SAMPLES.rglob(f"*.{ENDINGS[language]}")]
    assert snippets(language)
    for code in snippets(language):
        assert any(code in text for text in files), code


def test_the_page_links_to_every_program() -> None:
    for path in SAMPLES.rglob("*"):
        if path.suffix in (".py", ".mjs", ".java", ".sh") or path.name == "main.go":
            assert f"({path.relative_to(ROOT / 'docs').as_posix()})" in PAGE


def test_the_service_config_is_that_of_the_python_client_and_more() -> None:
    shown = json.loads((SAMPLES / "service-config.json").read_text())
    known = json.loads(json.dumps(_channel._SERVICE_CONFIG))
    (ours,), (theirs,) = shown.pop("methodConfig"), known.pop("methodConfig")
    assert shown == known
    assert ours["retryPolicy"] == theirs["retryPolicy"]
    more = [name for name in ours["name"] if name not in theirs["name"]]
    assert {name["service"] for name in more} == {"inference.GRPCInferenceService"}
    assert len(more) + len(theirs["name"]) == len(ours["name"])


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((SAMPLES / "node" / "package-lock.json").read_text())
    assert lock["packages"]
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


@pytest.mark.parametrize("plugin", ["grpc_cpp_plugin", "protoc-gen-go"])
def test_the_commands_that_generate_code_work(
    plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (script,) = snippets("sh")
    commands = {"grpc_cpp_plugin": r"^protoc .*--cpp_out.*$", "protoc-gen-go": r"^protoc .*--go_out.*\\\n.*$"}
    monkeypatch.setenv("PATH", str(ROOT / "build/go-tools/bin"), prepend=":")
    for program in ("protoc", plugin):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    (command,) = re.findall(commands[plugin], script, re.MULTILINE)
    (tmp_path / "proto").symlink_to(ROOT / "proto")
    (tmp_path / "client/go").mkdir(parents=True)
    done = subprocess.run(["bash", "-euc", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    generated = {
        path.name for path in tmp_path.rglob("*") if path.is_file() and "proto" not in path.parts[-3:]
    }
    assert {"simulation.pb.h", "simulation.pb.go"} & generated
    assert {"simulation.grpc.pb.h", "simulation_grpc.pb.go"} & generated


def test_the_table_survives_the_way_to_the_page_and_back() -> None:
    shown = {("Go", "stream"), (CLIENTS[0], FEATURES[0]), (CLIENTS[-1], FEATURES[-1])}
    assert clients_table.shown_on(f"before\n{clients_table.table(shown)}\nbehind") == shown
    assert clients_table.shown_on("a page without one") == set()


def test_cells_are_what_their_tests_say() -> None:
    node, go = ("Node", "stream"), ("Go", "session")
    assert clients_table.outcomes({"a": ([node, go], "passed"), "b": ([node], "failed")}) == {
        node: "failed",
        go: "passed",
    }
    assert clients_table.outcomes({"a": ([node], "skipped"), "b": ([node], "passed")}) == {node: "passed"}


@pytest.mark.parametrize(
    ("page", "outcome", "wrong", "unknown"),
    [
        (True, "passed", "", False),
        (True, "skipped", "", True),
        (True, "failed", "its tests: failed", False),
        (True, None, "its tests: missing", False),
        (False, "passed", "the page does not", False),
        (False, "skipped", "", False),
        (False, "failed", "", False),
    ],
)
def test_page_and_tests_are_compared(page: bool, outcome: str | None, wrong: str, unknown: bool) -> None:
    cell = ("Node", "stream")
    found = clients_table.differences({cell} if page else set(), {cell: outcome} if outcome else {})
    assert [wrong in line for line in found[0]] == ([True] if wrong else [])
    assert bool(found[1]) == unknown


def test_tests_that_run_elsewhere_are_not_missed_by_make_test() -> None:
    cell = ("Node", "stream")
    assert clients_table.differences({cell}, {}, every=False) == ([], ["Node / stream"])


def test_what_a_protocol_has_not_cannot_be_shown() -> None:
    wrong, _ = clients_table.differences(set(), {("REST", "session"): "passed"})
    assert "NOT_THERE" in wrong[0]


def test_go_tests_are_read_from_their_log() -> None:
    log = (
        "=== RUN   TestA\n--- PASS: TestA (0.01s)\n    --- FAIL: TestC/part (0.0s)\n--- SKIP: TestB (0.00s)\n"
    )
    tests = clients_table.go_tests(log, {"TestA": ["stream"], "TestB": ["token"], "TestC": ["list"]})
    assert tests == {
        "TestA": ([("Go", "stream")], "passed"),
        "TestB": ([("Go", "token")], "skipped"),
        "TestC": ([("Go", "list")], "skipped"),
    }


def test_every_go_test_that_shows_something_is_there() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "client" / "go").rglob("*_test.go"))
    named = json.loads(clients_table.GO_FEATURES.read_text())
    assert {name for name in named if f"func {name}(" not in sources} == set()
    assert {feature for shown in named.values() for feature in shown} <= set(FEATURES)


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (("Nod", "stream"), "client is 'Nod'"),
        (("Node", "strem"), "feature is 'strem'"),
        (("Node",), "names no"),
    ],
)
def test_a_mark_that_names_nothing_is_refused(marked: tuple[str, ...], message: str) -> None:
    with pytest.raises(pytest.UsageError, match=message):
        cells_of(marked, "a test")
