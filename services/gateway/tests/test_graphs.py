"""Graphs as callers see them: a model like any other, until its deadline, whatever becomes of a node."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from gateways import is_ready, running_app, running_gateway, wait_until
from tiny_models import (
    Arrays,
    ModelServer,
    Serving,
    TinyModel,
    failing,
    half_plus,
    listening,
    route,
    running_serving,
)

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.graph_spec import parse_graph
from tidemill_contracts.pb.routes_pb2 import Graph

FLOAT, PREDICT = "DT_FLOAT", "/v1/models/g:predict"
A, B = "a: {kind: model, model: plus1}", "b: {kind: model, model: plus3}"
CLASHING = """
c: {kind: combiner, method: max, of: [a.y, a.y]},
r: {kind: router, otherwise: a, routes: [{share: 0.5, to: c}]}"""
VERSIONS = count(7)
Publish = Callable[..., httpx.Client]


class WatchedServer(ModelServer):
    """Knows which rows came to which model, and which calls were given up. `slow` answers when let go."""

    def __init__(self, models: Mapping[tuple[str, int], TinyModel]) -> None:
        super().__init__(dict(models))
        self.asked: list[tuple[str, int, list[float]]] = []
        self.begun = threading.Event()
        self.given_up: list[str] = []
        self.let_go = threading.Event()

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's name
        spec = request.model_spec
        rows = next(iter(request.inputs.values())).tensor_content
        self.asked.append((spec.name, spec.version.value, np.frombuffer(rows, np.float32).tolist()))
        if spec.name == "slow":
            self.begun.set()
            while context.is_active() and not self.let_go.wait(0.01):
                pass
            if not context.is_active():
                self.given_up.append(spec.name)
        return super().Predict(request, context)

    def rows_of(self, model: str) -> list[float]:
        return sorted(row for name, _, rows in self.asked for row in rows if name == model)


def texts() -> TinyModel:
    def run(inputs: Arrays) -> Arrays:
        return {"y": inputs["x"], "name": np.where(inputs["x"] > 5, b"far", b"near").astype(object)}

    return TinyModel({"x": FLOAT}, {"y": FLOAT, "name": "DT_STRING"}, run)


MODELS = {
    ("plus1", 1): half_plus(1),
    ("plus1", 2): half_plus(100),
    ("plus3", 1): half_plus(3),
    ("slow", 1): half_plus(0),
    ("texts", 1): texts(),
    ("failing", 1): failing("broken"),
}


@pytest.fixture
def model_server() -> Iterator[WatchedServer]:
    server = WatchedServer(MODELS)
    handlers = (tfserving.prediction_service_handlers(server), tfserving.model_service_handlers(server))
    with listening(lambda grpc_server: grpc_server.add_generic_rpc_handlers(handlers)) as server.address:
        yield server
        server.let_go.set()


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[Serving, httpx.Client, str]]:
    serving = Serving()
    serving.publish()
    with running_serving(serving), running_app(serving.address) as (client, running):
        wait_until(lambda: is_ready(client))
        yield serving, client, running.grpc_server.address


@pytest.fixture
def grpc_address(gateway: tuple[Serving, httpx.Client, str]) -> str:
    return gateway[2]


@pytest.fixture
def publish(gateway: tuple[Serving, httpx.Client, str], model_server: WatchedServer) -> Publish:
    """Publish the graph `g` and every model's route; gives a client of a gateway that knows them."""
    serving, client, _ = gateway
    routes = [route(model_server, name, number) for name, number in MODELS if number == 1]

    def publish_graph(nodes: str, outputs: str, inputs: str = "{}") -> httpx.Client:
        version = next(VERSIONS)
        graph = Graph(name="g", spec=document(nodes, outputs, inputs), version=version)
        serving.publish(*routes, graphs=[graph])
        wait_until(lambda: present_version(client) == str(version))
        return client

    return publish_graph


def present_version(client: httpx.Client) -> str | None:
    statuses = client.get("/v1/models/g").json().get("model_version_status", [{"version": None}])
    version: str | None = statuses[0]["version"]
    return version


