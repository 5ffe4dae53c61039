"""The report of a load test."""

from __future__ import annotations

import json
import platform
from datetime import datetime, timezone
from pathlib import Path

from loadtesting import ghz, plots, sweep
from loadtesting.counters import Histogram
from loadtesting.document import Document, Picture, Table
from loadtesting.measure import Outcome
from loadtesting.summary import Result, Setting, summary

_NONE = "-"
_NOISE = 0.25  # cores of other programs from which on the figures are not worth much
PICTURE = "latency.png"
_BEGIN, _END = "<!-- begin run -->\n", "<!-- end run -->\n"
_PAGE_PARTS = ("Profiles", "Steps of load")
_FILES = ("report.md", "report.html", "summary.json")


class PageError(ValueError):
    """A page that has no place for the figures."""


def clear(folder: Path) -> None:
    """Takes away an older report, which would be taken for that of a run that breaks off."""
    for name in (*_FILES, PICTURE):
        (folder / name).unlink(missing_ok=True)


def write(result: Result, folder: Path) -> None:
    """report.html, report.md with latency.png, and summary.json."""
    document = _document(result)
    if result.sweep is not None and any(step.run for step in result.sweep.steps):
        title = f"Latency against load: {result.setting.workload.split(';')[0]}, one image per call"
        picture = Picture(PICTURE, "latency against load", plots.latency_against_load(result.sweep, title))
        document.parts.insert(_after_profiles(document), ("Latency against load", picture))
        (folder / PICTURE).write_bytes(picture.png)
    (folder / "report.md").write_text(document.markdown(), encoding="utf-8")
    (folder / "report.html").write_text(document.html(), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(summary(result), indent=2) + "\n", encoding="utf-8")


