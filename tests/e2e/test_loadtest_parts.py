"""The parts of the load test: what it reads out of ghz and /metrics, and when it says that it is wrong."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import servers
from conftest import ServerMaker
from google.protobuf import proto as protobuf  # type: ignore[attr-defined]  # not in types-protobuf
from loadtesting import bodies, counters, ghz, profiles, sweep, workload
from loadtesting.document import Document, Picture, Table
from loadtesting.measure import Outcome

import spikeserve
from spikeserve.v1 import simulation_pb2 as pb

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def call(begin_s: float, latency_s: float, status: str = "OK") -> dict[str, Any]:
    """As ghz writes a call: the timestamp is that of its end, in the time of some zone."""
    end = (START + timedelta(seconds=begin_s + latency_s)).astimezone(timezone(timedelta(hours=-5)))
    return {"timestamp": end.isoformat(), "latency": round(latency_s * 1e9), "status": status}


def report(calls: list[dict[str, Any]]) -> dict[str, Any]:
    codes = Counter(item["status"] for item in calls)
    return {"count": len(calls), "total": 10_000_000_000, "details": calls, "statusCodeDistribution": codes}


def test_a_run_of_ghz() -> None:
    calls = [call(i / 100, 0.5 if i < 50 else 0.001 * (1 + i % 10)) for i in range(1001)]
    calls[500] = call(5.0, 0.003, "ResourceExhausted")
    calls[501] = call(5.01, 0.003, "Canceled")
    run = ghz.parse(report(calls), busy_s=5.0)
    assert run.codes == {"OK": 999, "RESOURCE_EXHAUSTED": 1, "CANCELLED": 1}
    assert run.sent == pytest.approx(100, rel=0.01)
    assert run.served == pytest.approx(99.8, rel=0.01)
    assert run.percentile(50) in (0.005, 0.006)
    assert run.percentile(99) == pytest.approx(0.010)  # the slow ones were in the warm-up
    assert run.percentile(99.9) is None  # no call of 900 lies above it
    assert run.cpu == pytest.approx(0.5)


def test_calls_that_take_as_long_as_the_run() -> None:
    run = ghz.parse(report([call(i / 1000, 10.0) for i in range(20)]))
    assert run.served == pytest.approx(2, rel=0.01)
    assert run.percentile(50) == pytest.approx(10)


def test_a_run_without_calls_is_none() -> None:
    with pytest.raises(ghz.GhzError, match="no call"):
        ghz.parse({"count": 0, "details": None})


def step(rate: float, p99_ms: float, served: float | None = None, code: str = "OK") -> Outcome:
    profile = profiles.read_all()["open-loop"]
    latencies = np.full(1000, p99_ms / 1e3)
    return Outcome(
        profile, rate, run=ghz.GhzRun({code: 1000}, {}, served or rate, rate, latencies, 0.5)
    )  # fmt: skip


def test_the_knee_is_the_last_step_with_short_latencies() -> None:
    steps = [step(100, 2), step(200, 2), step(300, 3), step(400, 5.9), step(500, 50), step(600, 4)]
    knee, unloaded = sweep.find_knee(steps)
    assert knee is steps[3]
    assert unloaded == pytest.approx(0.002)
    behind = [*steps[:2], step(300, 3, served=250), step(400, 3)]
    assert sweep.find_knee(behind)[0] is behind[1]
    refusing = [*steps[:2], step(300, 3, code="RESOURCE_EXHAUSTED")]
    assert sweep.find_knee(refusing)[0] is refusing[1]
    assert sweep.find_knee([])[0] is None


def test_the_sweep_goes_on_until_the_server_does_not_follow_and_looks_closer_at_the_knee() -> None:
    asked = []

    def measure(rate: float, beyond: bool) -> Outcome:
        asked.append((rate, beyond))
        return step(rate, 2 if rate <= 1700 else 100, served=min(rate, 1800))

    result = sweep.run(measure, 1000, short=False)
    rates = [item.rate or 0.0 for item in result.steps]
    assert rates == sorted(rates)
    assert result.knee is not None
    assert result.knee.rate is not None
    assert 1440 < result.knee.rate <= 1700
    assert result.peak == 1800
    assert rates[-1] > 2000
    assert not any(beyond for rate, beyond in asked if rate < 1000)
    assert not result.generator_bound


def test_a_step_that_something_else_held_up_is_measured_again() -> None:
    asked: list[float] = []

    def measure(rate: float, _: bool) -> Outcome:
        held_up = rate == 250 and 250 not in asked
        asked.append(rate)
        return step(rate, 100 if held_up or rate > 1000 else 2, served=min(rate, 1000))

    result = sweep.run(measure, 1000, short=True)
    assert result.knee is not None
    assert result.knee.rate == 1000
    assert asked.count(250) == 2


def test_a_generator_that_lags_ends_the_sweep() -> None:
    def measure(rate: float, beyond: bool) -> Outcome:
        assert beyond or rate < 1000
        item = step(rate, 2)
        assert item.run is not None
        sent = min(rate, 850.0)
        return Outcome(item.profile, rate, run=ghz.GhzRun({"OK": 9}, {}, sent, sent, item.run.latencies, 1.0))

    result = sweep.run(measure, 1000, short=False)
    assert result.generator_bound
    assert result.knee is not None
    assert result.knee.rate is not None
    assert 800 <= result.knee.rate < 900
    assert max(item.rate or 0 for item in result.steps) == pytest.approx(1000)


METRICS = """# HELP ignored
spikeserve_requests_total{{code="OK",method="Simulate"}} {ok}
spikeserve_batch_samples_count {runs}
spikeserve_batch_samples_sum {samples}
spikeserve_batch_samples_bucket{{le="1"}} {small}
spikeserve_batch_samples_bucket{{le="8"}} {runs}
spikeserve_batch_samples_bucket{{le="+Inf"}} {runs}
"""


def test_differences_of_metrics() -> None:
    before = counters.parse(METRICS.format(ok=5, runs=2, samples=2, small=2))
    after = counters.parse(METRICS.format(ok=1.2e1, runs=12, samples=52, small=4))
    assert after.requests() == {("Simulate", "OK"): 12}
    batches = after.histogram_since(before, counters.BATCH)
    assert batches.mean == 5
    assert batches.quantile(0.2) == 1
    assert batches.quantile(0.99) == 8
    assert after.histogram_since(after, counters.BATCH).mean is None


def test_lost_and_invented_calls_are_told(start_server: ServerMaker) -> None:
    local = start_server()
    server = counters.Server(local.metrics_address, local.process.pid)
    method = "spikeserve.v1.SimulationService/Simulate"
    with spikeserve.Client(local.address) as client:
        client.load("small", servers.small_network())
        for alone, booked, wrong in (
            (True, 2, []),
            (True, 3, ["Simulate OK: 3 were answered, the server counts 2"]),
            (True, 1, ["Simulate OK: 1 were answered, the server counts 2"]),
            (False, 3, ["Simulate OK: 3 were answered, the server counts 2"]),
            (False, 1, []),  # somebody else's, where others may call too
        ):
            ledger = counters.Ledger(server, alone)
            for _ in range(2):
                client.simulate("small", servers.samples(1), steps=1)
            ledger.add(method, Counter(OK=booked))
            assert ledger.settle(timeout=20.0 if not wrong else 0.5) == wrong
            assert ledger.settle() == []  # it begins anew


def test_the_method_is_found_by_reflection_and_by_descriptors() -> None:
    found = profiles.read_all()
    assert [name for name, profile in found.items() if "protoset" not in profile.config] == ["unary-1"]
    assert all(profile.config["duration-stop"] == "wait" for profile in found.values())


@pytest.mark.parametrize("name", [*profiles.read_all()])
def test_bodies_hold_what_their_profile_says(tmp_path: Path, name: str) -> None:
    profile = profiles.read_all()[name]
    samples = servers.samples(20)
    work = workload.Workload(servers.small_network(), samples, np.arange(20), 7, "")
    descriptors = bodies.compile_protoset(tmp_path / "protoset")
    body = bodies.make(profile, work, descriptors)
    body.write(tmp_path / "bodies" / "x.bin")
    wanted: dict[str, type[Any]] = {
        "simulate": pb.SimulateRequest,
        "stream": pb.SimulateStreamRequest,
        "session": pb.SessionRequest,
        "infer": descriptors.message(bodies.INFER_REQUEST),
    }
    messages = []
    with (tmp_path / "bodies" / "x.bin").open("rb") as stream:
        while (message := protobuf.parse_length_prefixed(wanted[profile.kind], stream)) is not None:
            messages.append(message)
    assert messages == list(body.messages)
    if profile.kind == "session":
        assert sum(item.advance.steps for item in messages) == 7 * profile.samples
        assert sum(item is not None for item in body.expected) == profile.samples
        return
    infer = profile.kind == "infer"
    for message, classes in zip(messages, body.expected, strict=True):
        request = message.request if profile.kind == "stream" else message
        assert (request.parameters["steps"].int64_param if infer else request.steps) == 7
        assert classes is not None
        assert list(request.inputs[0].shape) == [profile.samples, 4]
        data = request.raw_input_contents[0] if infer else request.inputs[0].data
        assert data == samples[classes].tobytes()  # sample i has class i here


def test_a_report_reads_the_same_in_both_forms() -> None:
    document = Document("A & B", False, ["FAILED: `x` < 1"])
    document.add(Table(("name", "value"), [["a|b", "1"]]), "Numbers")
    document.add(Picture("p.png", "a plot", b"png"))
    text, page = document.markdown(), document.html()
    assert "- FAILED: `x` < 1" in text
    assert "| a/b | 1 |" in text
    assert "![a plot](p.png)" in text
    assert "<code>x</code> &lt; 1" in page
    assert 'class="verdict failed"' in page
    assert "data:image/png;base64,cG5n" in page