def document(nodes: str, outputs: str, inputs: str = "{}") -> str:
    spec = f"{{inputs: {inputs}, nodes: {{{nodes}}}, outputs: {outputs}}}"
    return parse_graph(f"kind: InferenceGraph\nmetadata: {{name: g}}\nspec: {spec}").to_json()


def ask(client: httpx.Client, *rows: Any) -> httpx.Response:
    return client.post(PREDICT, json={"instances": list(rows)})


def answer(client: httpx.Client, *rows: Any) -> Any:
    return ask(client, *rows).json()


def test_models_are_combined(publish: Publish) -> None:
    client = publish(f"{A}, {B}, c: {{kind: combiner, method: mean, of: [a.y, b.y]}}", "{y: c, first: a}")

    response = ask(client, 2.0, 4.0)

    assert response.json() == {"predictions": [{"first": 2.0, "y": 3.0}, {"first": 3.0, "y": 4.0}]}
    assert response.headers["tidemill-model-version"] == present_version(client)


def test_a_graph_is_described_as_a_model_is(publish: Publish) -> None:
    nodes = (
        f"{A}, t: {{kind: transformer, outputs: {{big: {{input: request.n, steps: [{{threshold: 2}}]}}}}}}"
    )
    client = publish(nodes, "{y: a, big: t}", inputs="{n: int64}")

    signature = client.get("/v1/models/g/metadata").json()["metadata"]["signature_def"]["signature_def"]
    sides = {
        side: {alias: info["dtype"] for alias, info in signature["serving_default"][side].items()}
        for side in ("inputs", "outputs")
    }
    status = client.get("/v1/models/g").json()

    assert sides == {"inputs": {"x": FLOAT, "n": "DT_INT64"}, "outputs": {"y": FLOAT, "big": "DT_BOOL"}}
    assert (status["ready"], status["model_version_status"][0]["state"]) == (True, "AVAILABLE")
    assert "g" in client.get("/v1/models").json()["models"]
    assert answer(client, {"x": 2.0, "n": 3}) == {"predictions": [{"big": True, "y": 2.0}]}


def test_rows_are_split_asked_apart_and_merged_in_order(
    publish: Publish, model_server: WatchedServer
) -> None:
    routes = "[{to: b, when: {input: request.x, minimum: 4}}]"
    client = publish(f"{A}, {B}, r: {{kind: router, routes: {routes}, otherwise: a}}", "{y: r}")

    assert answer(client, 2.0, 4.0, 0.0, 8.0) == {"predictions": [2.0, 5.0, 1.0, 7.0]}
    assert (model_server.rows_of("plus1"), model_server.rows_of("plus3")) == ([0, 2], [4, 8])


def test_a_cascade_asks_the_dear_model_only_where_the_cheap_one_is_not_sure(
    publish: Publish, model_server: WatchedServer
) -> None:
    routes = "[{to: a, when: {input: a.y, maximum: 2}}]"
    client = publish(f"{A}, {B}, r: {{kind: router, routes: {routes}, otherwise: b}}", "{y: r}")

    assert answer(client, 2.0, 8.0) == {"predictions": [2.0, 7.0]}
    assert (model_server.rows_of("plus1"), model_server.rows_of("plus3")) == ([2, 8], [8])


def test_another_models_answer_decides_and_texts_are_compared(publish: Publish) -> None:
    routes = "[{to: b, when: {input: t.name, values: [far]}}]"
    nodes = f"{A}, {B}, t: {{kind: model, model: texts}}, r: {{kind: router, routes: {routes}, otherwise: a}}"
    client = publish(nodes, "{y: r, name: t.name}")

    assert answer(client, 2.0, 8.0) == {
        "predictions": [{"name": "near", "y": 2.0}, {"name": "far", "y": 7.0}]
    }


def test_a_model_is_fed_with_what_other_nodes_made(publish: Publish) -> None:
    halved = "t: {kind: transformer, outputs: {x: {input: a.y, steps: [{scale: 2}, {cast: float64}]}}}"
    client = publish(f"{A}, {halved}, b: {{kind: model, model: plus3, inputs: {{x: t.x}}}}", "{y: b}")

    assert answer(client, 2.0) == {"predictions": [5.0]}


