"""perf_analyzer counts what the server counts, and says so where a server refuses.

It takes a status without a message for success, sends random bits as floats unless it is given data, and its
windows leave out requests at their edges: only with --request-count its number is that of all requests. With
--async that option sometimes leaves it waiting for nothing, all requests answered, so it is used without.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
import pytest
import servers
from conftest import INPUT, NAME, serving
from reflected import Reflected
from tool_env import fetched

import spikeserve

# Short windows, three of which are taken for stable whatever they measure.
SHORT = ("--measurement-interval", "400", "--max-trials", "10", "--stability-percentage", "999")
COUNTED = re.compile(r"^ +Request count: (\d+)", re.MULTILINE)
SUCCEEDED = re.compile(r"^ +Successful request count: (\d+)", re.MULTILINE)

pytestmark = pytest.mark.timeout(600)  # the first test may wait for the program


@dataclass(frozen=True)
class Counts:
    """Of the server: requests that succeeded, by ModelStatistics and by /metrics; that failed; samples."""

    ok: int
    ok_by_metrics: int
    failed: int
    samples: int


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def server(
    network: spikeserve.Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[spikeserve.LocalServer]:
    """One that nobody else calls."""
    with serving(network, tmp_path_factory.mktemp("perf_analyzer")) as server:
        yield server


@pytest.fixture(scope="module")
def data(floats: npt.NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images as it reads them."""
    steps = [{INPUT: {"content": image.ravel().tolist(), "shape": image.shape}} for image in floats]
    file = tmp_path_factory.mktemp("perf_analyzer") / "images.json"
    file.write_text(json.dumps({"data": steps}))
    return file


@pytest.fixture
def analyze(server: spikeserve.LocalServer, data: Path) -> Run:
    program = fetched("perf_analyzer")

    def run(*arguments: str | Path, model: str = NAME) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "-m", model, "-i", "grpc", "-u", server.address, "--input-data", data, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def counts(server: spikeserve.LocalServer) -> Counts:
    """What it counted so far; a call that was answered just now may not be among it yet."""
    with grpc.insecure_channel(server.address) as channel:
        reflected = Reflected(channel)
        answer = reflected.call(
            "/inference.GRPCInferenceService/ModelStatistics", json.dumps({"name": NAME, "version": "1"})
        )
    [stats] = json.loads(answer)["modelStats"]
    ok, failed = (int(stats["inferenceStats"][kind].get("count", 0)) for kind in ("success", "fail"))
    values = servers.metrics(server)
    calls = [
        servers.counter(values, "spikeserve_requests_total", method=method, code="OK")
        for method in ("ModelInfer", "ModelStreamInfer")
    ]
    return Counts(ok, int(sum(calls)), failed, int(stats.get("inferenceCount", 0)))


def rows(file: Path) -> list[dict[str, str]]:
    """What it wrote about each load."""
    with file.open() as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("batch", [1, 4])
def test_its_number_of_requests_is_that_of_the_server(
    server: spikeserve.LocalServer, analyze: Run, batch: int
) -> None:
    before = counts(server)
    done = analyze("--request-count", "300", "--concurrency-range", "3", "-b", str(batch))
    assert done.returncode == 0, done.stdout + done.stderr
    assert COUNTED.findall(done.stdout) == ["300"]
    # It asks for the server's number right after the last answers, which may not be counted yet.
    [succeeded] = SUCCEEDED.findall(done.stdout)
    assert 300 - 3 <= int(succeeded) <= 300
    wanted = Counts(
        before.ok + 300, before.ok_by_metrics + 300, before.failed, before.samples + 300 * batch
    )
    servers.eventually(lambda: counts(server) == wanted, f"the server counts {wanted}")


@pytest.mark.parametrize("kind", [(), ("--async",), ("--async", "--streaming")])
@pytest.mark.parametrize(
    ("sweep", "loads"),
    [
        (("--concurrency-range", "1:4"), ["1", "2", "3", "4"]),
        (("--request-rate-range", "40:80:40", "--request-distribution", "poisson"), ["40", "80"]),
    ],
)
def test_a_sweep(
    server: spikeserve.LocalServer, analyze: Run, tmp_path: Path, kind: tuple[str, ...],
    sweep: tuple[str, ...], loads: list[str],
) -> None:  # fmt: skip
    before = counts(server)
    done = analyze(*sweep, *SHORT, *kind, "-f", tmp_path / "sweep.csv")
    after = counts(server)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    written = rows(tmp_path / "sweep.csv")
    [load] = {"Concurrency", "Request Rate"} & written[0].keys()
    assert sorted(row[load] for row in written) == loads
    assert all(float(row["Inferences/Second"]) > 0 for row in written)
    counted = [int(count) for count in COUNTED.findall(said)]
    succeeded = [int(count) for count in SUCCEEDED.findall(said)]
    assert len(counted) == len(succeeded) == len(loads)
    # Its windows and the server's do not begin and end with the same request.
    assert succeeded == pytest.approx(counted, rel=0.2, abs=8)
    assert after.failed == before.failed
    assert sum(counted) <= after.ok - before.ok


def test_a_model_that_is_not_there_is_a_failure(analyze: Run) -> None:
    done = analyze("--request-count", "100", model="absent")
    assert done.returncode != 0
    assert 'network "absent" is not loaded' in done.stdout + done.stderr
    assert "throughput" not in done.stdout.lower()


def test_requests_that_are_refused_are_a_failure(server: spikeserve.LocalServer, analyze: Run) -> None:
    before = counts(server)
    done = analyze("--request-count", "100", "--request-parameter", "stepps:8:int")
    assert done.returncode != 0
    assert "stepps" in done.stdout + done.stderr
    assert "Throughput" not in done.stdout
    assert counts(server).ok == before.ok


def test_parameters_reach_the_run(server: spikeserve.LocalServer, analyze: Run) -> None:
    before = counts(server)
    done = analyze(
        "--request-count", "50", "--request-parameter", "steps:8:int",
        "--request-parameter", "readout:last:string",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    servers.eventually(lambda: counts(server).ok == before.ok + 50, "the server counts 50 more")
