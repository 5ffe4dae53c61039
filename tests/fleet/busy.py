"""Two servers to whom everything happens that the board and the alerts ask for."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import quota_files
import rest
import servers

import spikeserve
from spikeserve.local_server import find_binary
from spikeserve.v1 import network_pb2, network_pb2_grpc

WIDTH = 8
NETWORK = "digits"
_QUOTAS = {"requests": 8, "samples_per_second": 1000, "samples_burst": 64}
_PAUSE_S = 0.02


class Busy:
    """A server with tenants, and one with TLS on a disk that takes little; `stop` ends both."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.errors: list[str] = []
        self._end = threading.Event()
        tls = servers.make_certificates(folder)
        self._quotas = quota_files.write(
            folder / "quotas.json",
            quota_files.tenant("vision", "token-of-vision", admin="token-of-admin", weight=2),
            quota_files.tenant("guests", "token-of-guests", quotas=_QUOTAS),
        )
        self.shared = spikeserve.serve(
            backend="cpu", http_listen="127.0.0.1:0", quota_file=self._quotas, max_steps=1000, guard="on",
            network_repository=folder / "shared", repository_poll_seconds=1,
        )  # fmt: skip
        self.small = spikeserve.serve(
            backend="cpu", tls_cert=tls["server"], tls_key=tls["server-key"], guard="off",
            network_repository=folder / "small", response_cache_mb=1, binary=self._with_little_room(),
        )  # fmt: skip
        self._ca = tls["ca"]
        with self._client("token-of-admin") as admin:
            admin.load(NETWORK, servers.small_network(WIDTH))
        self._threads = [
            threading.Thread(target=self._again_and_again, args=(work,), daemon=True)
            for work in (self._simulate, self._infer, self._guest, self._refused)
        ]

    @property
    def targets(self) -> list[str]:
        """Addresses of both servers' metrics."""
        return [self.shared.metrics_address, self.small.metrics_address]

    def start(self) -> None:
        """Calls from now on, and one of each thing that goes wrong."""
        for thread in self._threads:
            thread.start()
        self._spoil_quotas()
        self._break_disk()
        self._fill_disk()
        self._ask_too_early()
        self.session = self._client("token-of-vision").session(NETWORK, batch=1)

    def stop(self) -> None:
        """Ends all calls and both servers."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        self.session.close()
        self.shared.stop()
        self.small.stop()

    def _with_little_room(self) -> Path:
        """A program that becomes the server, with a disk of 1 MiB where one may be mounted."""
        program, disk = shlex.quote(str(find_binary())), shlex.quote(str(self._folder / "small"))
        mount = f"mount -t tmpfs -o size=1m tmpfs {disk}"
        path = self._folder / "small.sh"
        path.write_text(
            f"#!/bin/sh\nmkdir -p {disk}\n"
            f'unshare --mount true && exec unshare --mount sh -c \'{mount} && exec "$@"\' sh {program} "$@"\n'
            f'exec {program} "$@"\n'
        )
        path.chmod(0o755)
        return path

    def _client(self, token: str, **options: object) -> spikeserve.Client:
        return spikeserve.Client(self.shared.address, token=token, timeout=60, **options)  # type: ignore[arg-type]

    def _again_and_again(self, work: Callable[[spikeserve.Client], None]) -> None:
        token = "token-of-guests" if work == self._guest else "token-of-vision"
        with self._client(token) as client:
            while not self._end.wait(_PAUSE_S):
                try:
                    work(client)
                except Exception as error:
                    self.errors.append(f"{work.__name__}: {error!r}")
                    return

    def _simulate(self, client: spikeserve.Client) -> None:
        client.simulate(NETWORK, servers.samples(4, WIDTH), steps=20)
        for _ in client.stream(NETWORK, servers.samples(1, WIDTH), steps=20, report_every=5):
            pass

    def _infer(self, _: spikeserve.Client) -> None:
        """The Open Inference Protocol, by HTTP."""
        body = {"inputs": [rest.tensor(servers.samples(1, WIDTH))], "parameters": {"steps": 8}}
        answer = rest.ask(
            self.shared,
            "POST",
            f"/v2/models/{NETWORK}/infer",
            body,
            {"Authorization": "Bearer token-of-vision"},
        )
        assert answer.status == 200, answer.body

    def _guest(self, client: spikeserve.Client) -> None:
        """More than its quota."""
        with suppress(spikeserve.ResourceExhaustedError):
            client.simulate(NETWORK, servers.samples(60, WIDTH), steps=8)

    def _refused(self, client: spikeserve.Client) -> None:
        """Too many steps, no token, a deadline that cannot be met, an answer that nobody waits for."""
        with suppress(spikeserve.ResourceExhaustedError):
            client.simulate(NETWORK, servers.samples(1, WIDTH), steps=1001)
        with self._client("token-of-nobody") as nobody, suppress(spikeserve.UnauthenticatedError):
            nobody.list()
        long = np.broadcast_to(servers.samples(1, WIDTH), (1000, WIDTH))
        for timeout in (0.01, 0.05, 0.2):  # machines differ in what they cannot do in time
            with suppress(spikeserve.DeadlineExceededError):
                client.simulate(NETWORK, long, steps=1000, timeout=timeout)
        events = client.stream(NETWORK, long, steps=1000, report_every=1)
        with suppress(grpc.RpcError):
            next(events)
        events.close()

    def _spoil_quotas(self) -> None:
        """A file that is wrong, and then the right one again."""
        right = self._quotas.read_text()
        quota_files.replace(self._quotas, "{")
        servers.eventually(lambda: self._reloads("failed") > 0, "the wrong quotas are refused")
        quota_files.replace(self._quotas, right)
        servers.eventually(lambda: self._reloads("ok") > 0, "the right quotas are read")

    def _reloads(self, result: str) -> float:
        return servers.counter(servers.metrics(self.shared), "spikeserve_reloads_total", result=result)

    def _fill_disk(self) -> None:
        """A network that is larger than the disk, where that is a small one."""
        with (
            spikeserve.Client(self.small.address, root_cert=self._ca, timeout=60) as client,
            suppress(spikeserve.ResourceExhaustedError),
        ):
            client.load("large", servers.small_network(600))

    def _ask_too_early(self) -> None:
        """For a network whose upload has begun."""
        end = threading.Event()

        def upload() -> Iterator[network_pb2.LoadNetworkRequest]:
            header = network_pb2.LoadNetworkHeader(name="late", total_bytes=1000, sha256=bytes(32))
            yield network_pb2.LoadNetworkRequest(header=header)
            end.wait()

        def unavailable() -> bool:
            try:
                client.simulate("late", servers.samples(1, WIDTH))
            except spikeserve.SpikeserveError as error:
                return error.code is grpc.StatusCode.UNAVAILABLE
            return False

        metadata = (("authorization", "Bearer token-of-admin"),)
        with grpc.insecure_channel(self.shared.address) as channel, self._client("token-of-admin") as client:
            call = network_pb2_grpc.NetworkServiceStub(channel).LoadNetwork.future(
                upload(), metadata=metadata
            )
            servers.eventually(unavailable, "the network is loading")
            call.cancel()
            end.set()

    def _break_disk(self) -> None:
        """A repository whose place something else has."""
        folder = self._folder / "shared"
        folder.rename(self._folder / "away")
        folder.write_text("no folder")
        with self._client("token-of-admin") as client, suppress(spikeserve.FailedPreconditionError):
            client.load("second", servers.small_network(WIDTH))
            raise AssertionError("a network was stored in what is no folder")
        folder.unlink()
        (self._folder / "away").rename(folder)