def test_a_version_that_is_named_is_asked(publish: Publish, model_server: WatchedServer) -> None:
    client = publish("a: {kind: model, model: plus1, version: 1}", "{y: a}")
    model_server.models["plus1", 1] = half_plus(7)

    assert answer(client, 2.0) == {"predictions": [8.0]}
    assert model_server.asked[-1][:2] == ("plus1", 1)


def test_a_failing_node_fails_the_request_by_its_name(publish: Publish) -> None:
    client = publish(f"{A}, f: {{kind: model, model: failing}}", "{y: a, z: f}")

    response = ask(client, 2.0)

    assert (response.status_code, response.json()["error"]) == (400, "Node f: broken")


@pytest.mark.parametrize(
    ("on_failure", "outputs", "expected"),
    [
        ("{constant: {y: 0.5}}", "{y: f}", 0.5),
        ("skip", "{y: c}", 2.0),
    ],
)
def test_a_node_that_may_fail_is_replaced_or_left_out(
    publish: Publish, model_server: WatchedServer, on_failure: str, outputs: str, expected: float
) -> None:
    combined = f"{A}, c: {{kind: combiner, method: mean, of: [f.y, a.y]}}, " if "c" in outputs else ""
    late = f"f: {{kind: model, model: slow, timeoutSeconds: 0.1, onFailure: {on_failure}}}"
    client = publish(f"{combined}{late}", outputs)

    assert answer(client, 2.0) == {"predictions": [expected]}
    wait_until(lambda: model_server.given_up == ["slow"])


def test_what_was_skipped_and_is_needed_fails_the_request(publish: Publish) -> None:
    client = publish("s: {kind: model, model: slow, timeoutSeconds: 0.1, onFailure: skip}", "{y: s}")

    response = ask(client, 2.0)

    assert response.status_code == 504
    assert response.json()["error"].startswith("Node s: ")


def test_the_callers_deadline_ends_a_slow_node_and_its_call(
    publish: Publish, model_server: WatchedServer
) -> None:
    client = publish(f"{A}, s: {{kind: model, model: slow}}", "{y: a, z: s}")

    question = {"instances": [2.0]}
    response = client.post(PREDICT, json=question, headers={"tidemill-timeout-ms": "300"})

    assert response.status_code == 504
    assert 0.25 < response.elapsed.total_seconds() < 4.5
    wait_until(lambda: model_server.given_up == ["slow"])


def test_a_failing_node_ends_the_calls_of_the_others(publish: Publish, model_server: WatchedServer) -> None:
    client = publish("f: {kind: model, model: failing}, s: {kind: model, model: slow}", "{y: f, z: s}")

    response = ask(client, 2.0)

    assert (response.status_code, response.elapsed.total_seconds() < 4.5) == (400, True)
    wait_until(lambda: model_server.given_up == ["slow"] or not model_server.begun.is_set())


def test_a_caller_that_leaves_ends_every_call(publish: Publish, model_server: WatchedServer) -> None:
    client = publish(f"{A}, s: {{kind: model, model: slow}}", "{y: a, z: s}")

    with httpx.Client(base_url=client.base_url, timeout=0.5) as impatient, pytest.raises(httpx.ReadTimeout):
        ask(impatient, 2.0)

    wait_until(lambda: model_server.given_up == ["slow"], 2)


def test_many_requests_at_once_get_their_own_answers(publish: Publish) -> None:
    routes = "[{to: b, when: {input: request.x, minimum: 32}}]"
    client = publish(f"{A}, {B}, r: {{kind: router, routes: {routes}, otherwise: a}}", "{y: r}")

    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda number: answer(client, float(number)), range(64)))

    expected = [number / 2 + (3 if number >= 32 else 1) for number in range(64)]
    assert [reply["predictions"] for reply in replies] == [[value] for value in expected]


