"""Writes what the benchmark measured into docs/benchmarks.md, between the markers of each table.

    python tests/bench/page.py [--results build] [--page docs/benchmarks.md]

A table whose results are not there is left as it is, and so is a goal.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from goals import GOALS

Json = dict[str, Any]


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(header)} |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _number(value: float | None, digits: int = 1) -> str:
    """With thousands separators; a dash for what was not measured."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.{digits}f}"


def machine(bench: Json) -> str:
    """Processor, load and ceilings."""
    header = [
        "threads", "G multiply-adds/s", "G byte products/s", "G int32 adds/s", "L1 GB/s", "L2 GB/s",
        "memory GB/s",
    ]  # fmt: skip
    names = ["multiply_adds", "byte_products", "integer_adds", "l1_bytes", "l2_bytes", "memory_bytes"]
    rows = [
        [str(item["threads"]), *(_number(item[f"{name}_per_second"] / 1e9) for name in names)]
        for item in bench["ceilings"]
    ]
    about = f"{bench['machine']['processor']}, load {bench['machine']['load']:.1f} at the start."
    return f"{about}\n\n{_table(header, rows)}"


def cases(bench: Json) -> str:
    """One line per row; a wrong case has no figures."""
    header = [
        "case", "mode", "path", "steps", "batch", "threads", "inf/s", "spread", "x naive",
        "x naive, first product once", "price of time", "G neuron-steps/s", "G synaptic ops/s",
        "counted MB/inf", "binds", "of the ceiling", "peak MB", "class as naive / float",
    ]  # fmt: skip
    return _table(header, [_case(row) for row in bench["rows"] if row["path"] != "server"])


def _case(row: Json) -> list[str]:
    start = [row[name] for name in ("case", "mode", "path")]
    start += [str(row[name]) for name in ("steps", "batch", "threads")]
    classes = f"{row['step_loop_agreement']:.1%} / {row['float_agreement']:.1%}"
    if not row["correct"]:
        return [*start, "wrong", *["-"] * 10, classes]
    compared = row["naive_ratio"] is not None
    return [
        *start,
        _number(row["inferences_per_second"]),
        f"{row['spread']:.0%}" if compared else "-",
        _number(row["naive_ratio"]),
        _number(row["hoisted_ratio"]),
        _number(row["price_of_time"], 2),
        _number(row["neuron_steps_per_second"] / 1e9, 3),
        _number(row["synaptic_operations_per_second"] / 1e9, 3),
        _number(row["counted_bytes"] / 1e6, 3),
        row["binding_resource"],
        f"{row['achieved']:.0%}",
        _number(row["peak_bytes"] / 1e6, 0) if row["peak_bytes"] else "-",
        classes,
    ]


def neurons(result: Json) -> str:
    """One line per neuron type; a wrong one has no figures."""
    rows = [
        [
            row["neuron"],
            *(
                [
                    _number(row["neuron_steps_per_second"] / 1e6),
                    _number(row["ratio"], 2),
                    _number(row["spikes_per_step"], 3),
                    f"{row['spread']:.0%}",
                ]
                if row["correct"]
                else ["wrong", "-", "-", "-"]
            ),
        ]
        for row in result["rows"]
    ]
    return _table(
        ["neuron type", "M neuron-steps/s", "to SpikingRectifiedLinear", "spikes/step", "spread"], rows
    )


def peers(result: Json) -> str:
    """Every system at the same steps and images, then each at its own best number of steps."""
    ours = {
        row["case"]: row["inferences_per_second"] for row in result["rows"] if row["system"] == "spikeserve"
    }
    rows = [
        [
            row["case"], row["system"], str(row["batch"]), _number(row["inferences_per_second"]),
            f"{row['accuracy']:.1%}", _number(ours[row["case"]] / row["inferences_per_second"], 2),
        ]
        for row in result["rows"]
    ]  # fmt: skip
    best = [
        [row["case"].split(" T=")[0], row["system"], str(row["steps"]), f"{row['accuracy']:.1%}",
         _number(row["inferences_per_second"])]
        for row in result["time_to_accuracy"]
    ]  # fmt: skip
    about = ", ".join(sorted(set(result["versions"].values())))
    return "\n\n".join(
        [
            f"{about}; {result['threads']} threads, {result['images']:,} images, load {result['load']:.1f}.",
            _table(["case", "system", "batch", "inf/s", "accuracy", "spikeserve is faster by"], rows),
            "At the fewest steps (of 4, 8, 16, 32, 64, 100) that lose at most one point against float:",
            _table(["network", "system", "steps", "accuracy", "inf/s"], best),
        ]
    )


