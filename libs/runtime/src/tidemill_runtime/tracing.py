"""Traces of requests, as far as who is traced needs to know. Without an endpoint nothing is imported."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

from tidemill_runtime.settings import TracingSettings

TRACEPARENT = "traceparent"

Attributes = Mapping[str, str | int | float | bool]


class Kind(Enum):
    """On which side of a call a span stands."""

    SERVER = "server"
    CLIENT = "client"
    INTERNAL = "internal"


class Span(Protocol):
    """Something that takes time. `traceparent` goes on to whom is called: they are its children."""

    @property
    def traceparent(self) -> str:
        """The span, as W3C Trace Context writes it."""

    def end(self, attributes: Attributes, failure: str = "") -> None:
        """Say how it ended; `failure` is empty when it did well."""


class Tracing(Protocol):
    """Where spans begin."""

    def begin(self, name: str, kind: Kind, parents: Sequence[str], attributes: Attributes) -> Span:
        """Begin a span below the first of some `traceparent`s, linked to the others; none: a new trace.

        Callers decide what is sampled; those that do not want to be are passed over while others do. A new
        trace is sampled by chance.
        """

    def close(self) -> None:
        """Send what has ended."""


def open_tracing(service: str, settings: TracingSettings) -> Tracing | None:
    """Open tracing of this process; None where no endpoint is set."""
    if settings.otlp_endpoint is None:
        return None
    from tidemill_runtime.otlp import OtlpTracing  # noqa: PLC0415 - 5 MiB that only who traces pays

    return OtlpTracing(service, settings.otlp_endpoint, settings.trace_share)
