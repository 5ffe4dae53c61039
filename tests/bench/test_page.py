from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import batching
import goals
import page
import serving

ROW = {
    "case": "mlp", "mode": "exact", "path": "auto", "steps": 100, "batch": 64, "threads": 2, "correct": True,
    "step_loop_agreement": 1.0, "float_agreement": 0.99, "inferences_per_second": 12345.6, "spread": 0.1,
    "naive_ratio": 70.0, "hoisted_ratio": 3.0, "price_of_time": 1.5, "neuron_steps_per_second": 2e9,
    "synaptic_operations_per_second": 0.0, "counted_bytes": 784, "binding_resource": "multiply-add",
    "achieved": 0.5, "peak_bytes": 20_000_000,
}  # fmt: skip


def test_a_table_goes_between_its_markers_and_nowhere_else() -> None:
    text = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n<!-- begin y -->\n<!-- end y -->\n"
    new = page.replace(text, "x", r"new \1")
    assert new == text.replace("old", r"new \1")
    assert page.replace(new, "x", r"new \1") == new


def test_missing_or_doubled_markers_are_refused() -> None:
    with pytest.raises(ValueError, match="begin x"):
        page.replace("nothing", "x", "")
    with pytest.raises(ValueError, match="once"):
        page.replace("<!-- begin x -->\n<!-- end x -->\n" * 2, "x", "")


def test_a_wrong_case_shows_no_figure() -> None:
    wrong = {**ROW, "mode": "fast", "correct": False}
    wrong.pop("inferences_per_second")
    table = page.cases({"rows": [ROW, {**wrong, "step_loop_agreement": 0.5, "float_agreement": 0.5}]})
    header, rule, right, last = table.splitlines()
    assert "12,346" in right
    assert "70.0" in right
    assert "wrong" in last
    assert len({line.count("|") for line in (header, rule, right, last)}) == 1


def test_a_wrong_neuron_type_shows_no_figure() -> None:
    right = {
        "neuron": "Lif", "correct": True, "neuron_steps_per_second": 2e8, "ratio": 0.5,
        "spikes_per_step": 0.1, "spread": 0.02,
    }  # fmt: skip
    lines = page.neurons({"rows": [right, {**right, "correct": False}]}).splitlines()
    assert lines[2] == "| Lif | 200.0 | 0.50 | 0.100 | 2% |"
    assert lines[3] == "| Lif | wrong | - | - | - |"


def test_what_was_not_compared_is_a_dash() -> None:
    plain = {**ROW, "naive_ratio": None, "hoisted_ratio": None, "price_of_time": None, "peak_bytes": 0}
    cells = page.cases({"rows": [plain]}).splitlines()[-1].split(" | ")
    assert cells[7:11] == ["-", "-", "-", "-"]


def test_a_row_says_its_mode() -> None:
    rows = page.cases({"rows": [ROW, {**ROW, "mode": "fast"}]}).splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["exact", "fast"]


def test_peers_are_compared_with_ours_on_the_same_case() -> None:
    def row(system: str, rate: float) -> page.Json:
        base = {"case": "mlp T=100", "system": system, "batch": 1, "steps": 100, "accuracy": 0.87}
        return {**base, "inferences_per_second": rate}

    result = {
        "rows": [row("spikeserve", 1000.0), row("loop", 10.0)], "time_to_accuracy": [row("loop", 10.0)],
        "versions": {"loop": "torch 1"}, "threads": 2, "images": 1000, "load": 0.5,
    }  # fmt: skip
    text = page.peers(result)
    assert "| mlp T=100 | loop | 1 | 10.0 | 87.0% | 100.00 |" in text
    assert "| mlp | loop | 100 | 87.0% | 10.0 |" in text


