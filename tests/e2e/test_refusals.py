"""The same mistake by every way to a server: the same code, and a message that is as clear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import servers
import surfaces
from surfaces import Ask, Refusal
from test_go_client import build

import spikeserve

TOKEN = "right-token"
RIGHT = Ask(token=TOKEN)
MAX_MESSAGE = 1 << 20
# What was done wrong: the code, and texts that every message holds.
REFUSED: dict[str, tuple[Ask, str, list[str]]] = {
    "no token": (replace(RIGHT, token=""), "UNAUTHENTICATED", ["this server wants a token"]),
    "wrong token": (replace(RIGHT, token="wrong"), "UNAUTHENTICATED", ["does not know the token"]),
    "wrong shape": (
        replace(RIGHT, shape=(4, 2)),
        "INVALID_ARGUMENT",
        ['input "input": shape: got [4, 2], wanted [batch, 4]'],
    ),
    "empty batch": (
        replace(RIGHT, shape=(0, 4), values=()),
        "INVALID_ARGUMENT",
        ['input "input": shape: got a batch of 0'],
    ),
    "short data": (
        replace(RIGHT, values=(0.5,) * 7),
        "INVALID_ARGUMENT",
        ['input "input": data: got ', "wanted ", " for shape [2"],
    ),
    "wrong datatype": (
        replace(RIGHT, uint8=True, values=(1,) * 8),
        "INVALID_ARGUMENT",
        ['input "input": data', "got ", "UINT8", "declares no uint8_scale"],
    ),
    "wrong input": (
        replace(RIGHT, name="other"),
        "INVALID_ARGUMENT",
        ['inputs[0].name: got "other", allowed: "input"'],
    ),
    "not finite": (
        replace(RIGHT, values=(float("inf"),) * 8),
        "INVALID_ARGUMENT",
        ['input "input": data: got inf at index 0 of sample 0'],
    ),
    "unknown network": (replace(RIGHT, network="nothing"), "NOT_FOUND", ['network "nothing" is not loaded']),
    "impossible network": (
        replace(RIGHT, network="a b"),
        "INVALID_ARGUMENT",
        ['got "a b", allowed [A-Za-z0-9._-]{1,128}, not starting with a dot'],
    ),
    "unknown version": (
        replace(RIGHT, version=9),
        "NOT_FOUND",
        ['network "net" version 9 is not loaded'],
    ),
    "impossible version": (
        replace(RIGHT, version=-1),
        "INVALID_ARGUMENT",
        ["version: got ", "-1", "for the highest that is ready"],
    ),
    "no steps": (replace(RIGHT, steps=0), "INVALID_ARGUMENT", ["steps", "got 0"]),
    "too many steps": (
        replace(RIGHT, steps=1_000_000),
        "RESOURCE_EXHAUSTED",
        ["steps: got 1000000", "--max-steps"],
    ),
    "too many samples": (
        replace(RIGHT, shape=(5000, 4), values=(0.5,) * 20_000),
        "RESOURCE_EXHAUSTED",
        ["got a batch of 5000, allowed 1..4096 (--max-samples)"],
    ),
    "too large a message": (
        replace(RIGHT, shape=(100_000, 4), values=(0.5,) * 400_000),
        "RESOURCE_EXHAUSTED",
        [str(MAX_MESSAGE)],
    ),
}

Way = Callable[[Ask], Refusal]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[spikeserve.LocalServer]:
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "tokens").write_text(TOKEN + "\n")
    with spikeserve.serve(
        backend="cpu",
        network_repository=folder / "networks",
        http_listen="127.0.0.1:0",
        auth_token_file=folder / "tokens",
        max_message_mb=MAX_MESSAGE >> 20,
    ) as server:
        with spikeserve.Client(server.address, token=TOKEN) as client:
            client.load("net", servers.small_network())
        yield server


@pytest.fixture(scope="module")
def go_program() -> Path:
    return build(Path(__file__).resolve().parents[2]) / "refusals"


@pytest.fixture(scope="module")
def messages(server: spikeserve.LocalServer) -> dict[str, Any]:
    return surfaces.inference_messages(server)


@pytest.fixture(params=["native", "inference", "rest"])
def way(request: pytest.FixtureRequest, server: spikeserve.LocalServer, messages: dict[str, Any]) -> Way:
    ways: dict[str, Way] = {
        "native": lambda ask: surfaces.native(server, ask),
        "inference": lambda ask: surfaces.inference(server, ask, messages),
        "rest": lambda ask: surfaces.rest(server, ask),
    }
    return ways[request.param]


def check(refusal: Refusal, code: str, texts: list[str]) -> None:
    assert refusal[0] == code, refusal
    for text in texts:
        assert text in refusal[1]


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_is_refused_alike(way: Way, mistake: str) -> None:
    ask, code, texts = REFUSED[mistake]
    check(way(ask), code, texts)


def test_what_is_right_is_answered(way: Way) -> None:
    assert way(RIGHT) == ("OK", "")


def test_mistakes_by_the_go_client(server: spikeserve.LocalServer, go_program: Path) -> None:
    # JSON has no infinity to tell the program.
    mistakes = [refused for mistake, refused in REFUSED.items() if mistake != "not finite"]
    refusals = surfaces.go(server, [RIGHT, *(ask for ask, _, _ in mistakes)], go_program)
    assert refusals[0][0] == "OK", refusals[0]
    for (_, code, texts), refusal in zip(mistakes, refusals[1:], strict=True):
        check(refusal, code, texts)


def test_a_certificate_that_nobody_knows(tmp_path: Path, messages: dict[str, Any], go_program: Path) -> None:
    for folder in ("right", "wrong"):
        (tmp_path / folder).mkdir()
    files = servers.make_certificates(tmp_path / "right")
    stranger = servers.make_certificates(tmp_path / "wrong")["ca"]
    with spikeserve.serve(
        backend="cpu", http_listen="127.0.0.1:0", tls_cert=files["server"], tls_key=files["server-key"]
    ) as server:
        with spikeserve.Client(server.address, root_cert=files["ca"]) as client:
            client.load("net", servers.small_network())
        for root, code in ((files["ca"], "OK"), (stranger, "UNAVAILABLE")):
            refusals = {
                "native": surfaces.native(server, Ask(), root),
                "inference": surfaces.inference(server, Ask(), messages, root),
                "rest": surfaces.rest(server, Ask(), root),
                "go": surfaces.go(server, [Ask()], go_program, root)[0],
            }
            for way, refusal in refusals.items():
                assert refusal[0] == code, (way, refusal)
                assert code == "OK" or "certificate" in refusal[1].lower(), (way, refusal)
