"""The load test as a person runs it: that it passes, and that it fails where it has to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import servers
from conftest import ServerMaker
from trained_models import ROOT

import spikeserve

WIDTH = 8
SECONDS = "1"
CLASSES = np.arange(64) % WIDTH  # of the samples for the small network


@pytest.fixture(scope="session")
def ghz() -> Path:
    done = subprocess.run([ROOT / "tools" / "ghz.sh"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"ghz cannot be installed: {done.stderr.strip()}")
    return Path(done.stdout.strip())


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """Options for a network that is quick to check, and samples for it."""
    servers.small_network(WIDTH, scale=500.0).save(tmp_path / "small.spk")
    np.save(tmp_path / "samples.npy", 0.1 + 0.8 * np.eye(WIDTH, dtype=np.float32)[CLASSES])
    return ["--network", str(tmp_path / "small.spk"), "--data", str(tmp_path / "samples.npy")]


def run_tool(tool: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"tools/{tool}", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def loadtest(output: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """The program, and its summary."""
    words = [*options]
    flags = words[words.index("--") :] if "--" in words else []
    words = words[: len(words) - len(flags)]
    done = run_tool("loadtest.py", *words, "--output", str(output), "--duration", SECONDS, *flags)
    file = output / "summary.json"
    return done, json.loads(file.read_text()) if file.is_file() else {}


def by_name(summary: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item for item in summary["profiles"]}


@pytest.mark.client("ghz", "uint8", "stream", "session", "run options")
@pytest.mark.usefixtures("ghz")
def test_all_profiles_pass_and_are_reported(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- begin run -->\nold\n<!-- end run -->\nAfter\n")
    done, summary = loadtest(tmp_path, "--short", "--samples", "32", "--page", str(page))
    assert done.returncode == 0, done.stdout + done.stderr
    assert summary["passed"]
    found = by_name(summary)
    assert {*found} == {"unary-1", "unary-64", "stream", "session", "oip-infer", "overload"}
    for name, item in found.items():
        if item["skipped"]:
            assert name == "oip-infer"
            continue
        assert item["classes_compared"] >= 32 or name == "session"
        assert item["classes_compared"] > 0 == item["classes_wrong"]
        assert item["codes"]["OK"] > 0
        assert item["latency_s"]["p50"] > 0
        assert item["batch_mean"] >= 1
        assert item["server_cores"] > 0
    assert {*found["overload"]["codes"]} == {"OK", "RESOURCE_EXHAUSTED"}
    steps = summary["sweep"]["steps"]
    assert len(steps) >= 4
    assert [step["rate"] for step in steps] == sorted(step["rate"] for step in steps)
    assert "data:image/png;base64," in (tmp_path / "report.html").read_text()
    assert "\n### Profiles\n" in page.read_text()
    assert page.read_text().startswith("Before\n")
    assert page.read_text().endswith("<!-- end run -->\nAfter\n")
    assert "old" not in page.read_text()
    text = (tmp_path / "report.md").read_text()
    assert "PASSED" in text
    assert "p99.9 ms" in text
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("ghz")
def test_wrong_classes_fail(tmp_path: Path, small: list[str]) -> None:
    np.save(tmp_path / "wrong.npy", (CLASSES + 1) % WIDTH)
    names = "unary-1,stream,session,oip-infer"
    wrong = ["--expected", str(tmp_path / "wrong.npy")]
    done, summary = loadtest(tmp_path, *small, "--profiles", names, *wrong)
    assert done.returncode == 1
    skipped = [name for name, item in by_name(summary).items() if item["skipped"]]
    assert skipped in ([], ["oip-infer"])
    for name in {*names.split(",")} - {*skipped}:
        assert f"loadtest: failed: {name}: wrong class in " in done.stderr
    assert "first in message 0, sample 0: got 0, wanted 1" in done.stderr
    assert not summary["passed"]
    item = by_name(summary)["unary-1"]
    assert item["classes_wrong"] == item["classes_compared"] >= 64
    assert "FAILED: unary-1: wrong class" in (tmp_path / "report.md").read_text()


@pytest.mark.usefixtures("ghz")
def test_a_server_that_refuses_everything_fails(tmp_path: Path, small: list[str]) -> None:
    options = [*small, "--profiles", "unary-64,overload", "--", "--max-steps", "8"]
    done, summary = loadtest(tmp_path, *options)
    assert done.returncode == 1
    assert "loadtest: failed: unary-64: status RESOURCE_EXHAUSTED on " in done.stderr
    assert "loadtest: failed: overload: status OK on none of the calls" in done.stderr
    assert by_name(summary)["unary-64"]["codes"].keys() == {"RESOURCE_EXHAUSTED"}


@pytest.mark.client("ghz", "token", "mutual TLS")
@pytest.mark.usefixtures("ghz")
def test_a_running_server_with_mutual_tls_and_token(
    start_server: ServerMaker, tmp_path: Path, small: list[str]
) -> None:
    files = servers.make_certificates(tmp_path)
    (tmp_path / "token").write_text("5ecret-of-an-admin\n")
    server = start_server(
        tls_cert=files["server"], tls_key=files["server-key"], tls_client_ca=files["ca"],
        admin_token_file=tmp_path / "token",
    )  # fmt: skip
    options = ["--address", server.address, "--metrics", server.metrics_address]
    secure = ["--root-cert", str(files["ca"]), "--client-cert", str(files["client"])]
    secure += ["--client-key", str(files["client-key"])]
    token = ["--token-file", str(tmp_path / "token")]
    out = tmp_path / "out"
    done, summary = loadtest(out, *small, *options, *secure, *token, "--profiles", "unary-1,session")
    assert done.returncode == 0, done.stdout + done.stderr
    assert by_name(summary)["unary-1"]["codes"]["OK"] > 0
    assert by_name(summary)["session"]["codes"]["OK"] > 0
    for file in ("report.html", "report.md", "summary.json"):
        assert "5ecret" not in (out / file).read_text()
    assert (out / "ghz").stat().st_mode & 0o077 == 0
    certificates: Any = {
        "root_cert": files["ca"],
        "client_cert": files["client"],
        "client_key": files["client-key"],
    }
    with spikeserve.Client(server.address, token="5ecret-of-an-admin", **certificates) as client:
        assert client.list() == ()  # it has taken its network away again
    done, _ = loadtest(out, *small, *options, *secure, "--profiles", "unary-1")
    assert done.returncode == 1
    assert "this server wants a token" in done.stderr


@pytest.mark.usefixtures("ghz")
def test_a_server_that_dies_fails(start_server: ServerMaker, tmp_path: Path, small: list[str]) -> None:
    server = start_server()
    command = [sys.executable, "tools/loadtest.py", *small, "--output", str(tmp_path), "--duration", "3"]
    command += ["--address", server.address, "--metrics", server.metrics_address, "--profiles", "unary-1"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        servers.eventually(
            lambda: servers.counter(servers.metrics(server), "spikeserve_requests_total", code="OK") > 300,
            "ghz has begun", timeout=60,
        )  # fmt: skip
        server.process.kill()
        _, errors = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "loadtest: failed: unary-1: status UNAVAILABLE on " in errors
    assert "unary-1: the server or its metrics port is gone" in errors
    assert "FAILED" in (tmp_path / "report.md").read_text()


def test_bodies_drive_ghz_by_hand(
    start_server: ServerMaker, ghz: Path, tmp_path: Path, small: list[str]
) -> None:
    done = run_tool("load_bodies.py", *small, "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    server = start_server()
    with spikeserve.Client(server.address) as client:
        client.load("loadtest", spikeserve.load_network(tmp_path / "small.spk"))
    for name in ("unary-64", "stream"):
        body = tmp_path / "bodies" / f"{name}.bin"
        out = subprocess.run(
            [ghz, "--config", ROOT / "deploy" / "ghz" / f"{name}.json", "--binary-file", body, "--protoset",
             tmp_path / "spikeserve.protoset", "--total", "40", "--duration", "0", "--format", "json",
             server.address],
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout  # fmt: skip
        assert json.loads(out)["statusCodeDistribution"] == {"OK": 40}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--profiles", "unary-2"], "profile 'unary-2' is not known, wanted some of unary-1"),
        (["--network", "nothing.spk"], "nothing.spk"),
        (["--samples", "0"], "argument --samples: got 0, wanted above 0"),
        (["--data", "tests/data/models/digits.npz:images"], "one sample is [8, 8], the network takes ["),
        (["--ghz", "/bin/true", "--", "max-queue"], "server flags 'max-queue', wanted --FLAG VALUE"),
    ],
)  # fmt: skip
def test_wrong_options_say_what_is_wrong(tmp_path: Path, options: list[str], message: str) -> None:
    flags = options[options.index("--") :] if "--" in options else []
    given = options[: len(options) - len(flags)]
    done = run_tool("loadtest.py", "--output", str(tmp_path), "--ghz", "/bin/true", *given, *flags)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
