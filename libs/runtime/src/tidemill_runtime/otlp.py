"""Spans, sent by OpenTelemetry's protocol over HTTP: in the background, in batches, never in anyone's way."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tidemill_runtime.tracing import TRACEPARENT, Attributes, Kind, Span

EXPORT_TIMEOUT_SECONDS = 5
# What more than this waits for a collector that is away is dropped.
MAX_WAITING = 4096
SEND_EVERY_MILLIS = 1000
# The bit of W3C Trace Context's flags.
SAMPLED = 1

_KINDS = {Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT, Kind.INTERNAL: SpanKind.INTERNAL}


class OtlpSpan:
    """A span of OpenTelemetry's SDK."""

    def __init__(self, span: ApiSpan) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """The span, as W3C Trace Context writes it."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def end(self, attributes: Attributes, failure: str = "") -> None:
        """Say how it ended; `failure` is empty when it did well."""
        if self._span.is_recording():
            self._span.set_attributes(dict(attributes))
            if failure:
                self._span.set_status(Status(StatusCode.ERROR, failure))
        self._span.end()


@dataclass(frozen=True, slots=True)
class UnsampledSpan:
    """Passes on that this trace is not sampled, and does nothing else."""

    traceparent: str

    def end(self, attributes: Attributes, failure: str = "") -> None:
        """Do nothing."""


class OtlpTracing:
    """Sends the spans of this process to a collector."""

    def __init__(self, service: str, endpoint: str, share: float) -> None:
        """Send to `endpoint`/v1/traces; `share` of the traces that begin here are sampled."""
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS)
        self._share = share
        self._provider = TracerProvider(
            # Who is not sampled does not come this far.
            sampler=ALWAYS_ON,
            resource=Resource.create({SERVICE_NAME: f"tidemill-{service}"}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=MAX_WAITING, schedule_delay_millis=SEND_EVERY_MILLIS)
        )
        self._tracer = self._provider.get_tracer("tidemill")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, name: str, kind: Kind, parents: Sequence[str], attributes: Attributes) -> Span:
        """Begin a span below the first sampled of some `traceparent`s, linked to the others that are."""
        sampled = [parent for parent in parents if int(parent[-2:], 16) & SAMPLED]
        if not sampled and (parents or random.random() >= self._share):  # noqa: S311 - no secret
            return UnsampledSpan(parents[0] if parents else _unsampled())
        contexts = [self._context(parent) for parent in sampled]
        links = [Link(get_current_span(context).get_span_context()) for context in contexts[1:]]
        above = contexts[0] if contexts else Context()
        return OtlpSpan(self._tracer.start_span(name, above, _KINDS[kind], dict(attributes), links))

    def close(self) -> None:
        """Send what has ended."""
        self._provider.shutdown()

    def _context(self, traceparent: str) -> Context:
        return self._propagator.extract({TRACEPARENT: traceparent}, Context())


def _unsampled() -> str:
    return f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-00"