def test_a_graph_that_changed_answers_as_it_is_now(publish: Publish) -> None:
    client = publish(A, "{y: a}")
    first = ask(client, 2.0)

    publish(B.replace("b:", "a:"), "{y: a}")
    second = ask(client, 2.0)

    assert (first.json(), second.json()) == ({"predictions": [2.0]}, {"predictions": [4.0]})


@pytest.mark.parametrize(
    ("nodes", "outputs", "says"),
    [
        (A, "{y: a, z: request.z}", "Graph g: expected the type of 'z' in spec.inputs"),
        (A, "{y: a.z}", "Graph g: expected an output of ['y'] of node a, received 'a.z'"),
        ("t: {kind: model, model: texts}", "{y: t}", "expected an output of ['name', 'y'] of node t"),
        (
            "t: {kind: model, model: texts}, a: {kind: model, model: plus1, inputs: {x: t.name}}",
            "{y: a}",
            "Graph g: Node a: expected float for the input 'x', received object",
        ),
        (
            "t: {kind: model, model: texts}, c: {kind: combiner, method: mean, of: [t.y, t.name]}",
            "{y: c}",
            "Graph g: Node c: expected numbers for mean, received texts",
        ),
        (
            f"{A}, {CLASHING}",
            "{y: r}",
            "Node r: expected an output that all ways have, received [['c'], ['y']]",
        ),
        ("a: {kind: model, model: plus1, inputs: {z: request.x}}", "{y: a}", "received ['z']"),
        (
            "a: {kind: model, model: plus1, signature: none}",
            "{y: a}",
            'Node a: Serving signature name: "none"',
        ),
        ("a: {kind: model, model: gone}", "{y: a}", "Node a: Servable not found for request: Latest(gone)"),
    ],
)
def test_a_graph_that_does_not_fit_its_models_says_where(
    publish: Publish, nodes: str, outputs: str, says: str
) -> None:
    client = publish(nodes, outputs)

    response = ask(client, 2.0)

    assert response.status_code in {400, 404}
    assert says in response.json()["error"]
    assert client.post("/v1/models/plus1:predict", json={"instances": [2.0]}).status_code == 200


def test_a_graph_answers_under_every_protocol(publish: Publish, grpc_address: str) -> None:
    client = publish(f"{A}, {B}, c: {{kind: combiner, method: mean, of: [a.y, b.y]}}", "{y: c}")
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [2.0]}
    request = tfserving.PredictRequest(model_spec={"name": "g"})
    request.inputs["x"].CopyFrom(tensors.to_proto(np.array([2.0], np.float32)))

    inferred = client.post("/v2/models/g/infer", json={"inputs": [tensor]}).json()
    described = client.get("/v2/models/g").json()
    documented = client.get("/v1/models/g/openapi.json")
    with grpc.insecure_channel(grpc_address) as channel:
        predicted = tfserving.PredictionServiceStub(channel).Predict(request, timeout=5)

    assert [(each["name"], each["data"]) for each in inferred["outputs"]] == [("y", [3.0])]
    assert [(each["name"], each["datatype"], each["shape"]) for each in described["inputs"]] == [
        ("x", "FP32", [-1])
    ]
    assert documented.status_code == 200
    assert tensors.to_array(predicted.outputs["y"]).tolist() == [3.0]
    assert str(predicted.model_spec.version.value) == present_version(client)


def test_classify_is_refused(publish: Publish) -> None:
    client = publish(A, "{y: a}")

    response = client.post("/v1/models/g:classify", json={"examples": [{"x": 2.0}]})

    assert (response.status_code, response.json()["error"]) == (400, "Graph g answers Predict only")


def test_an_unreadable_graph_is_left_out_and_harms_nobody(
    model_server: WatchedServer, publish: Publish
) -> None:
    serving = Serving()
    serving.publish(route(model_server, "plus1", 1), graphs=[Graph(name="g", spec="{}", version=1)])
    with running_serving(serving), running_gateway(serving.address) as client:
        wait_until(lambda: is_ready(client))

        assert ask(client, 2.0).status_code == 404
        assert client.post("/v1/models/plus1:predict", json={"instances": [2.0]}).status_code == 200
