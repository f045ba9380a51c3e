"""Graphs with real processes: put in force on the command line, served over serving, told in one trace."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from blessed_models import bless
from otlp_receiver import Collector, Received, running_collector
from typer.testing import CliRunner, Result

from tidemill_contracts.event import EventData
from tidemill_contracts.events import ModelDeployed
from tidemill_local.cli.app import app
from tidemill_world import World, running_world

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CASCADE = """
kind: InferenceGraph
metadata: {name: cascade}
spec:
  nodes:
    cheap: {kind: model, model: small}
    dear: {kind: model, model: large, label: stable}
    answer:
      kind: router
      routes: [{to: cheap, when: {input: cheap.probability, minimum: 0.9}}]
      otherwise: dear
  outputs: {probability: answer}
"""


def is_deployed(pipeline: str, data: EventData) -> bool:
    return isinstance(data, ModelDeployed) and data.pipeline == pipeline


def way_up(span: Received, spans: Mapping[str, Received]) -> str:
    """Name a span, and those above it."""
    names = [span.name]
    while span.parent != CALLER:
        span = spans[span.parent]
        names.append(span.name)
    return " < ".join(names)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced_world(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[World]:
    """A platform with two models, whose traces are collected."""
    home = tmp_path_factory.mktemp("graphs")
    with running_world(home, TIDEMILL_OTLP_ENDPOINT=collector.endpoint) as world:
        bless(world, "small", 1, lambda x: x)
        bless(world, "large", 1, lambda x: x / 2)
        for pipeline in ("small", "large"):
            world.await_event(partial(is_deployed, pipeline))
        yield world


def tidemill(world: World, *arguments: str) -> Result:
    environment = {"TIDEMILL_HOME": str(world.home), "COLUMNS": "200"}
    return CliRunner().invoke(app, arguments, env=environment)


@pytest.fixture
def cascade(traced_world: World, tmp_path: Path) -> World:
    spec = tmp_path / "cascade.yaml"
    spec.write_text(CASCADE)
    result = tidemill(traced_world, "graph", "apply", str(spec))
    assert (result.exit_code, "graph cascade is served" in result.stdout) == (0, True), result.output
    return traced_world


def test_a_graph_is_put_in_force_asked_and_taken_out_again(cascade: World) -> None:
    answer = cascade.predict("cascade", {"x": 0.2}, {"x": 0.95})
    listed = tidemill(cascade, "graph", "list").stdout
    shown = tidemill(cascade, "graph", "show", "cascade").stdout

    assert [round(value, 3) for value in answer.json()["predictions"]] == [0.1, 0.95]
    assert listed.split()[-5:] == ["✓", "cascade", "large,", "small", "served"]
    assert "input  x: float [rows]" in shown
    assert "output probability: float [rows]" in shown

    assert tidemill(cascade, "graph", "delete", "cascade").exit_code == 0
    cascade.wait_for(lambda: cascade.predict("cascade", {"x": 0.2}).status == 404 or None)


def test_a_graph_that_nothing_can_serve_says_why(traced_world: World, tmp_path: Path) -> None:
    spec = tmp_path / "lacking.yaml"
    spec.write_text(CASCADE.replace("cascade", "lacking").replace("model: large", "model: none-yet"))
    result = tidemill(traced_world, "graph", "apply", str(spec))

    assert result.exit_code == 1
    assert "graph lacking is not served: node dear: nothing serves the model 'none-yet'" in result.stderr
    assert tidemill(traced_world, "graph", "delete", "lacking").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "none"), "expected a graph of []"),
        (("delete", "none"), "expected a graph of []"),
    ],
)
def test_an_unknown_graph_is_an_error(traced_world: World, arguments: tuple[str, ...], message: str) -> None:
    for name in ("cascade", "lacking"):
        tidemill(traced_world, "graph", "delete", name)
    result = tidemill(traced_world, "graph", *arguments)

    assert result.exit_code == 1
    assert message in result.stderr


def test_one_trace_goes_from_the_caller_to_the_model_server(cascade: World, collector: Collector) -> None:
    request = urllib.request.Request(  # noqa: S310 - the platform's own address
        f"{cascade.platform.addresses['gateway']}/v1/models/cascade:predict",
        data=json.dumps({"instances": [{"x": 0.2}]}).encode(),
        headers={"traceparent": f"00-{TRACE}-{CALLER}-01"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
        assert reply.status == 200

    def whole_trace() -> list[str] | None:
        spans = {span.id: span for span in collector.spans if span.trace == TRACE}
        answering = [span for span in spans.values() if span.service == "tidemill-modelserver"]
        if len(answering) < 2 or CALLER not in {span.parent for span in spans.values()}:
            return None
        return sorted(way_up(span, spans) for span in answering)

    version = cascade.ask("GET", "/v1/models/cascade/metadata").json()["model_spec"]["version"]
    graph = f"Predict cascade/{version} < POST tfs"
    assert cascade.wait_for(whole_trace, 10) == [
        f"Predict < Predict large/1 < node dear < node answer < {graph}",
        f"Predict < Predict small/1 < node cheap < {graph}",
    ]