def write_page(result: Result, page: Path) -> None:
    """Puts the verdict and the figures between the two marks of a page; PageError where it has none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise PageError(f"{page}: wanted the lines {_BEGIN} and {_END}")
    document = _document(result)
    document.parts = [(heading, part) for heading, part in document.parts if heading in _PAGE_PARTS]
    document.add(_setting_table(result.setting, version=False), "Setting")  # a page must not state it
    figures = document.markdown().partition("\n")[2].replace("\n## ", "\n### ")
    page.write_text(f"{before}{begin}{figures}{end}{after}", encoding="utf-8")


def _after_profiles(document: Document) -> int:
    return next(i for i, (heading, _) in enumerate(document.parts) if heading == "Steps of load")


def _document(result: Result) -> Document:
    problems = result.problems
    document = Document("spikeserve load test", not problems, _verdict(result))
    document.add(_profiles_table(result.outcomes), "Profiles")
    document.add(
        "Throughput and latency are of answered calls, without the first tenth of a run (at most 1 s), "
        "in which connections are made. A percentile needs at least one call above it. Wait and compute are "
        "the server's own figures: the longest wait in the queue among the requests of a run, and the time "
        "of the run in the engine. Images per CPU s are images answered per second of the CPU time that the "
        "server took for them; other cores are those that neither the server nor the load test used. "
        "These profiles are closed loops: a caller waits for its answer before it sends again, so that their "
        "latencies belong to this number of callers and to no other load."
    )
    if result.sweep is not None:
        document.add(_steps_table(result.sweep), "Steps of load")
        document.add(
            "Calls are sent at a given rate whatever the answers do (open loop). The knee is the highest "
            "rate that the server follows, as it does all lower ones, with a p99 of at most "
            f"{sweep.KNEE_FACTOR:g} times the best of the three lowest."
        )
    document.add(_checks_table(result), "Checks")
    document.add(_setting_table(result.setting), "Setting")
    document.add("How to read this, and how to size a server by it: `docs/load-testing.md`.")
    return document


def _verdict(result: Result) -> list[str]:
    problems = result.problems
    lines = [f"FAILED: {problem}" for problem in problems]
    compared = sum(item.compared for item in result.all)
    if not problems:
        lines.append(f"PASSED: status codes as wanted, {compared:,} classes compared and all right.")
    lines += [f"SKIPPED: {item.profile.name}: {item.skipped}" for item in result.outcomes if item.skipped]
    steady = [item for item in result.outcomes if item.run and item.profile.expect == {"OK"}]
    best = max(steady, key=_images_per_second, default=None)
    if best is not None:
        lines.append(
            f"Most images: {_images_per_second(best):,.0f} per second ({best.profile.name})"
            f"{_per_cpu_second(best)}."
        )
    lines += _protocols(result.outcomes)
    if result.sweep is not None:
        lines.append(_sweep_line(result.sweep))
    if result.setting.shared_cores:
        lines.append(
            f"ghz and the server share the {result.setting.cores} cores of this machine (load average "
            f"{result.setting.load_before:.1f} before, {result.setting.load_after:.1f} after): "
            "a server that has them alone does more."
        )
    lines += _noise(result)
    return lines


def _protocols(outcomes: list[Outcome]) -> list[str]:
    """What the Open Inference Protocol costs beside the native call."""
    worth = {item.profile.name: item.samples_per_cpu_second for item in outcomes}
    native, other = worth.get("unary-1"), worth.get("oip-infer")
    if not native or not other:
        return []
    return [f"Open Inference Protocol: {other / native:.0%} of the native call's images per CPU second."]


def _noise(result: Result) -> list[str]:
    """A warning where something else ran."""
    busiest = max((item.others_cpu or 0.0 for item in result.all), default=0.0)
    if busiest < _NOISE:
        return []
    return [
        f"NOISY: other programs kept up to {busiest:.1f} cores busy meanwhile; "
        "for figures that mean something run it on a machine that is idle."
    ]


def _per_cpu_second(outcome: Outcome) -> str:
    value = outcome.samples_per_cpu_second
    return "" if value is None else f", {value:,.0f} for each second of the server's CPU time"


def _sweep_line(result: sweep.Sweep) -> str:
    limit = "; at the end ghz itself did not keep up" if result.generator_bound else ""
    peak = f"at most {result.peak:,.0f} calls/s are answered{limit}"
    if result.knee is None or result.knee.run is None:
        return f"No knee: latency leaves the ground at the lowest rate already; {peak}."
    return (
        f"Knee: {result.knee.rate or 0:,.0f} calls of one image per second, p50 "
        f"{_ms(result.knee.run.percentile(50))} ms, p99 {_ms(sweep.p99(result.knee))} ms; {peak}."
    )


def _images_per_second(outcome: Outcome) -> float:
    return outcome.run.served * outcome.profile.samples if outcome.run else 0.0


_LATENCIES = tuple(f"p{value:g} ms" for value in ghz.PERCENTILES)
_SERVER_COLUMNS = (
    "images per run", "wait mean ms", "wait p99 ms", "compute mean ms",
    "server cores", "ghz cores", "other cores", "images per CPU s",
)  # fmt: skip


def _latency_cells(run: ghz.GhzRun) -> list[str]:
    return [_ms(run.percentile(value)) for value in ghz.PERCENTILES]


def _server_cells(outcome: Outcome) -> list[str]:
    cpu = outcome.run.cpu if outcome.run else None
    return [
        _number(outcome.batch.mean if outcome.batch else None),
        _ms(outcome.queue.mean if outcome.queue else None),
        _at_most(outcome.queue),
        _ms(outcome.compute.mean if outcome.compute else None),
        _number(outcome.server_cpu, 2),
        _number(cpu, 2),
        _number(outcome.others_cpu, 2),
        _number(outcome.samples_per_cpu_second, 0),
    ]


def _codes(outcome: Outcome) -> str:
    codes = outcome.run.codes if outcome.run else {}
    return ", ".join(f"{code} {count:,}" for code, count in sorted(codes.items())) or _NONE


def _profiles_table(outcomes: list[Outcome]) -> Table:
    header = ("profile", "calls/s", "images/s", *_LATENCIES, *_SERVER_COLUMNS, "status codes", "")
    rows = []
    for item in outcomes:
        if item.run is None:
            blank = [_NONE] * (len(header) - 3)
            rows.append([item.profile.name, *blank, _NONE, "skipped" if item.skipped else "FAILED"])
            continue
        rows.append([
            item.profile.name, f"{item.run.served:,.0f}", f"{_images_per_second(item):,.0f}",
            *_latency_cells(item.run), *_server_cells(item), _codes(item), "ok" if item.ok else "FAILED",
        ])  # fmt: skip
    return Table(header, rows, frozenset({len(header) - 2, len(header) - 1}))


def _steps_table(result: sweep.Sweep) -> Table:
    rates = ("load calls/s", "sent calls/s", "answered calls/s")
    header = (*rates, *_LATENCIES, *_SERVER_COLUMNS, "status codes", "")
    rows = []
    for step in result.steps:
        if step.run is None:
            continue
        remark = "ghz late" if sweep.generator_lags(step) else "" if sweep.follows(step) else "falls behind"
        if step is result.knee:
            remark = "knee"
        rows.append([
            f"{step.rate or 0:,.0f}", f"{step.run.sent:,.0f}", f"{step.run.served:,.0f}",
            *_latency_cells(step.run), *_server_cells(step), _codes(step), remark if step.ok else "FAILED",
        ])  # fmt: skip
    return Table(header, rows, frozenset({len(header) - 2, len(header) - 1}))


def _checks_table(result: Result) -> Table:
    rows = []
    for item in result.all:
        verdict = item.skipped or "; ".join(item.problems) or "ok"
        rows.append([item.title, item.profile.about, f"{item.compared:,}", f"{item.wrong:,}", verdict])
    return Table(("profile", "what it is", "classes compared", "wrong", "verdict"), rows, frozenset({1, 4}))


def _setting_table(setting: Setting, version: bool = True) -> Table:
    rows = [
        ["date", datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")],
        ["command", f"`{setting.command}`"],
        ["machine", f"{_processor()}, {setting.cores} cores, {platform.system()}"],
        ["load average", f"{setting.load_before:.2f} before, {setting.load_after:.2f} after"],
        *([["version", setting.version]] if version else []),
        ["server", setting.server],
        ["network and data", setting.workload],
        ["steps", str(setting.steps)],
        ["ghz", setting.ghz],
    ]
    return Table(("setting", "value"), rows, frozenset({1}))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")


def _ms(value: float | None) -> str:
    return _NONE if value is None else f"{value * 1e3:,.1f}"


def _number(value: float | None, digits: int = 1) -> str:
    return _NONE if value is None else f"{value:,.{digits}f}"


def _at_most(histogram: Histogram | None) -> str:
    value = histogram.quantile(0.99) if histogram else None
    return _NONE if value is None else f"≤ {value * 1e3:g}"
