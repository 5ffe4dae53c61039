"""More networks stored than fit, loaded when they are asked for; aliases; versions that do not warm up."""

from __future__ import annotations

import json
import random
import re
import shutil
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import servers
from conftest import ServerMaker

import spikeserve

WIDTH = 400
NETWORKS = 20
ROOM = 3  # networks that fit
STEPS = 20
MIB = 2**20
ENDLESS = 100_000_000  # steps


def network(number: int) -> spikeserve.Network:
    return servers.small_network(WIDTH, scale=1 + number / 8)


def name(number: int) -> str:
    return f"n{number:02}"


def infer(client: spikeserve.Client, target: str, **options: Any) -> bytes:
    result = client.simulate(target, servers.samples(2, WIDTH), steps=STEPS, **options)
    return result.outputs.tobytes() + result.settings.network.encode()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes], int]:
    """A repository of networks, what each answers where all are resident, and MiB for `ROOM` of them."""
    folder = tmp_path_factory.mktemp("stored") / "networks"
    with (
        spikeserve.serve(backend="cpu", network_repository=folder) as server,
        spikeserve.Client(server.address, timeout=120) as client,
    ):
        for number in range(NETWORKS):
            client.load(name(number), network(number))
        answers = [infer(client, name(number)) for number in range(NETWORKS)]
        resident = client.get(name(0)).resident_bytes
    # Loading takes more than what is loaded, for a moment.
    flags: dict[str, Any] = {"load_networks": "on-demand", "memory_budget_mb": 8}
    with (
        spikeserve.serve(backend="cpu", network_repository=folder, **flags) as small,
        spikeserve.Client(small.address, timeout=120) as client,
        pytest.raises(spikeserve.ResourceExhaustedError) as caught,
    ):
        infer(client, name(0))
    needed = re.search(r"there will be no room: (\d+) bytes are needed", caught.value.message)
    assert needed is not None
    # One more than `ROOM` of them leaves too little for that, one less enough, with sessions beside.
    return folder, answers, (int(needed[1]) + ROOM * resident) // MIB


@pytest.fixture
def crowded(stored: tuple[Path, list[bytes], int], repository: Path) -> dict[str, Any]:
    """Flags of a server with all of them on its disk and room for a few; `repository` is its own copy."""
    shutil.copytree(stored[0], repository)
    return {"load_networks": "on-demand", "memory_budget_mb": stored[2], "http_listen": "127.0.0.1:0"}


def connect(server: spikeserve.LocalServer) -> spikeserve.Client:
    return spikeserve.Client(server.address, timeout=120)


def states(client: spikeserve.Client) -> dict[str, str]:
    return {info.name: info.state for info in client.list()}


def test_all_are_answered_as_if_all_were_resident(
    stored: tuple[Path, list[bytes], int], crowded: dict[str, Any], start_server: ServerMaker
) -> None:
    seed = random.randrange(10**6)
    server = start_server(pin=name(7), **crowded)
    over = threading.Event()
    watched = threading.Event()

    def watch(client: spikeserve.Client) -> None:
        while not watched.wait(0.05):
            values = servers.metrics(server)
            if values["spikeserve_memory_used_bytes"] > values["spikeserve_memory_limit_bytes"]:
                over.set()
            assert states(client)[name(7)] == "ready"

    def ask(thread: int) -> None:
        order = random.Random(seed + thread)
        with connect(server) as client:
            for _ in range(25):
                number = order.randrange(NETWORKS)
                assert infer(client, name(number)) == stored[1][number], f"seed {seed}"

    with connect(server) as client, ThreadPoolExecutor(6) as pool:
        watcher = pool.submit(watch, client)
        try:
            for done in [pool.submit(ask, thread) for thread in range(5)]:
                done.result()
        finally:
            watched.set()
        watcher.result()
        assert not over.is_set()
        found = states(client)
    assert set(found) == {name(number) for number in range(NETWORKS)}
    assert list(found.values()).count("ready") <= ROOM + 1
    values = servers.metrics(server)
    assert values["spikeserve_network_evictions_total"] > 0
    assert values["spikeserve_cold_start_seconds_count"] > ROOM
    assert values["spikeserve_networks"] + values["spikeserve_networks_stored"] == NETWORKS
    assert servers.log_lines(server, "network_evicted")
    assert servers.log_lines(server, "network_resident")


