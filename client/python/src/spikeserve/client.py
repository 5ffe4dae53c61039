"""The blocking client."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import numpy.typing as npt

from spikeserve import _arrays, _messages, _requests
from spikeserve._channel import (
    DEFAULT_LOAD_TIMEOUT,
    DEFAULT_MAX_BATCH,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_TIMEOUT,
    Connection,
    Deadline,
    PathOrBytes,
)
from spikeserve._requests import Limits, Options, RunOptions
from spikeserve._upload import OnProgress, upload
from spikeserve.errors import from_rpc
from spikeserve.network import Network
from spikeserve.results import NetworkInfo, Progress, SimulationResult
from spikeserve.session import Session, for_session, opening
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import network_pb2_grpc as network_grpc
from spikeserve.v1 import simulation_pb2 as pb
from spikeserve.v1 import simulation_pb2_grpc as simulation_grpc

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Client:
    """Talks to one spikeserve server. Safe for use by several threads; close it, or use it in a `with`.

    `address`: HOST:PORT or unix:PATH. `token` is sent as a bearer token with every call. TLS is used with
    `tls` (the system's root certificates) or with `root_cert`; `client_cert` and `client_key` identify the
    client. Certificates are paths of PEM files, or their bytes. `timeout`: seconds per call, None: no limit.
    Batches above `max_message_bytes` or `max_batch` samples go out as several requests, one after the other.

    Calls raise SpikeserveError, by status code one of its subclasses, and ValueError for arguments that
    cannot be sent. A call that changes nothing is repeated up to 3 times where the server is UNAVAILABLE.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        root_cert: PathOrBytes | None = None,
        client_cert: PathOrBytes | None = None,
        client_key: PathOrBytes | None = None,
        tls: bool = False,
        timeout: float | None = DEFAULT_TIMEOUT,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        max_batch: int = DEFAULT_MAX_BATCH,
    ) -> None:
        self._connection = Connection(
            address, token, root_cert, client_cert, client_key, tls, timeout, max_message_bytes
        )
        self._limits = Limits(max_message_bytes, max_batch)
        credentials, options = self._connection.credentials, self._connection.options
        self._channel = (
            grpc.insecure_channel(address, options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options)
        )
        self._networks = network_grpc.NetworkServiceStub(self._channel)
        self._simulations = simulation_grpc.SimulationServiceStub(self._channel)

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._connection.address

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
        `mode`: "exact", "fast" (16-bit weights between spiking layers) or "reference" (float64, slow).
        `on_progress(done_bytes, total_bytes)` is called by another thread. AlreadyExistsError;
        InvalidArgumentError lists every violation of the network.
        """
        messages = upload(name, network, version, mode, on_progress)
        with self._errors():
            answer = self._networks.LoadNetwork(messages, **self._call(timeout))
        return answer.network.version

    def unload(self, name: str, version: int = 0, *, timeout: float | None = None) -> list[int]:
        """Removes a version, or all of them (0), from memory and disk; returns which. NotFoundError."""
        request = network_pb.UnloadNetworkRequest(name=name, version=version)
        with self._errors():
            return list(self._networks.UnloadNetwork(request, **self._call(self._timeout(timeout))).versions)

    def get(self, name: str, version: int = 0, *, timeout: float | None = None) -> NetworkInfo:
        """What the server knows about a version; 0 is the highest that is ready. NotFoundError."""
        request = network_pb.GetNetworkRequest(name=name, version=version)
        with self._errors():
            return _messages.network_info(
                self._networks.GetNetwork(request, **self._call(self._timeout(timeout))).network
            )

    def list(self, *, timeout: float | None = None) -> tuple[NetworkInfo, ...]:
        """All networks and versions."""
        with self._errors():
            answer = self._networks.ListNetworks(
                network_pb.ListNetworksRequest(), **self._call(self._timeout(timeout))
            )
        return tuple(_messages.network_info(item) for item in answer.networks)

    def simulate(
        self,
        network: str,
        inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
        **options: Unpack[RunOptions],
    ) -> SimulationResult:
        """Runs a batch and returns outputs, classes and margins of every sample.

        `inputs`: [batch, shape...], or [batch, steps, shape...] for input that varies in time; a dict by
        input name for several inputs. uint8 goes out as bytes where the network takes them, else as the same
        numbers in float32. `on_progress(done, total)` counts samples, after each request. `timeout`: seconds
        over the whole call. Options are those of RunOptions: version, steps, dt, seed, readout,
        initial_voltage, probes, trajectories, statistics, softmax, top_k, encoding, early_exit, record.
        """
        chosen, deadline = Options(**options), Deadline(self._timeout(timeout))
        chosen, arrays, fitting = self._prepare(network, chosen, inputs, deadline)
        total, done = _requests.batch_size(arrays), 0
        results: list[SimulationResult] = []
        for part in _requests.parts(arrays, fitting):
            with self._errors():
                answer = self._simulations.Simulate(
                    chosen.request(network, part, done), **self._call(deadline.left())
                )
            results.append(_messages.result(answer))
            chosen = replace(chosen, version=answer.settings.version)  # all parts by one version
            done += _requests.batch_size(part)
            if on_progress is not None:
                on_progress(done, total)
        return _requests.join(results)

    def stream(
        self,
        network: str,
        inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        *,
        report_every: int,
        timeout: float | None = None,
        **options: Unpack[RunOptions],
    ) -> Generator[Progress | SimulationResult, None, None]:
        """Runs a batch and yields a Progress after every `report_every` steps, then the SimulationResult.

        Arguments as in `simulate`. A slow reader may miss some updates, never the result. The batch must fit
        into one request. Closing the iterator cancels the run.
        """
        chosen, deadline = Options(**options), Deadline(self._timeout(timeout))
        chosen, arrays, fitting = self._prepare(network, chosen, inputs, deadline)
        _requests.check_one_request(arrays, fitting)
        request = pb.SimulateStreamRequest(request=chosen.request(network, arrays), report_every=report_every)
        return self._events(request, deadline)

    def session(
        self, network: str, batch: int, *, timeout: float | None = None, **options: Unpack[RunOptions]
    ) -> Session:
        """Opens a session for `batch` samples, whose state lives on between its messages.

        Options as in `simulate` but steps, encoding and early_exit. `timeout`: seconds for the whole session,
        default: none.
        """
        chosen = for_session(Options(**options))
        info = self.get(network, chosen.version)
        call = self._call(timeout)
        return Session(
            lambda requests: self._simulations.Session(requests, **call),
            self.address,
            opening(network, batch, chosen, info),
            info,
        )

    def wait_until_reached(self, timeout: float) -> None:
        """Waits for a connection, at most `timeout` seconds. Without one the next call says what is wrong."""
        with contextlib.suppress(grpc.FutureTimeoutError):
            grpc.channel_ready_future(self._channel).result(timeout)

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
        call = self._simulations.SimulateStream(request, **self._call(deadline.left()))
        try:
            with self._errors():
                for event in call:
                    yield _messages.event(event)
        finally:
            call.cancel()  # no effect after the end

    def _prepare(
        self,
        network: str,
        options: Options,
        inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        deadline: Deadline,
    ) -> tuple[Options, _arrays.Inputs, int]:
        """Options and arrays as they are sent, and how many samples of them fit into one request."""
        arrays = _arrays.as_inputs(inputs)
        info = None
        if options.trajectories or options.record or _arrays.needs_info(arrays):
            info = self.get(network, options.version, timeout=deadline.left())
        arrays = _arrays.choose_types(arrays, info)
        options = options.resolved(info)
        answer_bytes = _requests.answer_bytes(options, info)
        return options, arrays, _requests.samples_per_request(arrays, self._limits, answer_bytes)

    def _timeout(self, given: float | None) -> float | None:
        return self._connection.timeout if given is None else given

    def _call(self, timeout: float | None) -> dict[str, Any]:
        return {"timeout": timeout, "metadata": self._connection.metadata}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise from_rpc(error, self.address) from None
