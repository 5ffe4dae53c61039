"""A gRPC server in this process that answers like spikeserve-server, with arithmetic to check by eye.

Its one output probe answers [sum(sample), sum(sample) * steps], so class 1 wins for positive sums.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2_grpc as health_grpc

from spikeserve.v1 import network_pb2 as network_pb
from spikeserve.v1 import network_pb2_grpc as network_grpc
from spikeserve.v1 import simulation_pb2 as pb
from spikeserve.v1 import simulation_pb2_grpc as simulation_grpc

DTYPES: dict[int, Any] = {
    network_pb.DATA_TYPE_FLOAT32: np.float32,
    network_pb.DATA_TYPE_FLOAT64: np.float64,
    network_pb.DATA_TYPE_UINT8: np.uint8,
}


class FakeServer(network_grpc.NetworkServiceServicer, simulation_grpc.SimulationServiceServicer):
    """Keeps what it received, and fails on request: `failures` are raised by the next calls, in order."""

    def __init__(self, health: health_grpc.HealthServicer | None = None) -> None:
        self.networks: dict[tuple[str, int], network_pb.NetworkInfo] = {}
        self.payload = b""
        self.chunks = 0
        self.requests: list[pb.SimulateRequest] = []
        self.metadata: dict[str, str] = {}
        self.calls: list[str] = []
        self.failures: list[tuple[grpc.StatusCode, str]] = []
        self.accept_bytes = True
        self.mode = network_pb.MODE_EXACT
        self.latency_s = 0.0
        self.sha256 = ""
        self.inputs: dict[str, tuple[int, ...]] = {"input": (2,)}
        self.outputs: tuple[int, ...] = (2,)
        self.output_kind = network_pb.OUTPUT_KIND_UNSPECIFIED
        self.activation = network_pb.OutputActivation()  # that is left to clients
        self.warnings: list[str] = []
        self.stream_cancelled = futures.Future[bool]()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)]
        )
        network_grpc.add_NetworkServiceServicer_to_server(self, self._server)
        simulation_grpc.add_SimulationServiceServicer_to_server(self, self._server)
        if health is not None:
            health_grpc.add_HealthServicer_to_server(health, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def _begin(self, call: str, context: Any) -> None:
        self.calls.append(call)
        self.metadata = {key: str(value) for key, value in context.invocation_metadata()}
        time.sleep(self.latency_s)
        if self.failures:
            context.abort(*self.failures.pop(0))

    def LoadNetwork(self, request_iterator: Any, context: Any) -> network_pb.LoadNetworkResponse:  # noqa: N802
        self._begin("LoadNetwork", context)
        header = next(request_iterator).header
        chunks = [request.chunk for request in request_iterator]
        self.payload, self.chunks = b"".join(chunks), len(chunks)
        if len(self.payload) != header.total_bytes or hashlib.sha256(self.payload).digest() != header.sha256:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "total_bytes or sha256 do not match")
        version = header.version or 1 + max((v for n, v in self.networks if n == header.name), default=0)
        info = network_pb.NetworkInfo(
            name=header.name, version=version, state=network_pb.NETWORK_STATE_READY, mode=header.mode
        )
        self.networks[header.name, version] = info
        return network_pb.LoadNetworkResponse(network=info)

    def UnloadNetwork(self, request: Any, context: Any) -> network_pb.UnloadNetworkResponse:  # noqa: N802
        self._begin("UnloadNetwork", context)
        gone = [key for key in self.networks if key[0] == request.name and request.version in (0, key[1])]
        for key in gone:
            del self.networks[key]
        return network_pb.UnloadNetworkResponse(versions=[version for _, version in gone])

    def SetAlias(self, request: Any, context: Any) -> network_pb.SetAliasResponse:  # noqa: N802
        self._begin("SetAlias", context)
        version = request.version or max(v for n, v in self.networks if n == request.name)
        for info in self.networks.values():
            if request.alias in info.aliases:
                info.aliases.remove(request.alias)
        self.networks[request.name, version].aliases.append(request.alias)
        return network_pb.SetAliasResponse(version=version)

    def DeleteAlias(self, request: Any, context: Any) -> network_pb.DeleteAliasResponse:  # noqa: N802
        self._begin("DeleteAlias", context)
        info = next(info for info in self.networks.values() if request.alias in info.aliases)
        info.aliases.remove(request.alias)
        return network_pb.DeleteAliasResponse(version=info.version)

    def GetNetwork(self, request: Any, context: Any) -> network_pb.GetNetworkResponse:  # noqa: N802
        self._begin("GetNetwork", context)
        types = [network_pb.DATA_TYPE_FLOAT32, network_pb.DATA_TYPE_FLOAT64]
        if self.accept_bytes:
            types.append(network_pb.DATA_TYPE_UINT8)
        info = network_pb.NetworkInfo(
            name=request.name,
            version=request.version or 3,
            state=network_pb.NETWORK_STATE_READY,
            mode=self.mode,
            sha256=self.sha256,
            inputs=[
                network_pb.InputInfo(name=name, shape=shape, data_types=types)
                for name, shape in self.inputs.items()
            ],
            probes=[
                network_pb.ProbeInfo(
                    name="output",
                    quantity=network_pb.PROBE_QUANTITY_OUTPUT,
                    shape=self.outputs,
                    activation=self.activation,
                )
            ],
            defaults=network_pb.RunDefaults(output_kind=self.output_kind),
        )
        return network_pb.GetNetworkResponse(network=info)

    def ListNetworks(self, request: Any, context: Any) -> network_pb.ListNetworksResponse:  # noqa: N802
        self._begin("ListNetworks", context)
        return network_pb.ListNetworksResponse(networks=self.networks.values())

    def Simulate(self, request: Any, context: Any) -> pb.SimulateResponse:  # noqa: N802
        self._begin("Simulate", context)
        self.requests.append(request)
        return self._answer(request, request.steps or 10)

    def _answer(self, request: pb.SimulateRequest, steps: int) -> pb.SimulateResponse:
        """With what is left to clients, and what they are warned of."""
        response = answer(request, steps, self.outputs[0])
        if self.activation.function:
            response.probes[0].activation.CopyFrom(self.activation)
        response.warnings.extend(self.warnings)
        return response

    def SimulateStream(self, request: Any, context: Any) -> Iterator[pb.SimulateStreamResponse]:  # noqa: N802
        context.add_callback(lambda: self.stream_cancelled.set_result(True))
        self._begin("SimulateStream", context)
        steps = request.request.steps or 10
        for done in range(request.report_every, steps, request.report_every):
            part = self._answer(request.request, done)
            yield pb.SimulateStreamResponse(
                progress=pb.Progress(steps_done=done, probes=part.probes, classification=part.classification)
            )
            if request.request.network == "endless":
                while context.is_active():
                    time.sleep(0.01)
                return
        yield pb.SimulateStreamResponse(result=self._answer(request.request, steps))

    def Session(self, request_iterator: Any, context: Any) -> Iterator[pb.SessionResponse]:  # noqa: N802
        self._begin("Session", context)
        done = 0
        for request in request_iterator:
            kind = request.WhichOneof("message")
            if kind == "open":
                settings = pb.EffectiveSettings(network=request.open.settings.network, version=7)
                yield pb.SessionResponse(opened=pb.SessionOpened(settings=settings))
            elif kind == "reset":
                done = 0
                yield pb.SessionResponse(reset=pb.SessionResetDone())
            else:
                done += request.advance.steps
                part = self._answer(pb.SimulateRequest(inputs=request.advance.inputs), done)
                yield pb.SessionResponse(
                    progress=pb.SessionProgress(
                        steps_done=done,
                        probes=part.probes,
                        classification=part.classification,
                        warnings=part.warnings,
                    )
                )


def answer(request: pb.SimulateRequest, steps: int, size: int = 2) -> pb.SimulateResponse:
    """The response for a request, as the module comment says, with `size` outputs."""
    array = request.inputs[0]
    values = np.frombuffer(array.data, DTYPES[array.data_type]).reshape(tuple(array.shape)).astype(np.float32)
    total = values.reshape(len(values), -1).sum(axis=1)
    outputs = np.stack([total, total * steps], axis=1)[:, :size]
    message = pb.Array(data_type=network_pb.DATA_TYPE_FLOAT32, shape=outputs.shape, data=outputs.tobytes())
    probe = pb.ProbeResult(name="output", outputs=message)
    if request.trajectories:
        steps_of = np.repeat(outputs[:, None], steps, axis=1)
        probe.trajectory.CopyFrom(
            pb.Array(data_type=network_pb.DATA_TYPE_FLOAT32, shape=steps_of.shape, data=steps_of.tobytes())
        )
    margins = np.abs(outputs[:, 0] - outputs[:, 1]) if size > 1 else np.full(len(outputs), np.inf)
    order = np.argsort(-outputs, axis=1, kind="stable")
    classification = pb.Classification(classes=order[:, 0], margins=margins)
    for row, ranks in zip(outputs, order[:, : request.top_k], strict=True):
        if request.top_k:
            classification.top_k.append(pb.TopK(classes=ranks, values=row[ranks]))
    if request.softmax:
        classification.scores.CopyFrom(message)
    response = pb.SimulateResponse(
        probes=[probe],
        classification=classification,
        timing=pb.Timing(queue_s=0.1, compute_s=0.2, total_s=0.4, batch_size=len(values)),
        settings=pb.EffectiveSettings(
            network=request.network, version=request.version or 7, dt=request.dt or 0.001, steps=steps,
            seed=request.seed, mode=network_pb.MODE_EXACT, backend="fake", readout=request.readout,
        ),
    )  # fmt: skip
    if request.statistics:
        response.statistics.append(
            pb.LayerStatistics(
                layer="hidden", neurons=4, spikes=10 * len(values), mean_rate_hz=float(total.mean()),
                max_rate_hz=float(total.max()), silent_fraction=0.5, synaptic_operations=20 * len(values),
            )
        )  # fmt: skip
    return response
