"""Spans of requests, the calls they cause, and nodes. The traceparent in a call's metadata carries them.

A call of a model that serves several requests is below the first of them, and linked to the others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tidemill_gateway.calls import NO_HEADERS, Arrays, Call, Headers, Metadata
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.routes import Target
from tidemill_runtime.tracing import TRACEPARENT, Kind, Span, Tracing

Answer = TypeVar("Answer")


def begin_request(tracing: Tracing, call: Call, name: str) -> Span:
    """Begin the span of a request; what the call causes from here on is below it."""
    parents = [value for key, value in call.metadata if key == TRACEPARENT]
    span = tracing.begin(name, Kind.SERVER, parents, {"tidemill.request.id": call.id})
    call.metadata = ((TRACEPARENT, span.traceparent),)
    return span


def end_request(span: Span, call: Call, code: Code) -> None:
    """End the span of a request, with what became known of its call."""
    attributes = {
        "tidemill.model": call.model,
        "tidemill.version": call.version,
        "tidemill.signature": call.signature,
        "tidemill.variant": call.variant,
        "tidemill.fallback": call.fallback,
        "tidemill.code": code.value,
    }
    given = {name: value for name, value in attributes.items() if value}
    span.end(given, "" if code is Code.OK else code.value)


async def traced(
    tracing: Tracing,
    name: str,
    kind: Kind,
    metadata: Metadata,
    work: Callable[[Metadata], Awaitable[Answer]],
) -> Answer:
    """Do some work inside a span; `work` takes the metadata that is to go on from there."""
    parents = [value for key, value in metadata if key == TRACEPARENT]
    span = tracing.begin(name, kind, parents, {})
    code = Code.CANCELLED
    try:
        answer = await work(((TRACEPARENT, span.traceparent),))
        code = Code.OK
    except Refused as refusal:
        code = refusal.code
        raise
    finally:
        span.end({"tidemill.code": code.value}, "" if code is Code.OK else code.value)
    return answer


class TracedModelServers(ModelServers):
    """Model servers whose calls are spans."""

    def __init__(self, timeout_seconds: float, tracing: Tracing) -> None:
        super().__init__(timeout_seconds)
        self._tracing = tracing

    async def predict(
        self,
        target: Target,
        signature: str,
        inputs: Arrays,
        *,
        timeout_seconds: float,
        metadata: Metadata = (),
        headers: Headers = NO_HEADERS,
    ) -> Arrays:
        """As without spans."""
        ask = super().predict

        async def work(onward: Metadata) -> Arrays:
            return await ask(
                target,
                signature,
                inputs,
                timeout_seconds=timeout_seconds,
                metadata=onward,
                headers=headers,
            )

        kind = Kind.INTERNAL if self._other(target.address) else Kind.CLIENT
        return await traced(self._tracing, _name("Predict", target), kind, metadata, work)

    async def infer(
        self, target: Target, request: Any, *, timeout_seconds: float, metadata: Metadata = ()
    ) -> Any:
        """As without spans."""
        ask = super().infer

        async def work(onward: Metadata) -> Any:
            return await ask(target, request, timeout_seconds=timeout_seconds, metadata=onward)

        return await traced(self._tracing, _name("Infer", target), Kind.CLIENT, metadata, work)


def create_model_servers(timeout_seconds: float, tracing: Tracing | None) -> ModelServers:
    """Make the client of model servers, traced or not."""
    return ModelServers(timeout_seconds) if tracing is None else TracedModelServers(timeout_seconds, tracing)


async def close_tracing(tracing: Tracing | None) -> None:
    """Send the spans that have ended."""
    if tracing is not None:
        await asyncio.to_thread(tracing.close)


def _name(api: str, target: Target) -> str:
    return f"{api} {target.model}/{target.version}"
