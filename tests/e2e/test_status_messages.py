"""Every status that is not OK has a message, whatever is called with whatever bytes.

Some clients take a status without one for success.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import grpc
import pytest
import servers
from google.protobuf.descriptor import MethodDescriptor
from reflected import Reflected, path_of

import spikeserve

GARBAGE = {
    "nothing": b"",
    "no message": b"\xff\xff\xff\xff",
    "a field that ends early": b"\x0a\x7f",
    "an unknown field": b"\xfa\x7f\x01x",
    "text that is not UTF-8": b"\x0a\x02\xc3\x28",
    "many bytes": bytes(range(256)) * 64,
}


@pytest.fixture
def channel(server: spikeserve.LocalServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def status(channel: grpc.Channel, path: str, kind: str, bodies: list[bytes]) -> tuple[grpc.StatusCode, str]:
    """How a call ends, and with which message; answers are read and forgotten.

    `kind` is unary_unary, unary_stream, stream_unary or stream_stream. A call that only ends when the client
    does is cancelled after its first answer.
    """
    call = getattr(channel, kind)(path)
    sent = bodies[0] if kind.startswith("unary") else iter(bodies)
    try:
        if kind.endswith("unary"):
            call(sent, timeout=60)
        else:
            answers = call(sent, timeout=60)
            next(answers, None)
            answers.cancel()
            list(answers)
    except grpc.RpcError as error:
        return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


def kind_of(method: MethodDescriptor) -> str:
    sides = (method.client_streaming, method.server_streaming)
    return "_".join("stream" if streams else "unary" for streams in sides)


def test_every_method_refuses_with_a_message(channel: grpc.Channel, server: spikeserve.LocalServer) -> None:
    reflected = Reflected(channel)
    silent, codes, methods = [], set(), 0
    for service in reflected.services():
        for method in reflected.methods(service):
            methods += 1
            for name, body in GARBAGE.items():
                code, message = status(channel, path_of(method), kind_of(method), [body])
                codes.add(code)
                if code is not grpc.StatusCode.OK and not message.strip():
                    silent.append(f"{path_of(method)} with {name}: {code.name} without a message")
    assert silent == []
    assert methods >= 30
    assert {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED} <= codes
    assert servers.http_get(server, "/healthz")


KINDS = ["_".join(sides) for sides in itertools.product(("unary", "stream"), repeat=2)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "path",
    [
        "/spikeserve.v1.SimulationService/Absent",
        "/inference.GRPCInferenceService/Absent",
        "/grpc.health.v1.Health/Absent",
        "/grpc.reflection.v1.ServerReflection/Absent",
        "/absent.Service/Method",
        "/absent",
        "/",
    ],
)
@pytest.mark.parametrize("body", ["nothing", "no message"])
def test_an_unknown_method_is_refused_with_a_message(
    channel: grpc.Channel, path: str, kind: str, body: str
) -> None:
    code, message = status(channel, path, kind, [GARBAGE[body]])
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert "spikeserve.v1.SimulationService" in message
