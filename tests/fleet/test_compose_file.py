"""The compose file is what the specification allows, and names files that are there."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tool_env import fetched

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())


def _check(file: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [fetched("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_specification_allows_it() -> None:
    done = _check(FOLDER / "compose.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "mistake", [{"read_onyl": True}, {"stop_grace_period": 45}, {"ports": [{"publishd": 8001}]}]
)
def test_a_slip_of_the_pen_would_be_found(mistake: dict[str, Any], tmp_path: Path) -> None:
    wrong = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    wrong["services"]["server"].update(mistake)
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(wrong))
    assert _check(tmp_path / "compose.yaml").returncode == 1


def test_what_it_mounts_is_there() -> None:
    mounts = [mount for service in COMPOSE["services"].values() for mount in service.get("volumes", [])]
    files = [mount.partition(":")[0] for mount in mounts if mount.startswith(".")]
    assert len(files) >= 5
    assert [file for file in files if not (FOLDER / file).exists()] == []
    named = {mount.partition(":")[0] for mount in mounts if not mount.startswith(".")}
    assert named == set(COMPOSE["volumes"])


def test_nothing_but_what_is_asked_for_is_open_to_others() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith(("127.0.0.1:", "${SPIKESERVE_BIND:-127.0.0.1}:")) for port in ports)


def test_one_server_of_two_is_chosen() -> None:
    profiles = {name: service.get("profiles") for name, service in COMPOSE["services"].items()}
    assert profiles["server"] == ["cpu"]
    assert profiles["server-gpu"] == ["gpu"]
    assert (FOLDER / ".env").read_text().splitlines()[-1] == "COMPOSE_PROFILES=cpu"
    (device,) = COMPOSE["services"]["server-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_prometheus_scrapes_the_server_by_its_name() -> None:
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = scraped["scrape_configs"]
    assert job["job_name"] == "spikeserve"  # as the alerts ask for
    assert job["static_configs"] == [{"targets": ["server:8002"]}]
    assert "server" in COMPOSE["services"]["server-gpu"]["networks"]["default"]["aliases"]
