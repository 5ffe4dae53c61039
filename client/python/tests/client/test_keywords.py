"""What a call answers to an option that it does not have, and how it shows those that it has."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_server import FakeServer

import spikeserve
import spikeserve.plot
from spikeserve._requests import RUN_PARAMETERS, Options, RunOptions, SessionOptions

SAMPLES = np.ones((2, 2), np.float32)
ADDRESS = "127.0.0.1:1"
CLIENT = spikeserve.Client(ADDRESS)
ANY: Any = spikeserve
STATS = spikeserve.LayerStatistics("a", 1, 1, 1, 1, 0, 1)

WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "simulate": (lambda: ANY.Client.simulate(CLIENT, "n", SAMPLES, step=10), "'step'; did you mean 'steps'"),
    "stream": (
        lambda: ANY.Client.stream(CLIENT, "n", SAMPLES, report_evry=1),
        "'report_evry'; did you mean 'report_every'",
    ),
    "session": (lambda: ANY.Client.session(CLIENT, "n", 1, sead=1), "'sead'; did you mean 'seed'"),
    "load": (lambda: ANY.Client.load(CLIENT, "n", None, versions=1), "'versions'; did you mean 'version'"),
    "get": (lambda: ANY.Client.get(CLIENT, "n", timeuot=1), "'timeuot'; did you mean 'timeout'"),
    "Client": (lambda: ANY.Client(ADDRESS, tokens="x"), "'tokens'; did you mean 'token'"),
    "AsyncClient": (lambda: ANY.AsyncClient(ADDRESS, tlss=1), "'tlss'; did you mean 'tls'"),
    "convert": (
        lambda: ANY.convert("model.keras", sample_dat=1),
        "'sample_dat'; did you mean 'sample_data'",
    ),
    "evaluate": (lambda: ANY.evaluate(CLIENT, "n", SAMPLES, [1], stepz=1), "'stepz'; did you mean 'steps'"),
    "calibrate_early_exit": (
        lambda: ANY.calibrate_early_exit(CLIENT, "n", SAMPLES, [1], max_los=1),
        "'max_los'; did you mean 'max_loss'",
    ),
    "estimate_energy": (lambda: ANY.estimate_energy(0, 0, "cpu", input=1), "'input'; did you mean 'inputs'"),
    "layer_rates": (lambda: ANY.plot.layer_rates([STATS], axis=1), "'axis'; did you mean 'axes'"),
    "Record": (lambda: ANY.Record("dense", reduce="sum"), "'reduce'; did you mean 'reduction'"),
    "EarlyExit": (lambda: ANY.EarlyExit(1, min_step=1), "'min_step'; did you mean 'min_steps'"),
    "Burst": (lambda: ANY.encodings.Burst(max_spike=3), "'max_spike'; did you mean 'max_spikes'"),
    "LIF": (lambda: ANY.LIF(tau_rcc=3), "'tau_rcc'; did you mean 'tau_rc'"),
    "Lowpass": (lambda: ANY.Lowpass(taw=3), "'taw'; did you mean 'tau'"),
}  # fmt: skip


@pytest.mark.parametrize("call", WRONG)
def test_an_unknown_option_is_answered_by_the_call_with_a_proposal(call: str) -> None:
    act, message = WRONG[call]
    with pytest.raises(TypeError) as caught:
        act()
    assert str(caught.value) == f"{call}() has no option {message}?"


def test_the_asyncio_client_answers_the_same() -> None:
    async def body() -> None:
        async with spikeserve.AsyncClient(ADDRESS) as client:
            for act in (
                lambda: client.simulate("n", SAMPLES, step=1),  # type: ignore[call-arg]
                lambda: client.session("n", 1, step=1),  # type: ignore[call-arg]
            ):
                with pytest.raises(TypeError, match=r"(simulate|session)\(\) has no option 'step'"):
                    await act()
            with pytest.raises(TypeError, match=r"stream\(\) has no option 'report'; did you mean"):
                client.stream("n", SAMPLES, report=1)  # type: ignore[call-arg]

    asyncio.run(body())


def test_a_name_that_is_like_none_is_answered_with_all() -> None:
    with pytest.raises(TypeError, match=r"get\(\) has no option 'zzz'; it has name, timeout, version"):
        CLIENT.get("n", zzz=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("client", [spikeserve.Client, spikeserve.AsyncClient])
def test_signatures_show_every_option_with_its_default(client: Any) -> None:
    for method in (client.simulate, client.stream):
        shown = inspect.signature(method).parameters
        assert shown.keys() >= RunOptions.__annotations__.keys()
        assert shown["statistics"].default is True
        assert shown["steps"].annotation == int | None
        assert all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in shown.values())
    session = inspect.signature(client.session).parameters
    assert session.keys() >= SessionOptions.__annotations__.keys()
    assert not session.keys() & {"steps", "encoding", "early_exit"}
    assert inspect.iscoroutinefunction(client.simulate) == (client is spikeserve.AsyncClient)


def test_options_and_their_defaults_name_the_same() -> None:
    assert RunOptions.__annotations__.keys() == {one.name for one in RUN_PARAMETERS}
    typed: dict[str, Any] = RunOptions.__annotations__
    assert {name: value.__forward_arg__ for name, value in typed.items()} == Options.__annotations__


def test_help_shows_the_options() -> None:
    import pydoc

    text = pydoc.plain(pydoc.render_doc(spikeserve.Client.simulate))
    assert "early_exit:" in text
    assert "top_k: int = 0" in text


def test_warnings_of_convert_name_the_line_of_the_caller() -> None:
    models = Path(__file__).parents[4] / "tests" / "data" / "models"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        spikeserve.convert(models / "digits_mlp.keras")
    assert caught
    assert {item.filename for item in caught} == {__file__}


def test_options_still_reach_the_server(fake: FakeServer) -> None:
    with spikeserve.Client(fake.address) as client:
        client.simulate("net", SAMPLES, steps=3, top_k=1)
    assert (fake.requests[0].steps, fake.requests[0].top_k) == (3, 1)
