"""What an error tells beside its code and message, in the trailer grpc-status-details-bin."""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, message_factory
from google.protobuf.message import DecodeError


def _details_type() -> Any:
    """google.rpc.Status, as far as it is looked at.

    In a pool of its own: the packages that have the whole of it register the name in the common one.
    """
    file = descriptor_pb2.FileDescriptorProto(name="details.proto", package="google.rpc", syntax="proto3")
    file.dependency.extend([any_pb2.DESCRIPTOR.name, duration_pb2.DESCRIPTOR.name])
    field = descriptor_pb2.FieldDescriptorProto
    status, retry = file.message_type.add(name="Status"), file.message_type.add(name="RetryInfo")
    status.field.add(
        name="details", number=3, label=field.LABEL_REPEATED, type=field.TYPE_MESSAGE,
        type_name=".google.protobuf.Any",
    )  # fmt: skip
    retry.field.add(
        name="retry_delay", number=1, label=field.LABEL_OPTIONAL, type=field.TYPE_MESSAGE,
        type_name=".google.protobuf.Duration",
    )  # fmt: skip
    pool: Any = descriptor_pool.DescriptorPool()
    for known in (any_pb2.DESCRIPTOR, duration_pb2.DESCRIPTOR):
        pool.AddSerializedFile(known.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClassesForFiles([file.name], pool)


_DETAILS = _details_type()


def retry_after(details: bytes) -> float | None:
    """Seconds, of google.rpc.RetryInfo in the details of a status; None where there is none."""
    try:
        status = _DETAILS["google.rpc.Status"].FromString(details)
        for one in status.details:
            if one.type_url.endswith("/google.rpc.RetryInfo"):
                delay = _DETAILS["google.rpc.RetryInfo"].FromString(one.value).retry_delay
                return float(delay.seconds + delay.nanos / 1e9)
    except DecodeError:  # of something between, which has details of its own
        pass
    return None
