"""Rules of the inference graph: what cannot work is refused, and the message says what is wrong."""

import json
from pathlib import Path

import pytest

from tidemill_contracts.graph_spec import InferenceGraph, parse_graph
from tidemill_contracts.pipeline import InvalidSpec, parse_pipeline

ROOT = Path(__file__).parents[3]
SCHEMA = Path(__file__).parents[1] / "schema" / "graph.schema.json"
FLIGHTS = ROOT / "examples" / "flights"
EXAMPLES = sorted((ROOT / "examples" / "graphs").glob("*.yaml"))

FULL = """
kind: InferenceGraph
metadata: {name: all-of-it}
spec:
  inputs: {customer: string}
  nodes:
    cheap: {kind: model, model: small, label: stable, timeoutSeconds: 0.1, onFailure: skip}
    dear: {kind: model, model: large, version: 3, onFailure: {constant: {probability: 0.5}}}
    scaled:
      kind: transformer
      outputs:
        probability: {input: dear.probability, steps: [{scale: 2}, {clip: [null, 1]}, {cast: float32}]}
        one: {constant: 1}
    sure:
      kind: router
      routes: [{to: cheap, when: {input: cheap.probability, maximum: 0.2}}]
      otherwise: scaled
    tried: {kind: router, key: request.customer, otherwise: sure, routes: [{share: 0.1, to: scaled}]}
    both:
      kind: combiner
      method: mean
      of: [tried.probability, scaled.probability]
      weights: [1, 3]
      output: p
  outputs: {probability: both.p, first: request.customer}
"""


def graph(nodes: str, outputs: str = "{y: a.y}") -> str:
    return f"kind: InferenceGraph\nmetadata: {{name: g}}\nspec: {{nodes: {{{nodes}}}, outputs: {outputs}}}"


def router(routes: str) -> str:
    return graph(f"{MODEL}, r: {{kind: router, otherwise: a, routes: [{routes}]}}", "{y: r}")


MODEL = "a: {kind: model, model: m}"


def test_a_graph_reads_back_as_the_same() -> None:
    read = parse_graph(FULL)

    assert parse_graph(read.to_json()) == read
    assert read.spec.takes("sure") == {"cheap", "scaled"}


def test_the_schema_is_what_the_code_says() -> None:
    assert json.loads(SCHEMA.read_text()) == InferenceGraph.model_json_schema(by_alias=True)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_graphs(path: Path) -> None:
    assert parse_graph(path.read_bytes()).name == path.stem


def test_every_model_of_the_example_graphs_can_be_trained_from_an_example() -> None:
    specs = FLIGHTS.glob("pipeline*.yaml")
    trained = {parse_pipeline(path.read_bytes()).name for path in specs}
    graphs = [parse_graph(path.read_bytes()).spec for path in EXAMPLES]
    asked = {node.model for graph in graphs for _, node in graph.models()}

    assert asked
    assert asked <= trained


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "expected a mapping with metadata and spec"),
        (graph("a: {kind: modle, model: m}"), "'combiner', 'transformer', received {'kind': 'modle'"),
        (graph("a: {kind: model, model: m, version: 1, label: x}"), "expected a version or a label"),
        (graph(MODEL, "{y: b.y}"), "outputs.y: expected a node of ['a'], received 'b'"),
        (graph(MODEL, "{y: request}"), "expected request.INPUT, received 'request'"),
        (graph(MODEL, "{}"), "at least 1 item"),
        (
            graph("request: {kind: model, model: m}", "{y: request.y}"),
            "another name for a node than 'request'",
        ),
        (
            graph(f"{MODEL}, b: {{kind: model, model: m}}"),
            "every node to be needed for an output, received ['b']",
        ),
        (
            graph(
                "a: {kind: model, model: m, inputs: {x: b.y}}, b: {kind: model, model: m, inputs: {x: a.y}}",
            ),
            "expected no cycle, received",
        ),
        (
            graph("a: {kind: router, otherwise: a, routes: [{share: 0.5, to: a}]}", "{y: a}"),
            "expected no cycle, received a <- a",
        ),
        (graph(f"{MODEL}, c: {{kind: combiner, method: mean, of: [a.y]}}", "{y: c}"), "at least 2 items"),
        (
            graph(f"{MODEL}, c: {{kind: combiner, method: max, of: [a.y, a.z], weights: [1, 2]}}", "{y: c}"),
            "expected weights with mean or vote, received them with max",
        ),
        (
            graph(f"{MODEL}, c: {{kind: combiner, method: mean, of: [a.y, a.z], weights: [1]}}", "{y: c}"),
            "expected 2 weights, received 1",
        ),
        (
            graph(f"{MODEL}, c: {{kind: combiner, method: mean, of: [a.y, a.z]}}", "{y: c.z}"),
            "expected an output of ['c'], received 'c.z'",
        ),
        (
            graph("t: {kind: transformer, outputs: {p: {constant: 1}, q: {constant: 2}}}", "{y: t}"),
            "expected t.OUTPUT with one of ['p', 'q'], received 't'",
        ),
        (
            graph("t: {kind: transformer, outputs: {p: {constant: 1}}}", "{y: t.q}"),
            "expected an output of ['p'], received 't.q'",
        ),
        (
            graph("t: {kind: transformer, outputs: {p: {input: request.x, steps: [{}]}}}", "{y: t}"),
            "expected one of cast, scale",
        ),
        (
            graph("t: {kind: transformer, outputs: {p: {input: request.x, constant: 1}}}", "{y: t}"),
            "expected one of input and constant",
        ),
        (router("{to: a}"), "expected one of when and share"),
        (router("{to: a, share: 0.6}, {to: a, share: 0.4}"), "expected shares of less than 1 together"),
        (router("{to: b, share: 0.6}"), "nodes.r: expected a node of ['a', 'r'], received 'b'"),
        (router("{to: a, when: {input: a.y}}"), "expected values, minimum or maximum"),
        (router("{to: a, share: 0.1}, {to: a, when: {input: a.y, minimum: 1}}"), "or share in every one"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse_graph(text)

    assert says in str(refusal.value)
