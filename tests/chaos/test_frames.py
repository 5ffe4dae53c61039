"""Floods of frames that are legal one by one: a client beside them must not notice."""

from __future__ import annotations

import pytest
from trial import Trial


@pytest.mark.parametrize("connections", [1, 8])
def test_rapid_resets(trial: Trial, connections: int) -> None:
    trial.open()
    row = f"rapid resets, {connections} connections"
    trial.require_held(trial.attack("RapidReset", row, connections=connections))


def test_rapid_resets_over_tls(trial: Trial) -> None:
    """By a client that has a certificate."""
    trial.open_tls()
    trial.require_held(trial.attack("RapidReset", "rapid resets over TLS, 4 connections", connections=4))


def test_settings_that_are_never_acknowledged(trial: Trial) -> None:
    trial.open()
    trial.require_held(trial.attack("NeverAcknowledges", "SETTINGS never acknowledged"))


def test_continuation_without_end(trial: Trial) -> None:
    trial.open()
    frames = trial.budget.header_bytes // 6_000
    trial.require_held(trial.attack("Continuation", "CONTINUATION flood", connections=2, frames=frames))


def test_calls_with_60_kb_of_headers(trial: Trial) -> None:
    trial.open()
    frames = trial.budget.header_bytes // 16_000
    trial.require_held(trial.attack("HeaderFlood", "headers of 60 KB", connections=2, frames=frames))


@pytest.mark.parametrize("kind", ["Pings", "Settings", "Priorities", "EmptyData", "WindowUpdates"])
def test_small_frames_without_end(trial: Trial, kind: str) -> None:
    trial.open()
    frames, connections = 4 * trial.budget.frames, 4 if kind == "Pings" else 2
    trial.require_held(trial.attack(kind, f"{kind} without end", connections=connections, frames=frames))
