"""One gateway for all tests that only ask, with its model server and its publisher of routes."""

from collections.abc import Iterator

import grpc
import httpx
import numpy as np
import pytest
from gateways import is_ready, running_app, wait_until
from tiny_models import (
    ModelServer,
    Serving,
    answering,
    echo,
    explained,
    failing,
    flights,
    half_plus,
    route,
    running_model_server,
    running_serving,
    sleeping,
)

from tidemill_gateway.app import Gateway

ECHOES = (
    "float",
    "double",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "string",
    "half",
    "bfloat16",
    "complex64",
)
MODELS = {
    ("half_plus_two", 123): half_plus(2),
    ("half_plus_two", 124): half_plus(3),
    ("odd/na:me", 1): half_plus(2),
    ("flights", 1): flights(),
    **{(f"echo_{name}", 1): echo(f"DT_{name.upper()}") for name in ECHOES},
    ("scalar", 1): answering({"y": np.array(1, np.float32)}),
    ("uneven", 1): answering({"a": np.zeros(2, np.float32), "b": np.zeros(3, np.float32)}),
    ("nothing", 1): answering({"y": np.zeros((0, 2), np.float32)}),
    ("no_rows", 1): answering({"a": np.zeros(0, np.float32), "b": np.zeros(0, np.float32)}),
    ("complex", 1): answering({"y": np.zeros(1, np.complex64)}),
    ("matrix", 1): answering({"a": np.eye(2, dtype=np.float32), "b": np.array([[b"p"], [b"q"]], object)}),
    ("failing", 1): failing("x" * 2000),
    ("slow", 1): sleeping(1),
    ("pairs", 1): echo("DT_FLOAT", (-1, 2)),
    ("any_shape", 1): echo("DT_FLOAT", None),
    ("explained", 1): explained(),
}


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    with running_model_server(MODELS) as server:
        yield server


@pytest.fixture(scope="session")
def client(gateway: tuple[httpx.Client, Gateway]) -> httpx.Client:
    """A client of the REST API of the gateway."""
    return gateway[0]


@pytest.fixture(scope="session")
def channel(gateway: tuple[httpx.Client, Gateway]) -> Iterator[grpc.Channel]:
    """A channel to the gRPC API of the gateway."""
    with grpc.insecure_channel(gateway[1].grpc_server.address) as channel:
        yield channel


@pytest.fixture(scope="session")
def gateway(model_server: ModelServer) -> Iterator[tuple[httpx.Client, Gateway]]:
    """A ready gateway that routes to every model; half_plus_two has a second version, `canary`."""
    serving = Serving()
    routes = [route(model_server, model, version) for model, version in MODELS if version == 1]
    serving.publish(route(model_server, "half_plus_two", 123, canary=124), *routes)
    with running_serving(serving), running_app(serving.address) as (client, app):
        wait_until(lambda: is_ready(client))
        yield client, app