def test_the_page_has_the_markers_of_every_table() -> None:
    text = (Path(page.__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    for name in (*page.TABLES, "goals"):
        page.replace(text, name, "")


def test_goals_say_met_missed_or_not_measured() -> None:
    best = {**ROW, "case": "mlp_784_128_10.f32", "mode": "exact", "batch": 256}
    row = {goal.text: goal.line({"bench.json": {"rows": [best]}}) for goal in goals.GOALS}
    assert row["MLP T=100, batch 256, float32: times naive"][2:] == ["70.00", "met"]
    assert row["MLP T=100, batch 256, float32: price of time"][2:] == ["1.50", "met"]
    assert row["VGG-16 T=32: times naive"][3] == "not measured"
    slow = {**best, "naive_ratio": 69.9}
    missed = goals.GOALS[2].line({"bench.json": {"rows": [slow]}})
    assert missed[3] == "**missed**"


def test_a_goal_that_was_not_measured_stays_as_the_page_has_it() -> None:
    name = "server: percent of 1/(1/engine + 1/echo)"
    before = page.goals({"bench.json": {"rows": [{**ROW, "case": "server.share", "share": 0.5}]}}, "")
    assert f"| {name} | at least 70 | 50.00 | **missed** |" in before
    rows = [{**ROW, "case": "mlp_784_128_10.f32", "batch": 256}]
    after = page.goals({"bench.json": {"rows": rows}}, before)
    assert f"| {name} | at least 70 | 50.00 | **missed** |" in after
    assert "MLP T=100, batch 256, float32: times naive | at least 70 | 70.00 | met |" in after
    better = {"rows": [*rows, {**ROW, "case": "server.share", "share": 0.7}]}
    assert page.goals({"bench.json": better}, after).count("70.00 | met") == 2


def test_the_share_is_of_what_two_that_take_turns_would_reach(tmp_path: Path) -> None:
    rates = {"server": [300.0, 200.0], "echo": [1000.0, 500.0], "engine": [1000.0, 500.0]}
    assert serving.shares(rates) == pytest.approx([0.6, 0.8])
    result = {
        "steps": 100, "threads": 2, "samples_per_request": 64, "share": 0.7, "shares": [0.6, 0.8],
        "inferences_per_second": {"server": 250.0, "echo": 750.0, "engine": 750.0}, "request_bytes": 50_000,
        "response_bytes": 3_000, "connections": 4, "in_flight": 4, "rounds": 2, "seconds": 1,
        "date": "2026-11-29", "load": 0.1,
        "latency_us": {"server": 130.0, "echo": 90.0, "above_echo": 40.0},
    }  # fmt: skip
    assert "reaches 70% of the rate" in page.serving(result)
    file = tmp_path / "bench.json"
    file.write_text(json.dumps({"rows": [ROW]}))
    for _ in range(2):
        serving.add_rows(file, serving.rows(result))
    bench = json.loads(file.read_text())
    assert [row["case"] for row in bench["rows"]] == ["mlp", "server.share", "server.latency"]
    assert "server" not in page.cases(bench)
    lines = {goal.text: goal.line({"bench.json": bench}) for goal in goals.GOALS}
    assert lines["server: percent of 1/(1/engine + 1/echo)"][2:] == ["70.00", "met"]
    assert lines["server, one image: microseconds above a bare echo"][2:] == ["40.00", "met"]


def test_settings_are_compared_round_by_round() -> None:
    # The machine is ten times slower in the second round, which is in all of them.
    rates = {
        "default": [90.0, 9.0, 90.0], "default again": [90.0, 10.0, 80.0],
        "of 4": [100.0, 10.0, 100.0], "of 16": [80.0, 12.0, 80.0],
    }  # fmt: skip
    row = batching.compared(rates)
    assert (row["best"], row["default_of_best"]) == ("of 4", pytest.approx(0.9))
    assert row["default_of_twin"] == pytest.approx(1.0)
    assert row["best_quartiles"] == pytest.approx([0.9, 0.9, 0.9])
    result = {"rows": [{"case": "mlp, 4 calls at a time", **row}], "threads": 2, "rounds": 3, "seconds": 0.4,
              "date": "2026-11-29", "load": 1.0}  # fmt: skip
    line = page.batching(result).splitlines()[-1]
    assert line.startswith("| mlp, 4 calls at a time | 90.0 | of 4 | 100.0 | 0.90 | 0.90 to 0.90 | 1.00 |")
    verdicts = {goal.text: goal.line({"bench-batching.json": result}) for goal in goals.GOALS}
    assert verdicts["default batching: percent of the best fixed setting"][2:] == ["90.00", "met"]


def test_no_goal_is_met_by_a_wrong_case() -> None:
    wrong = {**ROW, "case": "mlp_784_128_10.f32", "mode": "exact", "batch": 256, "correct": False}
    assert {goal.line({"bench.json": {"rows": [wrong]}})[3] for goal in goals.GOALS} == {"not measured"}


def test_the_best_peer_is_the_one_to_beat() -> None:
    rates = {"spikeserve": 900.0, "slow": 10.0, "quick": 90.0, "PyTorch, float pass": 1e6}
    rows = [
        {"case": "fashion_cnn T=60", "system": system, "inferences_per_second": rate}
        for system, rate in rates.items()
    ]
    lines = {goal.text: goal.line({"bench-peers.json": {"rows": rows}}) for goal in goals.GOALS}
    assert lines["fashion_cnn T=60: times the best peer"][2:] == ["10.00", "met"]
