"""The asyncio client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio
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
from spikeserve.session import AsyncSession, for_session, opening
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import network_pb2_grpc as network_grpc
from spikeserve.v1 import simulation_pb2 as pb
from spikeserve.v1 import simulation_pb2_grpc as simulation_grpc

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncClient:
    """`Client` for asyncio: the same arguments, results and errors. For one event loop.

    Make it inside the running loop; close it, or use it in an `async with`.
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
            grpc.aio.insecure_channel(address, options)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options)
        )
        # The generated stub class serves both kinds of channel; only its type differs.
        self._networks = cast(
            "network_grpc.NetworkServiceAsyncStub", network_grpc.NetworkServiceStub(self._channel)
        )
        self._simulations = cast(
            "simulation_grpc.SimulationServiceAsyncStub", simulation_grpc.SimulationServiceStub(self._channel)
        )

    @property
    def address(self) -> str:
        """Where the server is."""
        return self._connection.address

    async def load(
        self,
        name: str,
        network: Network,
        *,
        version: int = 0,
        mode: str = "exact",
        on_progress: OnProgress | None = None,
        timeout: float | None = DEFAULT_LOAD_TIMEOUT,
    ) -> int:
        """Uploads a network and returns its version once it is ready; see `Client.load`."""
        messages = upload(name, network, version, mode, on_progress)
        with self._errors():
            answer = await self._networks.LoadNetwork(messages, **self._call(timeout))
        return answer.network.version

    async def unload(self, name: str, version: int = 0, *, timeout: float | None = None) -> list[int]:
        """Removes a version, or all of them (0); returns which. See `Client.unload`."""
        request = network_pb.UnloadNetworkRequest(name=name, version=version)
        with self._errors():
            answer = await self._networks.UnloadNetwork(request, **self._call(self._timeout(timeout)))
        return [*answer.versions]

    async def get(self, name: str, version: int = 0, *, timeout: float | None = None) -> NetworkInfo:
        """What the server knows about a version; 0 is the highest that is ready. See `Client.get`."""
        request = network_pb.GetNetworkRequest(name=name, version=version)
        with self._errors():
            answer = await self._networks.GetNetwork(request, **self._call(self._timeout(timeout)))
        return _messages.network_info(answer.network)

    async def list(self, *, timeout: float | None = None) -> tuple[NetworkInfo, ...]:
        """All networks and versions."""
        request = network_pb.ListNetworksRequest()
        with self._errors():
            answer = await self._networks.ListNetworks(request, **self._call(self._timeout(timeout)))
        return tuple(_messages.network_info(item) for item in answer.networks)

    async def simulate(
        self,
        network: str,
        inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
        **options: Unpack[RunOptions],
    ) -> SimulationResult:
        """Runs a batch and returns outputs, classes and margins of every sample; see `Client.simulate`."""
        chosen, deadline = Options(**options), Deadline(self._timeout(timeout))
        chosen, arrays, fitting = await self._prepare(network, chosen, inputs, deadline)
        total, done = _requests.batch_size(arrays), 0
        results: list[SimulationResult] = []
        for part in _requests.parts(arrays, fitting):
            request = chosen.request(network, part, done)
            with self._errors():
                answer = await self._simulations.Simulate(request, **self._call(deadline.left()))
            results.append(_messages.result(answer))
            chosen = replace(chosen, version=answer.settings.version)  # all parts by one version
            done += _requests.batch_size(part)
            if on_progress is not None:
                on_progress(done, total)
        return _requests.join(results)

    async def stream(
        self,
        network: str,
        inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike],
        *,
        report_every: int,
        timeout: float | None = None,
        **options: Unpack[RunOptions],
    ) -> AsyncGenerator[Progress | SimulationResult, None]:
        """Runs a batch and yields a Progress after every `report_every` steps, then the SimulationResult.

        See `Client.stream`. Closing the generator cancels the run.
        """
        chosen, deadline = Options(**options), Deadline(self._timeout(timeout))
        chosen, arrays, fitting = await self._prepare(network, chosen, inputs, deadline)
        _requests.check_one_request(arrays, fitting)
        request = pb.SimulateStreamRequest(request=chosen.request(network, arrays), report_every=report_every)
        call = self._simulations.SimulateStream(request, **self._call(deadline.left()))
        try:
            with self._errors():
                async for event in call:
                    yield _messages.event(event)
        finally:
            call.cancel()  # no effect after the end

    async def session(
        self, network: str, batch: int, *, timeout: float | None = None, **options: Unpack[RunOptions]
    ) -> AsyncSession:
        """Opens a session for `batch` samples; see `Client.session`.

        `async with await client.session(...) as session`.
        """
        chosen = for_session(Options(**options))
        info = await self.get(network, chosen.version)
        message = opening(network, batch, chosen, info)
        call = self._simulations.Session(**self._call(timeout))
        return await AsyncSession(call, self.address, info).open(message)

    async def close(self) -> None:
        """Ends the connection; calls in progress are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _prepare(
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
            info = await self.get(network, options.version, timeout=deadline.left())
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
