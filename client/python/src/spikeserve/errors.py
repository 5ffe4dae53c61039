"""Exceptions of the client: one class per gRPC status code, each with the server's own message."""

from __future__ import annotations

from typing import Any

import grpc

from spikeserve.v1 import status_details


class SpikeserveError(Exception):
    """A call that failed. `code` is the gRPC status code, `message` what the server said.

    `request_id` names the call in the server's log and traces; empty where the server did not see it.
    `retry_after` is the time in seconds after which the server expects to have room; None where it said
    nothing.
    """

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    request_id: str = ""
    retry_after: float | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArgumentError(SpikeserveError, ValueError):
    """The request or the network breaks a rule; the message names the field, got and allowed."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class NotFoundError(SpikeserveError, LookupError):
    """No such network or version."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExistsError(SpikeserveError):
    """The version is loaded already."""

    code = grpc.StatusCode.ALREADY_EXISTS


class ResourceExhaustedError(SpikeserveError):
    """A limit, the memory budget or the queue is exhausted. Retrying at once makes it worse."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class FailedPreconditionError(SpikeserveError):
    """The server is not in a state that allows this."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class OutOfRangeError(SpikeserveError, ValueError):
    """A value is outside of what the run can reach."""

    code = grpc.StatusCode.OUT_OF_RANGE


class DeadlineExceededError(SpikeserveError, TimeoutError):
    """The answer did not come within the timeout."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class CallCancelledError(SpikeserveError):
    """The call was cancelled."""

    code = grpc.StatusCode.CANCELLED


class UnavailableError(SpikeserveError, ConnectionError):
    """No server there, or it is shutting down or still loading the network."""

    code = grpc.StatusCode.UNAVAILABLE


class UnauthenticatedError(SpikeserveError):
    """The token is missing or wrong."""

    code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDeniedError(SpikeserveError):
    """The token does not allow this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class DataLossError(SpikeserveError):
    """What is stored at the server is damaged."""

    code = grpc.StatusCode.DATA_LOSS


class AbortedError(SpikeserveError):
    """The call met another change of the same thing; it can be tried again."""

    code = grpc.StatusCode.ABORTED


class UnimplementedError(SpikeserveError):
    """The server does not know this call; it is probably older than the client."""

    code = grpc.StatusCode.UNIMPLEMENTED


class InternalError(SpikeserveError):
    """A fault of the server."""

    code = grpc.StatusCode.INTERNAL


_CUT = (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
_CANCELLED_HERE = "Locally cancelled by application!"  # what gRPC says where the call's own end was asked for
_RESET = "Connection reset by peer"  # of a connection that was taken
_UNHEALTHY = "backend unhealthy"  # what gRPC says of a server whose health service is not SERVING
_BY_CODE: dict[grpc.StatusCode, type[SpikeserveError]] = {
    cls.code: cls
    for cls in (
        InvalidArgumentError,
        NotFoundError,
        AlreadyExistsError,
        ResourceExhaustedError,
        FailedPreconditionError,
        OutOfRangeError,
        DeadlineExceededError,
        CallCancelledError,
        UnavailableError,
        UnauthenticatedError,
        PermissionDeniedError,
        DataLossError,
        AbortedError,
        UnimplementedError,
        InternalError,
    )
}


def from_rpc(error: grpc.RpcError, address: str, *, plain: bool = False) -> SpikeserveError:
    """The exception for a failed call; UNAVAILABLE also names the address.

    `plain` says that the client does not encrypt, which a server with TLS answers with a reset.
    """
    code = error.code() if callable(getattr(error, "code", None)) else grpc.StatusCode.UNKNOWN
    details = error.details() if callable(getattr(error, "details", None)) else str(error)
    if plain and code is grpc.StatusCode.UNAVAILABLE and _RESET in (details or ""):
        details = f"{details}; so does a server with TLS: if it has, give root_cert or tls=True"
    made = from_status(code, details, address)
    trailers: Any = error.trailing_metadata() if callable(getattr(error, "trailing_metadata", None)) else None
    found = dict(trailers or ())
    made.request_id = str(found.get("x-request-id", ""))
    made.retry_after = status_details.retry_after(found.get("grpc-status-details-bin", b""))
    return made


def from_cut(
    code: grpc.StatusCode, details: str | None, trailers: Any, address: str
) -> SpikeserveError | None:
    """UNAVAILABLE for a call that something on the way has ended, such as a balancer whose server died.

    What balancers send then reads as one of several codes. None for what a server has ended, which sends a
    request id with its status, and for what the program itself has. A reset that comes with a server's status
    hides its code, and not its request id.
    """
    reset = "RST_STREAM" in (details or "")
    answered = "x-request-id" in dict(trailers or ()) and not reset
    if code not in _CUT or details == _CANCELLED_HERE or answered:
        return None
    message = f"the connection was cut before the server's status came: {details or code.name}"
    return from_status(grpc.StatusCode.UNAVAILABLE, message, address)


def from_status(code: grpc.StatusCode, details: str | None, address: str) -> SpikeserveError:
    """The exception for the status of a call that failed."""
    message = details or code.name
    if code is grpc.StatusCode.UNAVAILABLE:
        message = f"server {address} cannot be reached or is not ready: {message}"
        if _UNHEALTHY in message:
            message += (
                " (its health service says that it is not serving: it starts, drains or lost its device)"
            )
    return _BY_CODE.get(code, SpikeserveError)(message)
