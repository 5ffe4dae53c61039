"""The goals of the CPU engine and of the server around it, judged by what the benchmark measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Results = dict[str, Any]  # by file name


@dataclass(frozen=True)
class Goal:
    """A figure of the results and the bound that it must keep; None where it was not measured."""

    text: str
    measured: Callable[[Results], float | None]
    bound: float
    at_most: bool

    def line(self, results: Results) -> list[str]:
        """Goal, bound, measured, verdict."""
        sign = "at most" if self.at_most else "at least"
        value = self.measured(results)
        if value is None:
            return [self.text, f"{sign} {self.bound:g}", "-", "not measured"]
        met = value <= self.bound if self.at_most else value >= self.bound
        return [self.text, f"{sign} {self.bound:g}", f"{value:,.2f}", "met" if met else "**missed**"]


def _row(results: Results, case: str, batch: int, mode: str) -> Json | None:
    for row in results.get("bench.json", {}).get("rows", []):
        key = (row["case"], row["batch"], row["threads"], row["path"], row["mode"])
        if key == (case, batch, 2, "auto", mode) and row["correct"]:
            return dict(row)
    return None


def _figure(
    case: str, batch: int, name: str, factor: float = 1, mode: str = "exact"
) -> Callable[[Results], float | None]:
    def read(results: Results) -> float | None:
        row = _row(results, case, batch, mode)
        return None if row is None or row[name] is None else float(row[name]) * factor

    return read


def _peer_ratio(case: str) -> Callable[[Results], float | None]:
    """How often faster than the fastest spiking peer."""

    def read(results: Results) -> float | None:
        rates = {
            row["system"]: row["inferences_per_second"]
            for row in results.get("bench-peers.json", {}).get("rows", [])
            if row["case"] == case
        }
        ours = rates.pop("spikeserve", None)
        rates.pop("PyTorch, float pass", None)
        return float(ours / max(rates.values())) if ours is not None and rates else None

    return read


def _memory(case: str) -> Callable[[Results], float | None]:
    def read(results: Results) -> float | None:
        peaks = [row["peak_bytes"] for row in results.get("bench-memory.json", []) if row["case"] == case]
        return float(peaks[0]) / 1e6 if peaks else None

    return read


def _server_row(results: Results, case: str) -> Json | None:
    rows = results.get("bench.json", {}).get("rows", [])
    return next((dict(row) for row in rows if row["case"] == case), None)


def _share(results: Results) -> float | None:
    """Percent of the rate at which each request needs both the bare server's and the engine's time."""
    row = _server_row(results, "server.share")
    return None if row is None else 100 * float(row["share"])


def _above_echo(results: Results) -> float | None:
    row = _server_row(results, "server.latency")
    return None if row is None else float(row["above_echo_us"])


def _batching(results: Results) -> float | None:
    """Percent of the best fixed setting, where the default does worst."""
    rows = results.get("bench-batching.json", {}).get("rows", [])
    return 100 * min(float(row["default_of_best"]) for row in rows) if rows else None


GOALS = (
    Goal("MLP T=100, batch 256, uint8: price of time",
         _figure("mlp_784_128_10.u8", 256, "price_of_time"), 1.5, True),
    Goal("MLP T=100, batch 256, float32: price of time",
         _figure("mlp_784_128_10.f32", 256, "price_of_time"), 1.5, True),
    Goal("MLP T=100, batch 256, float32: times naive",
         _figure("mlp_784_128_10.f32", 256, "naive_ratio"), 70, False),
    Goal("MLP T=100, batch 1: microseconds",
         _figure("mlp_784_128_10.f32", 1, "seconds_per_batch", 1e6), 60, True),
    Goal("fashion_cnn T=60, batch 32: price of time",
         _figure("fashion_cnn.t60", 32, "price_of_time"), 10, True),
    Goal("fashion_cnn T=16, batch 32: price of time",
         _figure("fashion_cnn.t16", 32, "price_of_time"), 4, True),
    Goal("LeNet T=100, batch 32: price of time", _figure("lenet.t100", 32, "price_of_time"), 20, True),
    Goal("fashion_cnn T=60, batch 32: times naive", _figure("fashion_cnn.t60", 32, "naive_ratio"), 8, False),
    Goal("dense_4096x4 T=100, batch 1: times naive",
         _figure("dense_4096x4.t100", 1, "naive_ratio"), 25, False),
    Goal("VGG-16 T=32: times naive", _figure("vgg16.t32", 8, "naive_ratio"), 3, False),
    Goal("MLP with memory T=100, batch 256: price of time",
         _figure("mlp_784_128_10.memory.t100", 256, "price_of_time"), 1, True),
    Goal("fashion_cnn with memory T=60, batch 32: price of time",
         _figure("fashion_cnn.memory.t60", 32, "price_of_time"), 0.8, True),
    Goal("the same in mode int8: price of time",
         _figure("fashion_cnn.memory.t60", 32, "price_of_time", mode="int8"), 0.4, True),
    Goal("fashion_cnn with memory T=1000, batch 32: price of time",
         _figure("fashion_cnn.memory.t1000", 32, "price_of_time"), 1.6, True),
    Goal("LeNet with memory T=100, batch 32: price of time",
         _figure("lenet.memory.t100", 32, "price_of_time"), 2, True),
    Goal("VGG-16 with memory T=100, batch 8: price of time",
         _figure("vgg16.memory.t100", 8, "price_of_time"), 1, True),
    Goal("the same in mode int8: price of time",
         _figure("vgg16.memory.t100", 8, "price_of_time", mode="int8"), 0.5, True),
    Goal("fashion_cnn with memory T=60, batch 32: times naive",
         _figure("fashion_cnn.memory.t60", 32, "naive_ratio"), 80, False),
    Goal("MLP T=100: times the best peer", _peer_ratio("mlp_784_128_10 T=100"), 70, False),
    Goal("fashion_cnn T=60: times the best peer", _peer_ratio("fashion_cnn T=60"), 8, False),
    Goal("server: percent of 1/(1/engine + 1/echo)", _share, 70, False),
    Goal("server, one image: microseconds above a bare echo", _above_echo, 100, True),
    Goal("default batching: percent of the best fixed setting", _batching, 90, False),
    Goal("VGG-16 T=1000, batch 64: peak MB", _memory("vgg16.t32"), 600, True),
    Goal("MLP T=100,000, batch 1: peak MB", _memory("mlp_784_128_10.u8"), 100, True),
)  # fmt: skip
