"""Every alert fires when it should and only then, by promtool; and its cases would notice if it did not."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus import CONFIGURATION, tool

RULES = yaml.safe_load((CONFIGURATION / "alerts.yml").read_text())
CASES = yaml.safe_load((CONFIGURATION / "alerts_test.yml").read_text())["tests"]
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
NAMES = [rule["alert"] for rule in ALERTS]


def _promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("promtool"), *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def test_prometheus_takes_the_configuration() -> None:
    done = _promtool(CONFIGURATION, "check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_the_cases_of_all_alerts_hold() -> None:
    done = _promtool(CONFIGURATION, "test", "rules", "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_cases_for_both() -> None:
    """One after the other, in the order of the alerts; one that has several has them together."""
    assert list(dict.fromkeys(case["name"] for case in CASES)) == NAMES
    for name in NAMES:
        checks = [check for case in CASES if case["name"] == name for check in case["promql_expr_test"]]
        expected = [check["exp_samples"] for check in checks]
        assert [] in expected, f"{name}: no case in which it does not fire"
        assert any(expected), f"{name}: no case in which it fires"


@pytest.mark.parametrize("change", ["never", "always"])
def test_the_cases_notice_alerts_that_are_wrong(change: str, tmp_path: Path) -> None:
    """Alerts that never fire, and alerts that always do: each fails its own case."""
    rules = yaml.safe_load((CONFIGURATION / "alerts.yml").read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        if change == "never":
            rule["expr"] = f"({rule['expr']}) and on () (vector(0) > 1)"
        else:
            rule["expr"] = "vector(1)"
            rule.pop("for", None)
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules))
    shutil.copy(CONFIGURATION / "alerts_test.yml", tmp_path)
    assert _promtool(tmp_path, "check", "rules", "alerts.yml").returncode == 0
    done = _promtool(tmp_path, "test", "rules", "alerts_test.yml")
    assert done.returncode == 1
    said = (done.stdout + done.stderr).replace("\\", "")
    assert [name for name in NAMES if f'alertname="{name}"' not in said] == []


@pytest.mark.parametrize("rule", ALERTS, ids=NAMES)
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook"}
    assert len(notes["runbook"]) > 80
    assert not re.search(r"\bTODO\b", str(rule))
