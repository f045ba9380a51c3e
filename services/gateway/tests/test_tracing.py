"""Traces: one from the caller through the graph to the models, and nothing at all when they are off."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from gateways import is_ready, running_app, running_gateway, wait_until
from otlp_receiver import Collector, Received, running_collector
from tiny_models import (
    ModelServer,
    Serving,
    failing,
    half_plus,
    route,
    running_model_server,
    running_serving,
    sleeping,
)

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.graph_spec import parse_graph
from tidemill_contracts.pb.routes_pb2 import Graph

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-00"
MODELS = {
    ("a", 1): half_plus(1),
    ("b", 1): half_plus(3),
    ("slow", 1): sleeping(0.2),
    ("failing", 1): failing("x"),
}
SPEC = """
kind: InferenceGraph
metadata: {name: g}
spec:
  nodes:
    first: {kind: model, model: a}
    second: {kind: model, model: b}
    mean: {kind: combiner, method: mean, of: [first.y, second.y], output: y}
    sure: {kind: router, otherwise: mean, routes: [{to: first, when: {input: first.y, minimum: 100}}]}
  outputs: {y: sure.y}
"""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def collector(stack: ExitStack) -> Collector:
    return stack.enter_context(running_collector())


@pytest.fixture
def model_server(stack: ExitStack) -> ModelServer:
    return stack.enter_context(running_model_server(MODELS))


def start(stack: ExitStack, model_server: ModelServer, **changes: Any) -> httpx.Client:
    serving = Serving()
    graph = Graph(name="g", spec=parse_graph(SPEC).to_json(), version=1)
    serving.publish(*(route(model_server, name, 1) for name, _ in MODELS), graphs=[graph])
    stack.enter_context(running_serving(serving))
    client = stack.enter_context(running_gateway(serving.address, **changes))
    wait_until(lambda: is_ready(client))
    return client


def ask(client: httpx.Client, model: str, traceparent: str | None = SAMPLED) -> httpx.Response:
    headers = {"traceparent": traceparent} if traceparent else {}
    return client.post(f"/v1/models/{model}:predict", json={"instances": [2.0]}, headers=headers)


def request_of(collector: Collector, model: str) -> list[Received]:
    return [span for span in collector.spans if span.attributes.get("tidemill.model") == model]


def test_one_trace_goes_from_the_caller_through_the_graph_to_the_models(
    stack: ExitStack, collector: Collector, model_server: ModelServer
) -> None:
    client = start(stack, model_server, otlp_endpoint=collector.endpoint, trace_share=0)

    assert ask(client, "g").json() == {"predictions": [3.0]}
    wait_until(lambda: bool(request_of(collector, "g")))

    parents = {span.name: span.parent for span in collector.spans}
    ids = {span.name: span.id for span in collector.spans}
    assert {span.trace for span in collector.spans} == {TRACE}
    assert parents == {
        "POST tfs": CALLER,
        "Predict g/1": ids["POST tfs"],
        "node first": ids["Predict g/1"],
        "Predict a/1": ids["node first"],
        "node sure": ids["Predict g/1"],
        "node mean": ids["node sure"],
        "node second": ids["node sure"],
        "Predict b/1": ids["node second"],
    }


def test_the_model_server_is_told_the_span_that_asks_it(
    stack: ExitStack, collector: Collector, model_server: ModelServer
) -> None:
    client = start(stack, model_server, otlp_endpoint=collector.endpoint)

    ask(client, "a")
    wait_until(lambda: bool(collector.named("Predict a/1")))

    told = dict(model_server.seen_metadata)["traceparent"]
    assert told == f"00-{TRACE}-{collector.named('Predict a/1')[0].id}-01"


def test_a_trace_goes_through_grpc_too(
    stack: ExitStack, collector: Collector, model_server: ModelServer
) -> None:
    serving = Serving()
    serving.publish(route(model_server, "a", 1))
    stack.enter_context(running_serving(serving))
    client, app = stack.enter_context(running_app(serving.address, otlp_endpoint=collector.endpoint))
    wait_until(lambda: is_ready(client))
    request = tfserving.PredictRequest(model_spec={"name": "a"})
    request.inputs["x"].CopyFrom(tensors.to_proto(np.array([2.0], np.float32)))

    with grpc.insecure_channel(app.grpc_server.address) as channel:
        stub = tfserving.PredictionServiceStub(channel)
        stub.Predict(request, timeout=5, metadata=(("traceparent", SAMPLED),))
    wait_until(lambda: bool(request_of(collector, "a")))

    (asked,), (call,) = request_of(collector, "a"), collector.named("Predict a/1")
    assert (asked.trace, asked.parent, call.parent) == (TRACE, CALLER, asked.id)


def test_what_the_caller_does_not_sample_is_not_sent_but_passed_on(
    stack: ExitStack, collector: Collector, model_server: ModelServer
) -> None:
    client = start(stack, model_server, otlp_endpoint=collector.endpoint, trace_share=1)

    ask(client, "a", UNSAMPLED)
    told = dict(model_server.seen_metadata)["traceparent"]
    ask(client, "b")
    wait_until(lambda: bool(request_of(collector, "b")))

    assert not request_of(collector, "a")
    assert told.startswith(f"00-{TRACE}-")
    assert told.endswith("-00")


def test_a_request_without_a_trace_begins_one_by_the_share(
    stack: ExitStack, collector: Collector, model_server: ModelServer
) -> None:
    client = start(stack, model_server, otlp_endpoint=collector.endpoint, trace_share=1)

    ask(client, "a", None)
    wait_until(lambda: bool(request_of(collector, "a")))

    (span,) = request_of(collector, "a")
    assert (span.parent, span.service) == ("", "tidemill-gateway")
    assert span.trace != TRACE


def test_a_failure_is_said_in_every_span_that_it_went_through(
    stack: ExitStack, collector: Collector, model_server: ModelServer
) -> None:
    client = start(stack, model_server, otlp_endpoint=collector.endpoint)

    assert ask(client, "failing").status_code == 400
    wait_until(lambda: bool(request_of(collector, "failing")))

    assert {span.failure for span in collector.spans} == {"INVALID_ARGUMENT"}


def test_a_call_for_several_requests_is_linked_to_each(
    stack: ExitStack, collector: Collector, model_server: ModelServer
) -> None:
    client = start(stack, model_server, otlp_endpoint=collector.endpoint, trace_share=1)

    def ask_slow() -> None:
        with httpx.Client(base_url=client.base_url, timeout=10) as mine:
            ask(mine, "slow", None)

    threads = [threading.Thread(target=ask_slow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    wait_until(lambda: len(request_of(collector, "slow")) == 8)

    requests = {span.id for span in request_of(collector, "slow")}
    calls = collector.named("Predict slow/1")
    assert len(calls) < 8
    assert {span for call in calls for span in (call.parent, *call.links)} == requests


def test_nothing_is_imported_or_passed_on_when_traces_are_off(
    stack: ExitStack, model_server: ModelServer
) -> None:
    client = start(stack, model_server)
    ask(client, "a")
    script = (
        "import sys, tidemill_gateway.app as app\n"
        "from tidemill_gateway.settings import Settings\n"
        "app.create_app(Settings())\n"
        "assert not {'opentelemetry.sdk', 'opentelemetry.exporter'} & sys.modules.keys()\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)

    assert dict(model_server.seen_metadata)["traceparent"] == SAMPLED
