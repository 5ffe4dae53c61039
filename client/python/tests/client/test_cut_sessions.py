"""What a balancer makes of a session whose server died is told from what a server says."""

from __future__ import annotations

import grpc
import pytest

from spikeserve import _replay
from spikeserve.errors import UnavailableError, from_cut

ANSWERED = (("content-type", "application/grpc"), ("x-request-id", "17"))
RESET = "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))"


@pytest.mark.parametrize(
    ("code", "details", "trailers"),
    [
        ("INTERNAL", "Received RST_STREAM with error code 2", None),
        ("CANCELLED", RESET, ()),
        ("CANCELLED", RESET, ANSWERED),  # a status came too, and the reset hides its code
        ("UNKNOWN", "Stream removed", None),
    ],
)
def test_what_something_on_the_way_has_ended_is_unavailable(
    code: str, details: str, trailers: tuple[tuple[str, str], ...] | None
) -> None:
    found = from_cut(grpc.StatusCode[code], details, trailers, "proxy:8001")
    assert isinstance(found, UnavailableError)
    assert details in str(found)
    assert "proxy:8001" in str(found)


@pytest.mark.parametrize(
    ("code", "details", "trailers"),
    [
        ("INTERNAL", "the disk is broken", ANSWERED),
        ("UNAVAILABLE", "the server is shutting down", ()),
        ("CANCELLED", "Locally cancelled by application!", ()),
        ("RESOURCE_EXHAUSTED", "too many sessions", ANSWERED),
    ],
)
def test_what_a_server_or_the_program_has_ended_is_what_it_was(
    code: str, details: str, trailers: tuple[tuple[str, str], ...]
) -> None:
    assert from_cut(grpc.StatusCode[code], details, trailers, "server:8001") is None


def test_a_session_that_may_move_is_opened_more_than_once() -> None:
    assert len(list(_replay.openings(1 << 20))) == 3
    assert list(_replay.openings(0)) == []
