"""Too much work, too little time, and the end of the server."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import servers
from conftest import ServerMaker

import spikeserve

WIDTH = 256


def test_a_full_queue_refuses_and_recovers(start_server: ServerMaker) -> None:
    server = start_server(
        max_queue=8, max_queue_ms=86_400_000, max_batch=1, threads=1, workers=1, max_steps=100_000_000
    )
    with spikeserve.Client(server.address, timeout=120) as client:
        client.load("busy", servers.small_network(WIDTH))
        refusals: queue.Queue[spikeserve.ResourceExhaustedError] = queue.Queue()

        def call(index: int) -> bool:
            try:
                client.simulate("busy", servers.samples(1, WIDTH, index), steps=100_000_000, timeout=10)
            except spikeserve.ResourceExhaustedError as error:
                refusals.put(error)
                return False
            except spikeserve.DeadlineExceededError:
                pass
            return True

        endless = client.stream("busy", servers.samples(1, WIDTH), steps=100_000_000, report_every=1000)
        next(endless)  # one that is worked on, or waits for its next turn
        with ThreadPoolExecutor(24) as pool:
            answers = [pool.submit(call, index) for index in range(24)]
        endless.close()
        refused = [refusals.get_nowait() for _ in range(refusals.qsize())]
        taken = sum(answer.result() for answer in answers)
        assert taken in (7, 8)  # the eighth place is that of the run whose turn it is
        assert taken + len(refused) == 24
        assert all("queue" in error.message for error in refused)
        assert all(error.retry_after is not None and error.retry_after > 0 for error in refused)
        assert client.simulate("busy", servers.samples(1, WIDTH), steps=1).samples == 1
        count = servers.counter(
            servers.metrics(server), "spikeserve_requests_total", code="RESOURCE_EXHAUSTED"
        )
        assert count == len(refused)


def test_a_deadline_ends_a_run(start_server: ServerMaker) -> None:
    server = start_server(threads=1, max_steps=10_000_000)
    with spikeserve.Client(server.address) as client:
        client.load("long", servers.small_network(WIDTH))
        client.simulate("long", servers.samples(1, WIDTH), steps=1)
        memory = servers.memory_used(server)
        with pytest.raises(spikeserve.DeadlineExceededError):
            client.simulate("long", servers.samples(512, WIDTH), steps=10_000_000, timeout=0.2)
        servers.eventually(lambda: servers.memory_used(server) <= memory, "the run's memory is free")
        assert client.simulate("long", servers.samples(1, WIDTH), steps=1, timeout=20).samples == 1


def test_sigterm_finishes_what_runs_and_exits_with_0(start_server: ServerMaker) -> None:
    server = start_server(drain_seconds=60)
    with spikeserve.Client(server.address) as client, spikeserve.Client(server.address) as late:
        client.load("last", servers.small_network(WIDTH))
        assert late.list()
        inputs = servers.samples(64, WIDTH)
        events = client.stream("last", inputs, steps=3000, report_every=100)
        next(events)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        *_, result = events
        assert isinstance(result, spikeserve.SimulationResult)
        assert result.samples == 64
        stopping.join()
        with pytest.raises(spikeserve.UnavailableError):
            late.simulate("last", inputs[:1])
    assert server.process.returncode == 0
    np.testing.assert_array_equal(result.classes, result.outputs.argmax(axis=1))


def test_sigterm_gives_up_on_what_takes_too_long(start_server: ServerMaker) -> None:
    server = start_server(drain_seconds=0, max_steps=1_000_000)
    with spikeserve.Client(server.address) as client:
        client.load("endless", servers.small_network(WIDTH))
        events = client.stream("endless", servers.samples(256, WIDTH), steps=1_000_000, report_every=1)
        next(events)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        with pytest.raises(spikeserve.UnavailableError, match="drain-seconds"):
            list(events)
        stopping.join()
    assert server.process.returncode == 0
