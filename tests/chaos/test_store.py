"""A repository whose disk answers with errors, as a network's does when its server is gone."""

from __future__ import annotations

import errno
from pathlib import Path

import preloaded
import pytest
import replicas
import servers
from stage import Stage

import spikeserve


@pytest.mark.parametrize("error", ["EIO", "ESTALE"])
def test_a_repository_that_cannot_be_seen_unloads_nothing(stage: Stage, tmp_path: Path, error: str) -> None:
    """Neither where folders cannot be listed nor where files cannot be read; afterwards all is followed."""
    library, blind = preloaded.compiled(tmp_path), tmp_path / "blind"
    code = getattr(errno, error)
    scene = preloaded.scene(library, folder=stage.repository, errno=code, blind=blind)
    server = stage.start(scene, repository_poll_seconds=replicas.POLL_SECONDS)
    first, second = (servers.small_network(scale=scale) for scale in (1.0, 2.0))
    with spikeserve.Client(server.address) as client:
        client.load("net", first)
        replicas.await_polls(server)
        with replicas.Traffic(server, "net") as traffic:
            blind.write_text("look")
            replicas.await_polls(server)
            status = replicas.repository_status(server)
            assert status["failed_polls"] >= 2
            assert str(stage.repository) in status["last_error"]
            assert status["role"] == "owner"
            blind.write_text("read")
            second.save(replicas.version_file(stage.repository, "net", 2))
            servers.eventually(lambda: "network_skipped" in server.log, "what cannot be read is told of")
            replicas.await_polls(server)
            assert replicas.served(server) == [("net", 1, replicas.digest(first))]
            blind.unlink()
            traffic.await_version(2)
        assert not traffic.errors
    for event in ("repository_poll_failed", "repository_poll_recovered", "network_skipped"):
        assert len(servers.log_lines(server, event)) == 1, event
    assert server.stop() == 0
