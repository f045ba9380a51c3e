"""Which requests are traced, and what is passed on for those that are not."""

import re
import time
from collections.abc import Iterator

import pytest
from otlp_receiver import Collector, running_collector

from tidemill_runtime.otlp import OtlpTracing
from tidemill_runtime.settings import TracingSettings
from tidemill_runtime.tracing import Kind, open_tracing

ONE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-11111111111111111111111111111111-2222222222222222-00"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


def begin_and_end(collector: Collector, share: float, *parents: str) -> str:
    tracing = OtlpTracing("test", collector.endpoint, share)
    span = tracing.begin("work", Kind.INTERNAL, parents, {"a": "b"})
    span.end({"c": "d"}, "INTERNAL")
    tracing.close()
    return span.traceparent


def test_without_an_endpoint_there_are_no_traces() -> None:
    assert open_tracing("test", TracingSettings()) is None


def test_a_span_says_what_it_was_and_how_it_ended(collector: Collector) -> None:
    traceparent = begin_and_end(collector, 1)

    (span,) = collector.spans
    assert traceparent.startswith(f"00-{span.trace}-{span.id}-")
    assert (span.service, span.name, span.failure) == ("tidemill-test", "work", "INTERNAL")
    assert span.attributes == {"a": "b", "c": "d"}


def test_a_caller_decides_whether_its_trace_is_sampled(collector: Collector) -> None:
    begin_and_end(collector, 0, ONE)
    passed_on = begin_and_end(collector, 1, UNSAMPLED)

    assert [span.parent for span in collector.spans] == ["00f067aa0ba902b7"]
    assert passed_on == UNSAMPLED


def test_work_for_several_is_below_the_first_that_is_sampled_and_linked_to_the_others(
    collector: Collector,
) -> None:
    begin_and_end(collector, 1, UNSAMPLED, ONE, OTHER)

    (span,) = collector.spans
    assert (span.parent, span.links) == ("00f067aa0ba902b7", ("b7ad6b7169203331",))


def test_a_new_trace_that_is_not_sampled_is_passed_on_as_such(collector: Collector) -> None:
    traceparent = begin_and_end(collector, 0)

    assert collector.spans == []
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", traceparent)


def test_a_collector_that_is_away_delays_nobody_and_ends_in_time() -> None:
    tracing = OtlpTracing("test", "http://127.0.0.1:9", 1)
    began = time.monotonic()
    tracing.begin("work", Kind.SERVER, [], {}).end({})
    took_seconds = time.monotonic() - began
    tracing.close()

    assert took_seconds < 0.1
    assert time.monotonic() - began < 8