def serving(result: Json) -> str:
    """The server, the bare server and the engine."""
    rates = result["inferences_per_second"]
    rows = [[name, _number(rates[name])] for name in ("server", "echo", "engine")]
    about = (
        f"{result['samples_per_request']} samples per request ({result['request_bytes']:,} bytes, answered "
        f"with {result['response_bytes']:,}), {result['connections']} connections with "
        f"{result['in_flight']} calls each, {result['threads']} threads, {result['rounds']} rounds of "
        f"{result['seconds']:g} s each; {result['date']}, load {result['load']:.1f}."
    )
    share = (
        f"The server reaches {result['share']:.0%} of the rate at which each request needs both of the "
        f"others ({min(result['shares']):.0%} to {max(result['shares']):.0%} in the rounds)."
    )
    latency = result["latency_us"]
    single = (
        f"One image, one call at a time: {latency['server']:.0f} us at the median, {latency['echo']:.0f} us "
        f"of the bare server, {latency['above_echo']:.0f} us more."
    )
    return f"{about}\n\n{_table(['', 'inf/s'], rows)}\n\n{share} {single}"


def oip(rows: list[Json]) -> str:
    """ModelInfer beside Simulate."""
    header = ["images per call", "Simulate, calls/s", "ModelInfer, calls/s", "ratio of rates",
              "Simulate, server us/call", "ModelInfer, server us/call"]  # fmt: skip
    lines = [
        [str(row["samples_per_request"]), _number(row["native"]), _number(row["infer"]),
         f"{row['ratio']:.0%}", _number(row["native_cpu_us"]), _number(row["infer_cpu_us"])]
        for row in rows
    ]  # fmt: skip
    first = rows[0]
    about = (
        f"{first['steps']} steps, {first['connections']} connections with {first['in_flight']} calls each, "
        f"{first['threads']} threads, {len(first['all']['native'])} rounds of {first['seconds']:g} s each; "
        f"{first['date']}, load {first['load']:.1f}."
    )
    return f"{about}\n\n{_table(header, lines)}"


def batching(result: Json) -> str:
    """The default beside the fixed setting that did best, and beside its twin."""
    header = ["case", "default, calls/s", "best fixed setting", "its calls/s", "default / best", "quartiles",
              "default / an equal server", "quartiles"]  # fmt: skip
    rows = [
        [row["case"], _number(row["calls_per_second"]["default"]), row["best"],
         _number(row["calls_per_second"][row["best"]]), f"{row['default_of_best']:.2f}",
         _spread(row["best_quartiles"]), f"{row['default_of_twin']:.2f}", _spread(row["twin_quartiles"])]
        for row in result["rows"]
    ]  # fmt: skip
    about = (
        f"{result['threads']} threads, {result['rounds']} rounds of {result['seconds']:g} s each; "
        f"{result['date']}, load {result['load']:.1f} at the start."
    )
    return f"{about}\n\n{_table(header, rows)}"


def _spread(quartiles: list[float]) -> str:
    """The lower and the upper one."""
    return f"{quartiles[0]:.2f} to {quartiles[-1]:.2f}"


def memory(results: list[Json]) -> str:
    """Peak memory of processes that do one run."""
    rows = [
        [item["case"], str(item["steps"]), str(item["batch"]), _number(item["seconds"], 2),
         _number(item["peak_bytes"] / 1e6, 0)]
        for item in results
    ]  # fmt: skip
    return _table(["case", "steps", "batch", "seconds", "peak MB"], rows)


def goals(results: dict[str, Any], page: str) -> str:
    """Each goal with its verdict; where nothing was measured for it, as the page had it."""
    kept = {cells[0]: cells for cells in (line.strip("| ").split(" | ") for line in page.splitlines())}
    lines = []
    for goal in GOALS:
        line = goal.line(results)
        lines.append(kept.get(goal.text, line) if goal.measured(results) is None else line)
    return _table(["goal", "bound", "measured", ""], lines)


TABLES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "machine": ("bench.json", machine),
    "cases": ("bench.json", cases),
    "neurons": ("bench-neurons.json", neurons),
    "peers": ("bench-peers.json", peers),
    "serving": ("bench-serving.json", serving),
    "oip": ("bench-oip.json", oip),
    "batching": ("bench-batching.json", batching),
    "memory": ("bench-memory.json", memory),
}


def replace(page: str, name: str, text: str) -> str:
    """The page with `text` between the markers of a table; ValueError where they are missing."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(rf"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"the page wants {begin} and {end}, once each")
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("build"))
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks.md"))
    arguments = parser.parse_args()
    files = sorted({file for file, _ in TABLES.values()})
    results = {
        file: json.loads((arguments.results / file).read_text())
        for file in files
        if (arguments.results / file).is_file()
    }
    page = arguments.page.read_text()
    for name, (file, write) in TABLES.items():
        if file in results:
            page = replace(page, name, write(results[file]))
    page = replace(page, "goals", goals(results, page))
    arguments.page.write_text(page)
    print(f"wrote {arguments.page}")


if __name__ == "__main__":
    main()
