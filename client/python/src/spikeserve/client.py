"""The blocking client."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, TypeVar

import grpc

from spikeserve import _messages
from spikeserve._arrays import Given
from spikeserve._channel import DEFAULT_LOAD_TIMEOUT, Deadline
from spikeserve._client_base import ClientBase
from spikeserve._keywords import checked, with_options
from spikeserve._requests import (
    RUN_PARAMETERS,
    SESSION_PARAMETERS,
    Options,
    RunOptions,
    SessionOptions,
    opening,
)
from spikeserve._runs import Draft, Run, draft
from spikeserve._upload import OnProgress, upload
from spikeserve.network import Network
from spikeserve.results import NetworkInfo, NetworkInfos, Progress, SimulationResult
from spikeserve.session import OF_ADVANCE, Session
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import network_pb2_grpc as network_grpc
from spikeserve.v1 import simulation_pb2 as pb
from spikeserve.v1 import simulation_pb2_grpc as simulation_grpc

if TYPE_CHECKING:
    from typing_extensions import Unpack

Answer = TypeVar("Answer")


class Client(ClientBase):
    """Talks to a spikeserve server. Safe for use by several threads; close it, or use it in a `with`.

    `address`: HOST:PORT or unix:PATH; for several servers dns:///NAME:PORT or ipv4:ADDRESS:PORT,ADDRESS:PORT,
    which are asked in turn, but for those whose health service says that they are not serving. `token` is
    sent as a bearer token with every call. TLS is used with `tls` (the system's root certificates) or with
    `root_cert`; `client_cert` and `client_key` identify the client. Certificates are paths of PEM files, or
    their bytes. `timeout`: seconds per call, None: no limit. Batches above
    `max_message_bytes` or `max_batch` samples go out as several requests, one after the other.

    Calls raise SpikeserveError, by status code one of its subclasses, ValueError for arguments that cannot be
    sent and TypeError for options that they do not have. A call that changes nothing is repeated up to 3
    times where the server is UNAVAILABLE, a stream until its first event.
    """

    @checked
    def load(
        self,
        name: str,
        network: Network,
        *,
        version: int = 0,
        mode: str = "exact",
        on_progress: OnProgress | None = None,
        timeout: float | None = DEFAULT_LOAD_TIMEOUT,
    ) -> int:
        """Uploads a network and returns its version once it is resident, stored and ready.

        `name`: [A-Za-z0-9._-]{1,128}, not starting with a dot. `version` >= 1, or 0: one above the highest.
        `mode`: "exact", "fast" or "int8" (16-bit or 8-bit weights between spiking layers), or "reference"
        (float64, slow).
        `on_progress(done_bytes, total_bytes)` is called by another thread. AlreadyExistsError;
        InvalidArgumentError lists every violation of the network.
        """
        messages = upload(name, network, version, mode, on_progress)
        self._forget(name)
        return self._ask(self._networks.LoadNetwork, messages, timeout, name).network.version

    @checked
    def unload(self, name: str, version: int = 0, *, timeout: float | None = None) -> list[int]:
        """Removes a version, or all of them (0), from memory and disk; returns which.

        NotFoundError; FailedPreconditionError where an alias stands for it.
        """
        request = network_pb.UnloadNetworkRequest(name=name, version=version)
        answer = self._ask(self._networks.UnloadNetwork, request, self._timeout(timeout), name)
        return [*answer.versions]

    @checked
    def set_alias(self, name: str, alias: str, version: int = 0, *, timeout: float | None = None) -> int:
        """Lets NAME@ALIAS stand for a version, wherever a network is named; returns for which.

        `alias`: as a name, and not a number. `version`: 0 is the highest that is ready. Where the alias stood
        for another version, each request gets the one or the other. NotFoundError.
        """
        request = network_pb.SetAliasRequest(name=name, alias=alias, version=version)
        return self._ask(self._networks.SetAlias, request, self._timeout(timeout), name).version

    @checked
    def delete_alias(self, name: str, alias: str, *, timeout: float | None = None) -> int:
        """Forgets an alias; returns the version for which it stood. NotFoundError."""
        request = network_pb.DeleteAliasRequest(name=name, alias=alias)
        return self._ask(self._networks.DeleteAlias, request, self._timeout(timeout), name).version

    @checked
    def get(self, name: str, version: int = 0, *, timeout: float | None = None) -> NetworkInfo:
        """What the server knows about a version; 0 is the highest that is ready. NotFoundError."""
        request = network_pb.GetNetworkRequest(name=name, version=version)
        answer = self._ask(self._networks.GetNetwork, request, self._timeout(timeout), name)
        return _messages.network_info(answer.network)

    @checked
    def list(self, *, timeout: float | None = None) -> NetworkInfos:
        """All networks and versions."""
        request = network_pb.ListNetworksRequest()
        answer = self._ask(self._networks.ListNetworks, request, self._timeout(timeout))
        return _messages.network_infos(answer.networks)

    @with_options(RUN_PARAMETERS)
    def simulate(
        self,
        network: str,
        inputs: Given,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
        **options: Unpack[RunOptions],
    ) -> SimulationResult:
        """Runs a batch and returns outputs, classes and margins of every sample.

        `inputs`: [batch, shape...], or [batch, steps, shape...] for input that varies in time; axes of size 1
        may be missing. For several inputs a dict by name, or a list in the network's order. uint8 goes out as
        bytes where the network takes them, else as the same numbers in float32. `on_progress(done, total)`
        counts samples, after each request. `timeout`: seconds over the whole call. Options are those
        of RunOptions: version, steps, dt, seed, readout, initial_voltage, probes, trajectories, statistics,
        softmax, top_k, encoding, early_exit, record.
        """
        deadline = self._deadline(timeout)
        run = self._run(draft(network, inputs, options), deadline)
        for request in run.requests():
            answer = self._ask(self._simulations.Simulate, request, deadline.left(), network)
            run.add(answer, on_progress)
        return run.result()

    @with_options(RUN_PARAMETERS)
    def stream(
        self,
        network: str,
        inputs: Given,
        *,
        report_every: int,
        timeout: float | None = None,
        **options: Unpack[RunOptions],
    ) -> Generator[Progress | SimulationResult, None, None]:
        """Runs a batch and yields a Progress after every `report_every` steps, then the SimulationResult.

        Arguments as in `simulate`. A slow reader may miss some updates, never the result. The batch must fit
        into one request. Closing the iterator cancels the run.
        """
        deadline = self._deadline(timeout)
        run = self._run(draft(network, inputs, options), deadline)
        request = run.stream_request(report_every)
        return self._events(request, deadline)

    @with_options(SESSION_PARAMETERS, OF_ADVANCE)
    def session(
        self,
        network: str,
        batch: int,
        *,
        replay: bool | int = False,
        timeout: float | None = None,
        **options: Unpack[SessionOptions],
    ) -> Session:
        """Opens a session for `batch` samples, whose state lives on between its messages.

        Options as in `simulate` but steps, encoding and early_exit. `replay`: whether the session goes on
        when its server goes away. It keeps its messages since the begin or the last reset of all samples, up
        to 64 MiB (True) or so many bytes, and sends them to another server, which brings its state to the
        same bytes; that server must have the same network under the same version. `timeout`: seconds for the
        whole session, default: none.
        """
        chosen = Options(**options)
        info = self.get(network, chosen.version)
        deadline = Deadline(timeout)
        return Session(
            lambda requests: self._simulations.Session(requests, **self._call(deadline.left(), network)),
            self.address,
            opening(batch, chosen, info),
            info,
            replay,
        )

    def wait_until_reached(self, timeout: float) -> bool:
        """Waits for a connection, at most `timeout` seconds: whether there is one.

        Without one the next call says what is wrong.
        """
        try:
            grpc.channel_ready_future(self._channel).result(timeout)
        except grpc.FutureTimeoutError:
            return False
        return True

    def close(self) -> None:
        """Ends the connection; calls in progress are cancelled."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _events(
        self, request: pb.SimulateStreamRequest, deadline: Deadline
    ) -> Generator[Progress | SimulationResult, None, None]:
        call = self._simulations.SimulateStream(
            request, **self._call(deadline.left(), request.request.network)
        )
        try:
            with self._errors(request.request.network):
                for event in call:
                    yield _messages.event(event)
        finally:
            call.cancel()  # no effect after the end

    def _open(self) -> None:
        credentials, options = self._connection.credentials, self._connection.options
        self._channel = (
            grpc.insecure_channel(self.address, options)
            if credentials is None
            else grpc.secure_channel(self.address, credentials, options)
        )
        self._networks = network_grpc.NetworkServiceStub(self._channel)
        self._simulations = simulation_grpc.SimulationServiceStub(self._channel)

    def _run(self, draft: Draft, deadline: Deadline) -> Run:
        """The requests of a call, which may take what the server says of the network."""
        info = None
        if draft.needs_info(self._inputs_of(draft.network, draft.options.version)):
            info = self.get(draft.network, draft.options.version, timeout=deadline.left())
            self._remember(draft.network, draft.options.version, info)
        return draft.run(info, self._limits)

    def _ask(
        self, method: Callable[..., Answer], request: object, timeout: float | None, network: str = ""
    ) -> Answer:
        """One call that has one answer."""
        with self._errors(network):
            return method(request, **self._call(timeout, network))
