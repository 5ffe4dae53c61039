"""Services of a running server as it describes them itself, and their messages, without generated code."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


class Reflected:
    """What the server at the other end of a channel says of itself."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self._database)

    def services(self) -> list[str]:
        """Full names."""
        return sorted(self._database.get_services())

    def methods(self, service: str) -> list[MethodDescriptor]:
        """All methods of a service."""
        return list(self._service(service).methods)

    def message(self, name: str, **fields: Any) -> Message:
        """A message of the type with that full name."""
        descriptor: Descriptor = self._pool.FindMessageTypeByName(name)  # type: ignore[no-untyped-call]
        return GetMessageClass(descriptor)(**fields)

    def call(self, path: str, request: str = "{}") -> str:
        """What a unary method (/SERVICE/METHOD) answers, in JSON both; grpc.RpcError where it refuses."""
        service, _, name = path.removeprefix("/").partition("/")
        method = self._service(service).methods_by_name[name]
        invoke: grpc.UnaryUnaryMultiCallable[Message, Message] = self._channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        message = json_format.Parse(request, GetMessageClass(method.input_type)())
        return json_format.MessageToJson(invoke(message, timeout=60))

    def _service(self, name: str) -> ServiceDescriptor:
        service: ServiceDescriptor = self._pool.FindServiceByName(name)  # type: ignore[no-untyped-call]
        return service


def path_of(method: MethodDescriptor) -> str:
    """The name of a method in a call: /SERVICE/METHOD."""
    return f"/{method.containing_service.full_name}/{method.name}"
