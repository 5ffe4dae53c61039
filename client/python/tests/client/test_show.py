"""Objects show themselves in a line or a few, and as small tables in a notebook, however large they are."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from conv_network import conv_network
from fake_server import FakeServer

import spikeserve
from spikeserve import results
from spikeserve._report import ConversionReport, LayerReport
from spikeserve.calibration import ExitCalibration, ExitPoint
from spikeserve.v1 import network_pb2 as pb

MANY = 500


def info(name: str, layers: int = MANY) -> spikeserve.NetworkInfo:
    shown = tuple(spikeserve.LayerInfo(f"<layer {n}>", "affine", (3,), 4, 5) for n in range(layers))
    probes = tuple(spikeserve.ProbeInfo(f"p{n}", "t", "output", (10,)) for n in range(40))
    inputs = (spikeserve.InputInfo("image", (28, 28, 1), frozenset({"float32"})),)
    return spikeserve.NetworkInfo(
        name, 3, "ready", "exact", "cpu", 1000, 96, 2817, 0.001, 16, inputs, probes, shown, ("a",) * 1000,
        "ab" * 32, pb.NetworkInfo(),
    )  # fmt: skip


def statistics() -> tuple[spikeserve.LayerStatistics, ...]:
    return tuple(spikeserve.LayerStatistics(f"<layer {n}>", 10, 100, 1.5, 3, 0.25, 9) for n in range(MANY))


SETTINGS = spikeserve.Settings("net", 3, 0.001, 16, 0, "exact", "cpu", "mean", 0)


def result() -> spikeserve.SimulationResult:
    return spikeserve.SimulationResult(
        probes={"output": spikeserve.ProbeValues("output", np.ones((MANY, 10)), np.ones((MANY, 16, 10)))},
        classes=np.arange(MANY), margins=np.linspace(0, 3, MANY), top_k=top_k(), scores=np.ones((MANY, 10)),
        stats=statistics(), timing=spikeserve.Timing(0.1, 0.2, 0.3, 4), settings=SETTINGS,
        steps_used=np.full(MANY, 5), records={f"r{n}": np.ones((MANY, 16)) for n in range(40)},
    )  # fmt: skip


def top_k() -> spikeserve.TopK:
    return spikeserve.TopK(np.ones((MANY, 5), np.int64), np.ones((MANY, 5)))


def network() -> spikeserve.Network:
    definition = pb.NetworkDefinition(format_version=1)
    for number in range(MANY):
        definition.operations.add(name=f"in{number}").input.shape.extend([2])
        definition.probes.add(name=f"out{number}", target=f"in{number}")
    return spikeserve.Network(definition)


def report() -> ConversionReport:
    layers = [LayerReport(f"<layer {n}>", "l", "lif", 3, 4.5, 1.0, None, 2.5) for n in range(MANY)]
    return ConversionReport(layers, ["few spikes"] * MANY, ["a note"] * MANY, 1e-7)


def calibration() -> ExitCalibration:
    curve = tuple(ExitPoint(float(n), 0.9, 4.5) for n in range(MANY))
    return ExitCalibration(spikeserve.EarlyExit(2.5), 0.9, 4.5, 0.91, 16, curve)


def evaluation(**fields: Any) -> spikeserve.Evaluation:
    return spikeserve.Evaluation(
        samples=MANY, accuracy=0.9, float_accuracy=None, agreement=None, mean_rate_hz=3,
        spikes_per_inference=4, synaptic_operations_per_inference=5, inferences_per_second=6,
        layers=statistics(), settings=SETTINGS, mean_steps=16, **fields,
    )  # fmt: skip


PROGRESS = {"output": spikeserve.ProbeValues("output", np.ones((MANY, 10)))}
ESTIMATE = spikeserve.EnergyEstimate(spikeserve.Device("loihi", 1, 2, True, "a paper"), 1, 2, 3, 4, 5, 6)
THINGS: dict[str, tuple[object, int, str]] = {
    "SimulationResult": (result(), 3, "500 samples, network 'net' version 3, 16 steps of 0.001 s"),
    "ProbeValues": (result().probes["output"], 1, "outputs [500, 10] float64"),
    "TopK": (top_k(), 1, "classes [500, 5]"),
    "LayerStatistics": (statistics()[0], 1, "mean_rate_hz=1.5"),
    "Settings": (SETTINGS, 1, "network='net'"),
    "Progress": (spikeserve.Progress(4, PROGRESS, np.arange(MANY), np.ones(MANY)), 1, "after 4 steps"),
    "SessionProgress": (
        spikeserve.SessionProgress(4, np.arange(MANY), PROGRESS, np.arange(MANY), np.ones(MANY), ()),
        1,
        "classes 0 1 2",
    ),
    "NetworkInfo": (info("net"), 1, "'net' version 3: ready, exact on cpu, input image [28, 28, 1]"),
    "NetworkInfos": (results.NetworkInfos(info(f"n{n}") for n in range(MANY)), 22, "... and 480 more"),
    "Network": (network(), 1, "500 operations"),
    "ConversionReport": (report(), 1, "500 layers, 500 warnings, 500 notes, largest error 1e-07"),
    "LayerReport": (report().layers[0], 1, "scale=4.5"),
    "ExitCalibration": (calibration(), 1, "accuracy 90.00% in 4.5 steps"),
    "Evaluation": (evaluation(), 2, "accuracy 90.00%"),
    "EnergyEstimate": (ESTIMATE, 1, "on loihi"),
    "Record": (spikeserve.Record("dense"), 1, "layer='dense'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", THINGS)
def test_a_text_of_few_lines_says_what_it_is(kind: str) -> None:
    thing, lines, said = THINGS[kind]
    text = repr(thing)
    assert said in text
    assert len(text.splitlines()) <= lines
    assert len(text) <= 400 * lines
    if kind != "NetworkInfos":
        assert text.removeprefix("<").startswith(kind)


class Balanced(HTMLParser):
    """Fails where tags do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self.open.append(tag)
        self.rows += tag == "tr"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "kind",
    [
        "SimulationResult", "NetworkInfo", "NetworkInfos", "Network", "ConversionReport", "ExitCalibration",
        "Evaluation",
    ],
)  # fmt: skip
def test_a_notebook_gets_a_small_table(kind: str) -> None:
    thing: Any = THINGS[kind][0]
    html = thing._repr_html_()
    reader = Balanced()
    reader.feed(html)
    assert reader.open == []
    assert 2 <= reader.rows <= 50
    assert len(html) < 20_000
    assert "<layer" not in html  # names are escaped


def test_small_ones_say_all() -> None:
    small = conv_network()
    assert repr(small).startswith(
        "<Network: 3 operations, input in [4, 4, 2], probe output, 0 spiking layers"
    )
    assert "conv" in small._repr_html_()
    assert "R2 0.5" in repr(evaluation(task="regression", rmse=1.0, r2=0.5))


def test_clients_servers_and_sessions_show_where_and_no_secret(fake: FakeServer) -> None:
    with spikeserve.Client(fake.address, token="secret") as client:
        assert repr(client) == f"<Client: {fake.address}, not encrypted, with a token>"
        with client.session("net", 2) as session:
            assert repr(session) == f"<Session: network 'net' version 3, {fake.address}>"
        assert repr(client.list()) == "0 network versions"
        assert "secret" not in repr(client._connection)
