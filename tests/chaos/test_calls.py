"""Calls that unpack to gigabytes, carry what metadata may not, or whose answers nobody reads."""

from __future__ import annotations

from typing import Any

import pytest
from figures import ms
from marks import not_yet
from trial import Trial

RESOURCE_EXHAUSTED, UNIMPLEMENTED = "8", "12"
REFUSED_WITHIN_MS = 1_000  # an idle machine takes 10; this is to tell it from unpacking, which takes seconds


def test_decompression_bombs(trial: Trial) -> None:
    """A call of 3.6 MB that unpacks to 3.5 GB: both encodings, a method of ours and the health check."""
    trial.open()
    outcome = trial.attack("Bombs", "decompression bombs", connections=4, unpacked=3_500_000_000)
    # Each bomb takes a connection, and a long run more of them than one address may have.
    refused = outcome.attacker.get(f"status {UNIMPLEMENTED}", 0)
    turned_away = outcome.attacker.get("status connection closed", 0)
    assert refused >= outcome.attacker["calls"] / 2, outcome.attacker
    assert refused + turned_away == outcome.attacker["calls"], outcome.attacker
    assert outcome.attacker["slowest"] <= REFUSED_WITHIN_MS
    trial.require_held(outcome)


def beside(trial: Trial, headers: list[tuple[str, str]]) -> dict[str, Any]:
    """How calls on one connection end of which one has these headers: [status, message] of each."""
    trial.open()
    files = trial.call_files()
    with trial.attacking("Neighbours", headers=headers, **files) as end:
        ended = end()
    trial.require_clean()
    return ended


def require_alone(ended: dict[str, Any], *statuses: str) -> None:
    """Only the call with the headers failed, with one of these."""
    neighbours = {name: status for name, (status, _) in ended.items() if name != "bad"}
    assert neighbours == {"first": "0", "later": "0", "under way": "0"}, ended
    assert ended["bad"][0] in statuses, ended


@pytest.mark.parametrize("size", [10_000, 17_000, 50_000])
def test_large_metadata_fails_its_own_call_alone(trial: Trial, size: int) -> None:
    ended = beside(trial, [("x-large", "a" * size)])
    require_alone(ended, RESOURCE_EXHAUSTED)
    assert "metadata" in ended["bad"][1]


def test_metadata_below_the_limit_is_nobodys_business(trial: Trial) -> None:
    require_alone(beside(trial, [("x-large", "a" * 7_000)]), "0")


@not_yet("gRPC takes invalid base64 for an error of the connection, before any code of the server sees it")
@pytest.mark.parametrize("value", ["!!!", "a", "YQ=x"])
def test_invalid_base64_fails_its_own_call_alone(trial: Trial, value: str) -> None:
    """With whatever status: the other calls of the connection are what counts."""
    ended = beside(trial, [("trace-bin", value)])
    require_alone(ended, ended["bad"][0])


@pytest.mark.parametrize("longest", ["99999999H", "9999999H"])
def test_a_deadline_that_is_far_away(trial: Trial, longest: str) -> None:
    require_alone(beside(trial, [("grpc-timeout", longest)]), "0")


def test_bad_metadata_on_other_connections(trial: Trial) -> None:
    """Whatever becomes of a connection with invalid base64 or 80 KB of metadata: others do not notice."""
    trial.open()
    trial.require_held(trial.attack("BadMetadata", "metadata that is invalid or too large", connections=4))


def test_streams_that_nobody_reads(trial: Trial) -> None:
    """64 images a stream, a report at each step."""
    trial.open()
    files: dict[str, Any] = trial.call_files(steps=10_000)
    outcome = trial.attack("SlowReaders", "streams that are not read", connections=4, streams=16, **files)
    assert outcome.healthy.p50 <= max(10 * trial.unloaded.p50, 0.1), f"p50 {ms(outcome.healthy.p50)} ms"
    trial.require_held(outcome)
