"""Networks that come and go beside traffic, and work that does not fit into memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import servers
from callers import Callers, simulate_request
from trial import NAME, STEPS, WIDTH, Trial

import spikeserve

_ROUNDS = 5
_FLAT_MIB = 24.0  # allocators keep what was freed; what grows with the number of rounds is a leak


def test_loads_and_unloads_beside_traffic(trial: Trial) -> None:
    """Networks of 2 MB, two clients; memory is flat after the first fifth of them."""
    trial.open()
    cycles = max(1, trial.budget.load_cycles // _ROUNDS // 2)
    running = trial.healthy(600.0).start()
    resident = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(_ROUNDS):
            list(pool.map(lambda number: _cycle(trial, f"storm{number}", cycles), range(2)))
            resident.append(trial.gauges.resident_mib())
    running.stop()
    healthy = running.finish()
    trial.note("loads and unloads", healthy, attack=f"{2 * _ROUNDS * cycles} of each")
    trial.figures.add(
        "endurance", "loads and unloads beside traffic", rounds=2 * _ROUNDS * cycles, failed=0,
        grown_mib=round(resident[-1] - resident[0], 1),
    )  # fmt: skip
    trial.require_healthy(healthy)
    assert resident[-1] - resident[0] <= _FLAT_MIB, resident
    trial.require_clean()


def _cycle(trial: Trial, name: str, count: int) -> None:
    network = servers.small_network(512)
    with spikeserve.Client(trial.server.address) as client:
        for _ in range(count):
            client.load(name, network)
            client.simulate(name, servers.samples(1, 512), steps=2)
            assert client.unload(name) == [1]


def test_a_memory_budget_that_is_used_up(trial: Trial) -> None:
    """Loads and large requests are refused, one by one; what fits is answered, and all is free again."""
    trial.open(memory_budget_mb=48)
    refused: list[str] = []
    done = threading.Event()

    def load(number: int) -> None:
        with spikeserve.Client(trial.server.address) as client:
            loaded = []
            for attempt in range(1000):
                name = f"large{number}-{attempt}"
                try:
                    client.load(name, servers.small_network(512))
                    loaded.append(name)
                except spikeserve.ResourceExhaustedError as error:
                    refused.append(error.message)
                    if done.wait(0.02):
                        break
            for name in loaded:
                client.unload(name)

    large = simulate_request(NAME, 4096, WIDTH, STEPS, trajectories=True).SerializeToString()
    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load, number) for number in range(2)]
        requests = Callers(trial.server.address, large, trial.budget.seconds, callers=8, pause_s=0.0).start()
        healthy = trial.healthy(trial.budget.seconds).run()
        codes = requests.finish().codes
        done.set()
        for one in loads:
            one.result()
    ended = ", ".join(f"{count:,} large requests {code}" for code, count in sorted(codes.items()))
    trial.note("memory budget used up", healthy, attack=f"{len(refused)} loads, {ended}")
    assert refused
    assert all("memory" in message for message in refused), refused[0]
    assert set(codes) <= {"OK", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}, codes
    # One sample needs little, and still there may be nothing left at the moment that it comes.
    assert set(healthy.codes) <= {"OK", "RESOURCE_EXHAUSTED"}, healthy.codes
    trial.require_clean()


@pytest.mark.parametrize("kind", ["answered", "refused"])
def test_memory_is_flat(trial: Trial, kind: str) -> None:
    """Over many requests, of the kind that is answered and of one that is refused."""
    trial.open(log_level="warn")
    network = NAME if kind == "answered" else "unknown"
    request = simulate_request(network, 1, WIDTH, STEPS).SerializeToString()
    count = trial.budget.requests // _ROUNDS // 2
    resident, codes = [], {"answered": "OK", "refused": "NOT_FOUND"}
    for _ in range(_ROUNDS):
        load = Callers(trial.server.address, request, 600.0, 8, pause_s=0.0, calls=count, deadline_s=20.0)
        ended = load.run().codes
        assert set(ended) == {codes[kind]}, ended
        resident.append(trial.gauges.resident_mib())
    trial.figures.add(
        "endurance", f"requests that are {kind}", rounds=count * _ROUNDS, failed=0,
        grown_mib=round(resident[-1] - resident[0], 1),
    )  # fmt: skip
    assert resident[-1] - resident[0] <= _FLAT_MIB, resident
    trial.require_clean()
