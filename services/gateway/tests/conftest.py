"""One gateway for all tests that only ask, with its model server and its publisher of routes."""

from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from gateways import is_ready, running_gateway, wait_until
from tiny_models import (
    ModelServer,
    Serving,
    answering,
    echo,
    failing,
    flights,
    half_plus,
    route,
    running_model_server,
    running_serving,
)

ECHOES = (
    "float",
    "double",
    "int8",
    "int32",
    "int64",
    "uint8",
    "uint64",
    "bool",
    "string",
    "half",
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
}


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    with running_model_server(MODELS) as server:
        yield server


@pytest.fixture(scope="session")
def client(model_server: ModelServer) -> Iterator[httpx.Client]:
    """A ready gateway that routes to every model; half_plus_two has a second version, `canary`."""
    serving = Serving()
    routes = [route(model_server, model, version) for model, version in MODELS if version == 1]
    serving.publish(route(model_server, "half_plus_two", 123, canary=124), *routes)
    with running_serving(serving), running_gateway(serving.address) as client:
        wait_until(lambda: is_ready(client))
        yield client
