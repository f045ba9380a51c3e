"""A caller's key chooses the same version of a model inside a graph as outside."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import numpy as np
import pytest
from gateways import is_ready, running_app, wait_until
from releases import Behaving, released
from tiny_models import Serving, running_model_server, running_serving

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.graph_spec import parse_graph
from tidemill_contracts.pb import routes_pb2

KEYS = [f"user-{number}" for number in range(40)]
GRAPH = """
kind: InferenceGraph
metadata: {name: g}
spec: {nodes: {a: {kind: model, model: m}}, outputs: {y: a}}
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[httpx.Client, grpc.Channel]]:
    """A gateway of `m`, whose version a key chooses, and of the graph `g` of nothing but `m`."""
    serving = Serving()
    models = {("m", version): Behaving(version).model() for version in (1, 2)}
    with running_model_server(models) as server, running_serving(serving):
        graph = routes_pb2.Graph(name="g", spec=parse_graph(GRAPH).to_json(), version=1)
        sticky = {"split": routes_pb2.STICKY, "split_key": "tidemill-key"}
        serving.publish(released(server, 0.5, **sticky), graphs=[graph])
        with (
            running_app(serving.address) as (client, app),
            grpc.insecure_channel(app.grpc_server.address) as channel,
        ):
            wait_until(lambda: is_ready(client))
            yield client, channel


def by_rest(client: httpx.Client, model: str, key: str) -> float:
    answer = client.post(
        f"/v1/models/{model}:predict", json={"instances": [1.0]}, headers={"Tidemill-Key": key}
    )
    return float(answer.json()["predictions"][0])


def by_grpc(channel: grpc.Channel, model: str, key: str) -> float:
    request = tfserving.PredictRequest(model_spec={"name": model})
    request.inputs["x"].CopyFrom(tensors.to_proto(np.ones(1, np.float32)))
    predict = tfserving.PredictionServiceStub(channel).Predict
    return float(
        tensors.to_array(predict(request, timeout=30, metadata=[("tidemill-key", key)]).outputs["y"])[0]
    )


def test_a_key_meets_the_same_version_inside_a_graph(gateway: tuple[httpx.Client, grpc.Channel]) -> None:
    client, channel = gateway

    outside = [by_rest(client, "m", key) for key in KEYS]
    with ThreadPoolExecutor(16) as threads:
        inside = list(threads.map(lambda key: by_rest(client, "g", key), KEYS))
        inside_grpc = list(threads.map(lambda key: by_grpc(channel, "g", key), KEYS))

    assert set(outside) == {1, 2}
    assert inside == inside_grpc == outside
