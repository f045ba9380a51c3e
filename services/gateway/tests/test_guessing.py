"""Callers that make up names, over every protocol, take neither memory nor metric series."""

import gc
import json
import socket
from collections.abc import Callable, Mapping

import grpc
import numpy as np
from gateways import is_ready, running_app, wait_until
from prometheus_client import REGISTRY
from tiny_models import ModelServer, Serving, route, running_serving

from tidemill_contracts import tensors, tfserving

GUESSES = 10_000
KNOWN = "/v1/models/half_plus_two"
KINDS: Mapping[str, Callable[[str], tuple[str, object]]] = {
    "model": lambda name: (f"/v1/models/{name}:predict", {"instances": [1]}),
    "signature": lambda name: (
        f"{KNOWN}:predict",
        {"instances": [1], "signature_name": name},
    ),
    "label": lambda name: (f"{KNOWN}/labels/{name}:predict", {"instances": [1]}),
    "version": lambda name: (
        f"{KNOWN}/versions/{name[1:]}:classify",
        {"examples": [{"x": 1}]},
    ),
    "input": lambda name: (f"{KNOWN}:predict", {"instances": [{name: 1}]}),
    "query": lambda name: (f"{KNOWN}:predict?{name}", {"instances": ["x"]}),
    "explanation": lambda name: (f"/v1/models/{name}:explain", {"instances": [1]}),
    "feedback": lambda name: (f"/v1/models/{name}:feedback", {"prediction_id": name, "reward": 1}),
    "release": lambda name: (f"/v1/releases/{name}:promote", {}),
    "v2 model": lambda name: (f"/v2/models/{name}/infer", {"inputs": []}),
    "v2 output": lambda name: (
        "/v2/models/half_plus_two/infer",
        {
            "inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}],
            "outputs": [{"name": name}],
        },
    ),
    "document": lambda name: (f"/v2/models/{name}/openapi.json", {}),
    "path": lambda name: (f"/{name}", {}),
}


def ask(connection: socket.socket, kind: str, name: str) -> int:
    path, document = KINDS[kind](name)
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ntidemill-key: {name}\r\ncontent-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    reply = b""
    while b"\r\n\r\n" not in reply:
        reply += connection.recv(65536)
    headers, _, content = reply.partition(b"\r\n\r\n")
    size_bytes = int(headers.lower().partition(b"content-length: ")[2].split()[0])
    while len(content) < size_bytes:
        content += connection.recv(65536)
    return int(reply[9:12])


def ask_over_grpc(channel: grpc.Channel, name: str) -> grpc.StatusCode:
    request = tfserving.PredictRequest(model_spec={"name": name})
    request.inputs[name].CopyFrom(tensors.to_proto(np.zeros(1, np.float32)))
    try:
        tfserving.PredictionServiceStub(channel).Predict(request, timeout=5, metadata=[("x-key", name)])
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def guess(connection: socket.socket, channel: grpc.Channel, numbers: range) -> set[int | grpc.StatusCode]:
    kinds = [*KINDS, "grpc"]
    codes: set[int | grpc.StatusCode] = set()
    for number in numbers:
        kind, name = kinds[number % len(kinds)], f"g{1000 + number}"
        codes.add(ask_over_grpc(channel, name) if kind == "grpc" else ask(connection, kind, name))
    return codes


def series() -> int:
    return sum(len(metric.samples) for metric in REGISTRY.collect())


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def test_ten_thousand_guesses_leave_nothing_behind(model_server: ModelServer) -> None:
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with running_serving(serving), running_app(serving.address) as (client, app):
        wait_until(lambda: is_ready(client))
        address = client.base_url.host, client.base_url.port or 0
        with (
            socket.create_connection(address, timeout=10) as connection,
            grpc.insecure_channel(app.grpc_server.address) as channel,
        ):
            first = guess(connection, channel, range(GUESSES // 4))
            series_before, objects_before = series(), objects()
            codes = guess(connection, channel, range(GUESSES // 4, GUESSES))
            series_after, objects_after = series(), objects()

    assert codes <= {400, 404, 405, 501, 503, grpc.StatusCode.NOT_FOUND}, codes
    assert codes == first
    assert series_after == series_before
    # What is kept of each guess would be an object at least; other tests of this process leave some behind.
    assert objects_after - objects_before < GUESSES // 3
