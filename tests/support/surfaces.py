"""One request by every way that there is to a server, and how each says that it was refused.

The ways: our own protocol, the Open Inference Protocol over gRPC and over HTTP, the Go client.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import numpy as np
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

import spikeserve
from spikeserve.v1 import simulation_pb2, simulation_pb2_grpc
from spikeserve.v1.network_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_UINT8

Refusal = tuple[str, str]  # code, message
DEADLINE = 30


@dataclass(frozen=True)
class Ask:
    """A request to run samples of float32, or of bytes."""

    network: str = "net"
    version: int = 0
    name: str = "input"
    shape: tuple[int, ...] = (2, 4)
    values: tuple[float, ...] = field(default=(0.5,) * 8)
    uint8: bool = False
    steps: int = 10
    token: str = ""

    @property
    def data(self) -> bytes:
        return np.asarray(self.values, "u1" if self.uint8 else "<f4").tobytes()

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


def _channel(server: spikeserve.LocalServer, root_cert: Path | None) -> grpc.Channel:
    options = [("grpc.max_send_message_length", -1)]
    if root_cert is None:
        return grpc.insecure_channel(server.address, options)
    credentials = grpc.ssl_channel_credentials(root_cert.read_bytes())
    return grpc.secure_channel(server.address, credentials, options)


def _refusal(call: Any) -> Refusal:
    try:
        call()
    except grpc.RpcError as error:
        failed: Any = error
        return str(failed.code().name), str(failed.details())
    return "OK", ""


def native(server: spikeserve.LocalServer, ask: Ask, root_cert: Path | None = None) -> Refusal:
    request = simulation_pb2.SimulateRequest(network=ask.network, version=ask.version, steps=ask.steps)
    request.inputs.add(
        name=ask.name,
        data_type=DATA_TYPE_UINT8 if ask.uint8 else DATA_TYPE_FLOAT32,
        shape=ask.shape,
        data=ask.data,
    )
    with _channel(server, root_cert) as channel:
        stub: Any = simulation_pb2_grpc.SimulationServiceStub(channel)
        return _refusal(lambda: stub.Simulate(request, timeout=DEADLINE, metadata=ask.metadata))


def inference_messages(server: spikeserve.LocalServer) -> dict[str, Any]:
    """The messages of the Open Inference Protocol, as the server itself describes them."""
    with grpc.insecure_channel(server.address) as channel:
        pool: Any = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        file = pool.FindFileContainingSymbol("inference.GRPCInferenceService")
        return {
            name: message_factory.GetMessageClass(message)
            for name, message in file.message_types_by_name.items()
        }


def inference(
    server: spikeserve.LocalServer, ask: Ask, messages: dict[str, Any], root_cert: Path | None = None
) -> Refusal:
    request = messages["ModelInferRequest"](model_name=ask.network)
    request.model_version = "" if ask.version == 0 else str(ask.version)
    request.inputs.add(name=ask.name, datatype="UINT8" if ask.uint8 else "FP32", shape=ask.shape)
    request.raw_input_contents.append(ask.data)
    request.parameters["steps"].int64_param = ask.steps
    with _channel(server, root_cert) as channel:
        call: Any = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=messages["ModelInferRequest"].SerializeToString,
            response_deserializer=messages["ModelInferResponse"].FromString,
        )
        return _refusal(lambda: call(request, timeout=DEADLINE, metadata=ask.metadata))


def rest(server: spikeserve.LocalServer, ask: Ask, root_cert: Path | None = None) -> Refusal:
    tensor = {
        "name": ask.name,
        "datatype": "UINT8" if ask.uint8 else "FP32",
        "shape": list(ask.shape),
        "parameters": {"binary_data_size": len(ask.data)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"steps": ask.steps}}).encode()
    version = "" if ask.version == 0 else f"/versions/{ask.version}"
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
        **dict(ask.metadata),
    }
    host, _, port = server.http_address.rpartition(":")
    if root_cert is None:
        connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
    else:
        context = ssl.create_default_context(cafile=str(root_cert))
        connection = http.client.HTTPSConnection(host, int(port), timeout=DEADLINE, context=context)
    try:
        path = f"/v2/models/{quote(ask.network, safe='')}{version}/infer"
        connection.request("POST", path, head + ask.data, headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        return ("OK", "") if answer.status == 200 else (body["code"], body["error"])
    except ssl.SSLError as error:
        return "UNAVAILABLE", str(error)
    finally:
        connection.close()


def go(
    server: spikeserve.LocalServer, asks: list[Ask], program: Path, root_cert: Path | None = None
) -> list[Refusal]:
    requests = [
        {
            "network": ask.network,
            "version": ask.version,
            "input": ask.name,
            "shape": ask.shape,
            "values": [] if ask.uint8 else ask.values,
            "data": base64.b64encode(ask.data).decode() if ask.uint8 else None,
            "steps": ask.steps,
            "token": ask.token,
        }
        for ask in asks
    ]
    command = [str(program), server.address, *([] if root_cert is None else [str(root_cert)])]
    done = subprocess.run(
        command, input=json.dumps(requests), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    return [(code, message) for code, message in json.loads(done.stdout)]
