"""gRPC plumbing: handlers from plain methods, and the one table from error to status."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from tidemill_local.broker import errors
from tidemill_runtime.logs import get_logger

STATUS_BY_ERROR: Mapping[type[errors.BrokerError], grpc.StatusCode] = {
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.FailedPreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.AckIdError: grpc.StatusCode.FAILED_PRECONDITION,
}

Unary = Callable[[Any, Any], Awaitable[Any]]
"""From request message and gRPC context to response message."""


def unary_method(request_type: Any, method: Unary) -> "grpc.RpcMethodHandler[Any, Any]":
    """A unary handler; broker errors become statuses, anything else INTERNAL with an id found in the log."""

    async def call(request: Any, context: Any) -> Any:
        try:
            return await method(request, context)
        except Exception as error:  # noqa: BLE001 - the process boundary: `abort` maps or logs it
            await abort(context, error)

    return grpc.unary_unary_rpc_method_handler(call, request_type.FromString, _serialize)


def stream_method(request_type: Any, method: Unary) -> "grpc.RpcMethodHandler[Any, Any]":
    """A bidirectional handler; `method` gets the request iterator and writes to the context."""

    async def call(requests: Any, context: Any) -> None:
        try:
            await method(requests, context)
        except Exception as error:  # noqa: BLE001 - the process boundary: `abort` maps or logs it
            await abort(context, error)

    return grpc.stream_stream_rpc_method_handler(call, request_type.FromString, _serialize)


async def abort(context: Any, error: Exception) -> None:
    """End the call with the status for `error`; never returns."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, errors.BrokerError):
        code = STATUS_BY_ERROR[type(error)]
        await context.abort(code, str(error), _details(code, error))
    error_id = uuid.uuid4().hex
    get_logger().error("unexpected error", error_id=error_id, exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, f"Internal error {error_id}; see the broker's log.")


def _serialize(message: Any) -> bytes:
    serialized: bytes = message.SerializeToString()
    return serialized


def _details(code: grpc.StatusCode, error: errors.BrokerError) -> tuple[tuple[str, bytes], ...]:
    """For refused ack ids, the trailer in which clients look for the reason of each."""
    if not isinstance(error, errors.AckIdError):
        return ()
    info = error_details_pb2.ErrorInfo(
        reason="EXACTLY_ONCE_ACKID_FAILURE", domain="pubsub.googleapis.com", metadata=error.reasons
    )
    packed = any_pb2.Any()
    packed.Pack(info)
    status = status_pb2.Status(code=code.value[0], message=str(error), details=[packed])
    return (("grpc-status-details-bin", status.SerializeToString()),)
