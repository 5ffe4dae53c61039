"""The asyncio client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar, cast

import grpc.aio

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
from spikeserve.session import OF_ADVANCE, AsyncSession
from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import network_pb2_grpc as network_grpc
from spikeserve.v1 import simulation_pb2_grpc as simulation_grpc

if TYPE_CHECKING:
    from typing_extensions import Unpack

Answer = TypeVar("Answer")


class AsyncClient(ClientBase):
    """`Client` for asyncio: the same arguments, results and errors. For one event loop.

    Make it inside the running loop; close it, or use it in an `async with`.
    """

    @checked
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
        self._forget(name)
        return (await self._ask(self._networks.LoadNetwork, messages, timeout, name)).network.version

    @checked
    async def unload(self, name: str, version: int = 0, *, timeout: float | None = None) -> list[int]:
        """Removes a version, or all of them (0); returns which. See `Client.unload`."""
        request = network_pb.UnloadNetworkRequest(name=name, version=version)
        answer = await self._ask(self._networks.UnloadNetwork, request, self._timeout(timeout), name)
        return [*answer.versions]

    @checked
    async def set_alias(
        self, name: str, alias: str, version: int = 0, *, timeout: float | None = None
    ) -> int:
        """Lets NAME@ALIAS stand for a version; returns for which. See `Client.set_alias`."""
        request = network_pb.SetAliasRequest(name=name, alias=alias, version=version)
        return (await self._ask(self._networks.SetAlias, request, self._timeout(timeout), name)).version

    @checked
    async def delete_alias(self, name: str, alias: str, *, timeout: float | None = None) -> int:
        """Forgets an alias; returns the version for which it stood. See `Client.delete_alias`."""
        request = network_pb.DeleteAliasRequest(name=name, alias=alias)
        return (await self._ask(self._networks.DeleteAlias, request, self._timeout(timeout), name)).version

    @checked
    async def get(self, name: str, version: int = 0, *, timeout: float | None = None) -> NetworkInfo:
        """What the server knows about a version; 0 is the highest that is ready. See `Client.get`."""
        request = network_pb.GetNetworkRequest(name=name, version=version)
        answer = await self._ask(self._networks.GetNetwork, request, self._timeout(timeout), name)
        return _messages.network_info(answer.network)

    @checked
    async def list(self, *, timeout: float | None = None) -> NetworkInfos:
        """All networks and versions."""
        request = network_pb.ListNetworksRequest()
        answer = await self._ask(self._networks.ListNetworks, request, self._timeout(timeout))
        return _messages.network_infos(answer.networks)

    @with_options(RUN_PARAMETERS)
    async def simulate(
        self,
        network: str,
        inputs: Given,
        *,
        on_progress: OnProgress | None = None,
        timeout: float | None = None,
        **options: Unpack[RunOptions],
    ) -> SimulationResult:
        """Runs a batch and returns outputs, classes and margins of every sample; see `Client.simulate`."""
        deadline = self._deadline(timeout)
        run = await self._run(draft(network, inputs, options), deadline)
        for request in run.requests():
            answer = await self._ask(self._simulations.Simulate, request, deadline.left(), network)
            run.add(answer, on_progress)
        return run.result()

    @with_options(RUN_PARAMETERS)
    async def stream(
        self,
        network: str,
        inputs: Given,
        *,
        report_every: int,
        timeout: float | None = None,
        **options: Unpack[RunOptions],
    ) -> AsyncGenerator[Progress | SimulationResult, None]:
        """Runs a batch and yields a Progress after every `report_every` steps, then the SimulationResult.

        See `Client.stream`. Closing the generator cancels the run.
        """
        deadline = self._deadline(timeout)
        run = await self._run(draft(network, inputs, options), deadline)
        request = run.stream_request(report_every)
        call = self._simulations.SimulateStream(
            request, **self._call(deadline.left(), request.request.network)
        )
        try:
            with self._errors(request.request.network):
                async for event in call:
                    yield _messages.event(event)
        finally:
            call.cancel()  # no effect after the end

    @with_options(SESSION_PARAMETERS, OF_ADVANCE)
    async def session(
        self,
        network: str,
        batch: int,
        *,
        replay: bool | int = False,
        timeout: float | None = None,
        **options: Unpack[SessionOptions],
    ) -> AsyncSession:
        """Opens a session for `batch` samples; see `Client.session`.

        `async with await client.session(...) as session`.
        """
        chosen = Options(**options)
        info = await self.get(network, chosen.version)
        deadline = Deadline(timeout)
        session = AsyncSession(
            lambda: self._simulations.Session(**self._call(deadline.left(), network)),
            self.address,
            opening(batch, chosen, info),
            info,
            replay,
        )
        return await session.open()

    async def close(self) -> None:
        """Ends the connection; calls in progress are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _open(self) -> None:
        credentials, options = self._connection.credentials, self._connection.options
        self._channel = (
            grpc.aio.insecure_channel(self.address, options)
            if credentials is None
            else grpc.aio.secure_channel(self.address, credentials, options)
        )
        # The generated stub class serves both kinds of channel; only its type differs.
        self._networks = cast(
            "network_grpc.NetworkServiceAsyncStub", network_grpc.NetworkServiceStub(self._channel)
        )
        self._simulations = cast(
            "simulation_grpc.SimulationServiceAsyncStub", simulation_grpc.SimulationServiceStub(self._channel)
        )

    async def _run(self, draft: Draft, deadline: Deadline) -> Run:
        """The requests of a call, which may take what the server says of the network."""
        info = None
        if draft.needs_info(self._inputs_of(draft.network, draft.options.version)):
            info = await self.get(draft.network, draft.options.version, timeout=deadline.left())
            self._remember(draft.network, draft.options.version, info)
        return draft.run(info, self._limits)

    async def _ask(
        self,
        method: Callable[..., Awaitable[Answer]],
        request: object,
        timeout: float | None,
        network: str = "",
    ) -> Answer:
        """One call that has one answer."""
        with self._errors(network):
            return await method(request, **self._call(timeout, network))