def test_after_a_restart_what_does_not_fit_is_stored_and_shown(
    stored: tuple[Path, list[bytes], int], crowded: dict[str, Any], start_server: ServerMaker
) -> None:
    server = start_server(pin=f"{name(11)},{name(13)}:1", **crowded)
    with connect(server) as client:
        found = states(client)
        assert found[name(11)] == found[name(13)] == "ready"
        assert list(found.values()).count("stored") >= NETWORKS - ROOM - 1
        number = next(i for i in range(NETWORKS) if found[name(i)] == "stored")
        info = client.get(name(number))
        assert (info.state, info.resident_bytes) == ("stored", 0)
        assert info.input_shapes == {"input": (WIDTH,)}
        assert states(client) == found  # looking loads nothing
        index = urllib.request.Request(
            f"http://{server.http_address}/v2/repository/index", b"{}", {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(index, timeout=60) as answer:
            rows = {row["name"]: row for row in json.load(answer)}
        assert rows[name(number)]["state"] == "READY"
        assert rows[name(number)]["reason"] == "stored; the next request for it loads it"
        assert f'"{name(number)}"' in servers.http_get(server, "/statusz?format=json")
        assert infer(client, name(number)) == stored[1][number]
        assert states(client)[name(number)] == "ready"
        assert client.unload(name((number + 1) % NETWORKS)) == [1]


def test_who_uses_a_network_keeps_it(crowded: dict[str, Any], start_server: ServerMaker) -> None:
    server = start_server(max_steps=ENDLESS, load_wait_seconds=3, **crowded)
    with connect(server) as client:
        resident = [network for network, state in states(client).items() if state == "ready"]
        waiting = [network for network, state in states(client).items() if state == "stored"]
        sessions = [client.session(network, 1) for network in resident]
        for session in sessions:
            session.advance(servers.samples(1, WIDTH), steps=1)
        with pytest.raises(spikeserve.ResourceExhaustedError) as caught:
            infer(client, waiting[0])
        assert "is not resident, and there is no room" in caught.value.message
        assert "those in use" in caught.value.message
        assert {network for network, state in states(client).items() if state == "ready"} == set(resident)
        with pytest.raises(spikeserve.DeadlineExceededError):
            infer(client, waiting[0], timeout=0.2)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(infer, client, waiting[0])
            sessions[0].close()
            asked.result()
        assert states(client)[resident[0]] == "stored"
        for session in sessions[1:]:
            session.advance(servers.samples(1, WIDTH), steps=1)
            session.close()


def test_a_stream_and_a_session_wait_for_their_network(
    stored: tuple[Path, list[bytes], int], crowded: dict[str, Any], start_server: ServerMaker
) -> None:
    server = start_server(**crowded)
    with connect(server) as client:
        first, second, third = [network for network, state in states(client).items() if state == "stored"][:3]
        with client.session(first, 1) as session:
            assert session.advance(servers.samples(1, WIDTH), steps=3).steps_done == 3
        events = list(client.stream(second, servers.samples(1, WIDTH), steps=20, report_every=5))
        assert len(events) > 1
    # The Open Inference Protocol.
    data = servers.samples(1, WIDTH)
    body = {
        "inputs": [{"name": "input", "shape": [1, WIDTH], "datatype": "FP32", "data": data.ravel().tolist()}]
    }
    request = urllib.request.Request(
        f"http://{server.http_address}/v2/models/{third}/infer",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["model_name"] == third


def test_an_upload_makes_room_too(crowded: dict[str, Any], start_server: ServerMaker) -> None:
    server = start_server(**crowded)
    with connect(server) as client:
        assert client.load("new", network(3)) == 1
        assert states(client)["new"] == "ready"
        infer(client, "new")


def test_a_network_that_is_damaged_meanwhile_fails_alone(
    stored: tuple[Path, list[bytes], int],
    crowded: dict[str, Any],
    start_server: ServerMaker,
    repository: Path,
) -> None:
    server = start_server(**crowded)
    with connect(server) as client:
        waiting = [network for network, state in states(client).items() if state == "stored"]
        file = repository / waiting[0] / "1" / "network.spk"
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        with pytest.raises(spikeserve.DataLossError):
            infer(client, waiting[0])
        assert states(client)[waiting[0]] == "stored"
        assert infer(client, waiting[1]) == stored[1][int(waiting[1][1:])]
    assert servers.metrics(server)["spikeserve_cold_start_failures_total"] == 1


def test_flags_that_make_no_sense_are_refused(start_server: ServerMaker) -> None:
    with pytest.raises(spikeserve.ServerStartError, match="--pin requires --load-networks on-demand"):
        start_server(pin="net")
    with pytest.raises(spikeserve.ServerStartError, match="wanted NAME or NAME:VERSION"):
        start_server(pin="net:x", load_networks="on-demand")


# Version 2 cannot run in the memory that there is: it is refused with the cause, and 1 goes on.
def test_a_version_that_does_not_warm_up_is_not_the_default(start_server: ServerMaker) -> None:
    server = start_server(memory_budget_mb=8)
    with connect(server) as client:
        client.load("net", servers.small_network())
        before = client.simulate("net", servers.samples(1), steps=5).outputs
        with pytest.raises(spikeserve.SpikeserveError, match="--memory-budget-mb"):
            client.load("net", servers.small_network(900))
        assert client.get("net").version == 1
        assert np.array_equal(client.simulate("net", servers.samples(1), steps=5).outputs, before)
        assert client.load("net", servers.small_network(scale=2.0)) == 2
        assert client.get("net").version == 2


def test_what_is_pinned_and_comes_by_polling_is_loaded(
    crowded: dict[str, Any], repository: Path, start_server: ServerMaker
) -> None:
    server = start_server(pin=name(7), repository_poll_seconds=1, repository_role="follower", **crowded)
    shutil.copytree(repository / name(7) / "1", repository / name(7) / "2")
    with connect(server) as client:

        def pinned() -> list[tuple[int, str]]:
            return sorted((info.version, info.state) for info in client.list() if info.name == name(7))

        servers.eventually(lambda: pinned() == [(1, "ready"), (2, "ready")], "it is resident", 60)


def test_aliases(start_server: ServerMaker) -> None:
    server = start_server(http_listen="127.0.0.1:0")
    with connect(server) as client:
        for version in (1, 2):
            client.load("fashion", servers.small_network(scale=float(version)))
        assert client.set_alias("fashion", "stable", 1) == 1
        assert client.get("fashion").version == 2
        assert client.get("fashion@stable").version == 1
        assert client.get("fashion@stable").aliases == ("stable",)
        ran = client.simulate("fashion@stable", servers.samples(3), steps=5)
        assert (ran.settings.network, ran.settings.version) == ("fashion", 1)
        with client.session("fashion@stable", 1) as session:
            session.advance(servers.samples(1), steps=2)
        url = f"http://{server.http_address}/v2/models/fashion@stable"
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert json.load(answer)["name"] == "fashion"
        with urllib.request.urlopen(f"{url.replace('@', '%40')}/ready", timeout=60) as answer:
            assert answer.status == 200
        for version in (0, 1):
            with pytest.raises(
                spikeserve.FailedPreconditionError, match="fashion@stable would stand for nothing"
            ):
                client.unload("fashion", version)
        with pytest.raises(spikeserve.NotFoundError, match='no alias "canary"'):
            client.simulate("fashion@canary", servers.samples(1), steps=1)
        with pytest.raises(spikeserve.InvalidArgumentError, match="wanted an alias or a version, not both"):
            client.simulate("fashion@stable", servers.samples(1), steps=1, version=1)
    server.stop()
    again = start_server()
    with connect(again) as client:
        assert client.get("fashion@stable").version == 1
        assert client.set_alias("fashion", "stable") == 2
        assert client.unload("fashion", 1) == [1]
        assert client.delete_alias("fashion", "stable") == 2
        assert client.unload("fashion") == [2]
    assert not list(again.log_path.parent.glob("fashion"))


def test_an_alias_moves_under_load_and_no_call_fails(start_server: ServerMaker) -> None:
    server = start_server()
    inputs = servers.samples(1)
    over = threading.Event()
    with connect(server) as client:
        client.load("net", servers.small_network(scale=1.0))
        client.set_alias("net", "live")

        def ask() -> int:
            asked = 0
            newest = 0
            with connect(server) as own:
                while not over.is_set():
                    version = own.simulate("net@live", inputs, steps=2).settings.version
                    assert version >= newest  # nobody goes back
                    newest = version
                    asked += 1
            return asked

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            try:
                for version in range(2, 25):
                    assert client.load("net", servers.small_network(scale=1 + version / 10)) == version
                    assert client.set_alias("net", "live", version) == version
                    client.unload("net", version - 1)
            finally:
                over.set()
            assert min(done.result() for done in asking) > 10


def test_aliases_are_for_who_may_load(start_server: ServerMaker, tmp_path: Path) -> None:
    users, admins = tmp_path / "users", tmp_path / "admins"
    users.write_text("user\n")
    admins.write_text("admin\n")
    server = start_server(auth_token_file=users, admin_token_file=admins)
    with (
        spikeserve.Client(server.address, token="admin") as admin,
        spikeserve.Client(server.address, token="user") as user,
    ):
        admin.load("net", servers.small_network())
        with pytest.raises(spikeserve.PermissionDeniedError):
            user.set_alias("net", "stable")
        admin.set_alias("net", "stable")
        with pytest.raises(spikeserve.PermissionDeniedError):
            user.delete_alias("net", "stable")
        assert user.simulate("net@stable", servers.samples(1), steps=1).settings.version == 1


def test_a_cancelled_wait_leaves_nothing(crowded: dict[str, Any], start_server: ServerMaker) -> None:
    server = start_server(**crowded)
    with connect(server) as client:
        resident = [network for network, state in states(client).items() if state == "ready"]
        waiting = next(network for network, state in states(client).items() if state == "stored")
        sessions = [client.session(network, 1) for network in resident]
        used = servers.memory_used(server)
        for _ in range(5):
            stream = client.stream(waiting, servers.samples(1, WIDTH), steps=5, report_every=1, timeout=0.1)
            with pytest.raises((spikeserve.DeadlineExceededError, grpc.RpcError)):
                next(stream)
        servers.eventually(lambda: servers.memory_used(server) <= used, "nothing is held")
        for session in sessions:
            session.close()


def test_an_alias_whose_file_is_gone_is_not_found_at_once(
    start_server: ServerMaker, crowded: dict[str, Any], repository: Path
) -> None:
    server = start_server(**crowded)
    with spikeserve.Client(server.address, timeout=60) as client:
        gone = next(info.name for info in client.list() if info.state == "stored")
        client.set_alias(gone, "stable", 1)
        (repository / gone / "1" / "network.spk").unlink()
        with pytest.raises(spikeserve.NotFoundError, match=r"network\.spk does not exist"):
            infer(client, f"{gone}@stable")
        failures = servers.counter(servers.metrics(server), "spikeserve_cold_start_failures_total")
        assert failures == 1  # it was tried once
