"""Several servers on one repository: one owns it, the others follow."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import replicas
import servers

import spikeserve
from spikeserve.local_server import find_binary

ServerMaker = Callable[..., spikeserve.LocalServer]
Network = servers.small_network
_POLL = {"repository_poll_seconds": replicas.POLL_SECONDS}


@pytest.fixture
def fleet(start_server: ServerMaker) -> list[spikeserve.LocalServer]:
    """The owner, then two that follow."""
    return [start_server(**_POLL) for _ in range(3)]


def test_a_load_reaches_all_followers_under_traffic(fleet: list[spikeserve.LocalServer]) -> None:
    """So does an unload; no run fails, and none goes back to an older version."""
    owner, *followers = fleet
    networks = [Network(scale=scale) for scale in (1.0, 2.0)]
    digests = [replicas.digest(network) for network in networks]
    with spikeserve.Client(owner.address) as client:
        assert client.load("net", networks[0]) == 1
        for server in followers:
            replicas.await_served(server, [("net", 1, digests[0])])
        with contextlib.ExitStack() as stack:
            traffic = [stack.enter_context(replicas.Traffic(server, "net")) for server in fleet]
            for one in traffic:
                one.await_version(1)
            assert client.load("net", networks[1]) == 2
            for one in traffic:
                one.await_version(2)
            assert client.unload("net", 1) == [1]
            for server in fleet:
                replicas.await_served(server, [("net", 2, digests[1])])
        for one in traffic:
            assert not one.errors
            assert one.versions == sorted(one.versions)


def test_aliases_reach_followers_and_survive_their_owner(fleet: list[spikeserve.LocalServer]) -> None:
    """A follower that takes over has them all, and lets none of them stand for nothing."""
    owner, *followers = fleet
    with spikeserve.Client(owner.address) as client:
        for _ in range(2):
            client.load("net", Network())
        client.set_alias("net", "stable", 1)
    for server in followers:
        with spikeserve.Client(server.address) as client:
            servers.eventually(
                functools.partial(has_aliases, client, ["stable"], []), "the alias has come", 30
            )
            assert client.get("net@stable").version == 1
    with spikeserve.Client(owner.address) as client:
        client.set_alias("net", "canary", 2)
    owner.process.kill()
    servers.eventually(lambda: any(replicas.owns(server) for server in followers), "one takes over", 30)
    (heir,) = [server for server in followers if replicas.owns(server)]
    with spikeserve.Client(heir.address) as client:
        with pytest.raises(spikeserve.FailedPreconditionError, match="net@stable would stand for nothing"):
            client.unload("net", 1)
        client.set_alias("net", "newest", 2)
        assert has_aliases(client, ["stable"], ["canary", "newest"])


def has_aliases(client: spikeserve.Client, *wanted: list[str]) -> bool:
    """Whether each version has these."""
    return [list(one.aliases) for one in client.list()] == list(wanted)


def test_a_follower_takes_neither_loads_nor_unloads(
    fleet: list[spikeserve.LocalServer], repository: Path
) -> None:
    owner, follower, _ = fleet
    with spikeserve.Client(owner.address) as client:
        client.load("net", Network())
    replicas.await_served(follower, replicas.served(owner))
    with spikeserve.Client(follower.address) as client:
        for change in (lambda: client.load("net", Network()), lambda: client.unload("net")):
            with pytest.raises(spikeserve.FailedPreconditionError) as caught:
                change()
            assert f"another server owns {repository}" in caught.value.message
            assert f"process {owner.process.pid} on " in caught.value.message
            assert "load and unload there" in caught.value.message
        with pytest.raises(spikeserve.NotFoundError):
            client.unload("other")
    assert replicas.version_file(repository, "net", 1).exists()
    assert [replicas.owns(server) for server in fleet] == [True, False, False]
    assert [replicas.repository_status(server)["role"] for server in fleet] == ["owner"] + ["follower"] * 2


def test_half_a_file_is_never_read(start_server: ServerMaker, repository: Path) -> None:
    """Written piece by piece under its own name, it is loaded once it is whole."""
    server = start_server(repository_role="follower", **_POLL)
    network = Network(scale=3.0)
    whole = repository.parent / "whole.spk"
    network.save(whole)
    data = whole.read_bytes()
    target = replicas.version_file(repository, "net", 7)
    with target.open("wb", buffering=0) as file:
        for begin, end in ((0, 10), (10, 60), (60, len(data) - 1)):
            file.write(data[begin:end])
            replicas.await_polls(server)
            assert replicas.served(server) == []
        assert replicas.repository_status(server)["skipped_files"] == 1
        file.write(data[-1:])
    replicas.await_served(server, [("net", 7, replicas.digest(network))])
    assert replicas.repository_status(server)["skipped_files"] == 0
    # Each state that stayed was told of once, not at every poll.
    assert len(servers.log_lines(server, "network_skipped", 3)) == 3


def test_a_changed_file_replaces_its_version_when_it_is_whole(
    start_server: ServerMaker, repository: Path
) -> None:
    """Until then, and where it is damaged, what was loaded goes on serving."""
    server = start_server(**_POLL)
    old, new = Network(scale=1.0), Network(scale=2.0)
    with spikeserve.Client(server.address) as client:
        client.load("net", old)
    fresh = repository.parent / "new.spk"
    new.save(fresh)
    data = fresh.read_bytes()
    target = replicas.version_file(repository, "net", 1)
    with replicas.Traffic(server, "net") as traffic:
        with target.open("r+b", buffering=0) as file:  # in place, and both have the same size
            file.write(data[: len(data) // 2])
            replicas.await_polls(server)
            assert replicas.served(server) == [("net", 1, replicas.digest(old))]
            file.write(data[len(data) // 2 :])
        replicas.await_served(server, [("net", 1, replicas.digest(new))])
        target.write_bytes(b"no network")
        replicas.await_polls(server)
        assert replicas.served(server) == [("net", 1, replicas.digest(new))]
        traffic.await_version(1)
    assert servers.log_lines(server, "what was loaded of this version before stays")


def test_a_version_whose_folder_is_gone_is_unloaded_after_its_runs(
    start_server: ServerMaker, repository: Path
) -> None:
    server = start_server(repository_role="follower", **_POLL)
    networks = {version: Network(scale=float(version)) for version in (1, 2)}
    for version, network in networks.items():
        network.save(replicas.version_file(repository, "net", version))
    replicas.await_served(server, [("net", one, replicas.digest(networks[one])) for one in networks])
    with spikeserve.Client(server.address) as client, client.session("net", 1) as session:
        session.advance(servers.samples(1), 5)
        shutil.rmtree(repository / "net" / "2")
        servers.eventually(lambda: client.get("net").version == 1, "version 2 is unloaded", 60)
        session.advance(servers.samples(1), 5)  # of the version that is gone
    assert servers.log_lines(server, "network_unloaded")


def test_the_next_server_takes_over_when_the_owner_is_killed(
    fleet: list[spikeserve.LocalServer],
) -> None:
    owner, *others = fleet
    with spikeserve.Client(owner.address) as client:
        client.load("net", Network())
    owner.process.kill()
    owner.process.wait()
    servers.eventually(lambda: sum(map(replicas.owns, others)) == 1, "one of the others owns it", 60)
    others.sort(key=replicas.owns)
    follower, heir = others
    with spikeserve.Client(heir.address) as client:
        assert client.load("net", Network(scale=2.0)) == 2
        replicas.await_served(follower, replicas.served(heir))
        assert client.unload("net", 1) == [1]
    with spikeserve.Client(follower.address) as client, pytest.raises(spikeserve.FailedPreconditionError):
        client.unload("net")
    assert servers.log_lines(heir, "repository_role")


def test_one_folder_has_one_owner(start_server: ServerMaker, repository: Path) -> None:
    """Who does not follow, or wants to be the owner, does not start; who only reads does."""
    first = start_server()
    with spikeserve.Client(first.address) as client:
        client.load("net", Network())
    with pytest.raises(spikeserve.ServerStartError, match=f"another server owns {repository}") as caught:
        start_server()
    assert "--repository-poll-seconds" in str(caught.value)
    with pytest.raises(spikeserve.ServerStartError, match="--repository-role owner: another server owns"):
        start_server(repository_role="owner", **_POLL)
    reader = start_server(repository_role="follower")
    assert replicas.served(reader) == replicas.served(first)
    with (
        spikeserve.Client(reader.address) as client,
        pytest.raises(spikeserve.FailedPreconditionError, match="--repository-role follower"),
    ):
        client.load("net", Network())
    first.stop()
    with spikeserve.Client(start_server(repository_role="owner").address) as client:
        assert client.load("net", Network(scale=2.0)) == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--repository-poll-seconds", "1"], "--repository-poll-seconds requires --network-repository"),
        (["--repository-role", "owner"], "--repository-role requires --network-repository"),
        (["--network-repository", "n", "--repository-role", "leader"], "--repository-role: leader not in"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags: list[str], message: str) -> None:
    told = subprocess.run([find_binary(), *flags], capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 2
    assert message in told.stderr


def test_what_does_not_fit_is_skipped_until_there_is_room(
    start_server: ServerMaker, repository: Path
) -> None:
    server = start_server(repository_role="follower", memory_budget_mb=24, **_POLL)
    for version, scale in ((1, 1.0), (2, 2.0)):
        Network(512, scale).save(replicas.version_file(repository, "large", version))  # 2 MiB of weights
    servers.eventually(lambda: replicas.repository_status(server)["skipped_files"] == 1, "skipped", 60)
    assert len(replicas.served(server)) == 1
    assert "memory" in servers.log_lines(server, "network_skipped")[0]
    (name, loaded, _) = replicas.served(server)[0]
    shutil.rmtree(repository / name / str(loaded))
    other = 3 - loaded
    replicas.await_served(server, [(name, other, replicas.digest(Network(512, float(other))))], 60)
