"""Starting, finding and stopping a server, with shell scripts in its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import spikeserve
from spikeserve import local_server

LISTENS = """
trap 'echo "$@" > "$ARGUMENTS"; exit 0' TERM
echo "a log line" >&2; echo "some banner"; echo "metrics on 127.0.0.1:89"; echo "http on 127.0.0.1:88"
echo "listening on 127.0.0.1:4567"
while true; do sleep 0.05; done
"""


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "arguments"
    monkeypatch.setenv("ARGUMENTS", str(path))
    return path


def script(folder: Path, body: str) -> Path:
    path = folder / "spikeserve-server"
    path.write_text(f"#!/bin/sh\n{body}")
    path.chmod(0o755)
    return path


def test_serves_and_stops_with_sigterm(tmp_path: Path, arguments: Path) -> None:
    binary = script(tmp_path, LISTENS)
    with spikeserve.serve(backend="cpu", binary=binary, max_batch=7, log_format="json") as server:
        assert server.address == "127.0.0.1:4567"
        assert server.metrics_address == "127.0.0.1:89"
        assert server.http_address == "127.0.0.1:88"
        assert "a log line" in server.log
        scratch = Path(server.log_path).parent
        assert scratch.is_dir()
    assert server.process.returncode == 0
    assert not scratch.exists()
    flags = arguments.read_text()
    assert "--listen 127.0.0.1:0" in flags
    assert "--backend cpu" in flags
    assert "--max-batch 7 --log-format json" in flags
    assert f"--network-repository {scratch / 'networks'}" in flags


def test_a_server_that_hangs_is_killed(tmp_path: Path) -> None:
    binary = script(
        tmp_path, 'trap "" TERM\necho "listening on x:1"\nexec 2>&- \nwhile true; do sleep 0.05; done'
    )
    server = spikeserve.serve(binary=binary)
    assert server.stop(timeout=0.2) == -9


def test_a_server_that_exits_shows_its_log(tmp_path: Path) -> None:
    binary = script(tmp_path, 'echo "--threads: got -1, wanted 0..256" >&2; exit 2')
    with pytest.raises(spikeserve.ServerStartError, match=r"(?s)status 2.*--threads: got -1"):
        spikeserve.serve(binary=binary)


def test_a_server_that_never_listens(tmp_path: Path) -> None:
    binary = script(tmp_path, 'echo "loading" >&2; exec sleep 60')
    with pytest.raises(spikeserve.ServerStartError, match=r"did not listen within 0.3 s"):
        spikeserve.serve(binary=binary, start_timeout=0.3)


def test_finds_the_binary_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path, carried, named, given = (tmp_path / name for name in ("path", "carried", "named", "given"))
    for folder in (on_path, carried, named, given):
        folder.mkdir()
        script(folder, "")
    monkeypatch.delenv(local_server.BINARY_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(on_path))
    assert local_server.find_binary().parent == on_path
    monkeypatch.setattr(local_server, "_CARRIED", carried / local_server.BINARY)
    assert local_server.find_binary().parent == carried
    monkeypatch.setenv(local_server.BINARY_VARIABLE, str(named / local_server.BINARY))
    assert local_server.find_binary().parent == named
    assert local_server.find_binary(given / local_server.BINARY).parent == given
    with pytest.raises(spikeserve.ServerStartError, match="is not an executable file"):
        local_server.find_binary(tmp_path)


def test_without_a_server_the_error_says_where_one_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(local_server.BINARY_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(local_server, "_built_binaries", list)
    wanted = r"carries none.*wheels for Linux.*this is \w+ on.*make server"
    with pytest.raises(spikeserve.ServerStartError, match=wanted):
        local_server.find_binary()


def test_a_carried_server_that_may_not_be_run_is_no_reason_to_take_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(local_server.BINARY_VARIABLE, raising=False)
    script(tmp_path, "").chmod(0o644)
    monkeypatch.setattr(local_server, "_CARRIED", tmp_path / local_server.BINARY)
    with pytest.raises(spikeserve.ServerStartError, match="is not an executable file"):
        local_server.find_binary()


def test_stops_when_the_program_ends(tmp_path: Path, arguments: Path) -> None:
    binary = script(tmp_path, LISTENS)
    program = f"import spikeserve; spikeserve.serve(binary={str(binary)!r})"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert "--listen" in arguments.read_text()
