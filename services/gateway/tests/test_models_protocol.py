"""What can be asked about models and of the process: the rest of TensorFlow Serving's REST API, and ours."""

import httpx
import pytest
from gateways import running_gateway
from tiny_models import ModelServer

OK = {"error_code": "OK", "error_message": ""}


def available(*versions: int) -> list[dict[str, object]]:
    return [{"version": str(version), "state": "AVAILABLE", "status": OK} for version in versions]


def test_models_are_listed_k1(client: httpx.Client) -> None:
    assert {"half_plus_two", "flights", "odd/na:me"} <= set(client.get("/v1/models").json()["models"])


@pytest.mark.parametrize(
    ("path", "versions"),
    [
        pytest.param("/v1/models/half_plus_two", (123, 124), id="T28 all versions"),
        pytest.param("/V1/MODELS/half_plus_two", (123, 124), id="T1 any case"),
        pytest.param("/v1/models/half_plus_two/versions/124", (124,), id="T28 one version"),
        pytest.param("/v1/models/half_plus_two/labels/canary", (123, 124), id="T7 label is passed over"),
    ],
)
def test_status_has_the_forms_of_tensorflow_serving_and_kserve(
    client: httpx.Client, path: str, versions: tuple[int, ...]
) -> None:
    expected = {"model_version_status": available(*versions), "name": "half_plus_two", "ready": True}

    assert client.get(path).json() == expected


@pytest.mark.parametrize(
    ("path", "error"),
    [
        pytest.param("guess", "Could not find any versions of model guess", id="T5 status of a model"),
        pytest.param(
            "half_plus_two/versions/9",
            "Could not find version 9 of model half_plus_two",
            id="T5 status of a version",
        ),
        pytest.param(
            "guess/metadata", "Servable not found for request: Latest(guess)", id="T5 metadata of a model"
        ),
        pytest.param(
            "half_plus_two/versions/9/metadata",
            "Servable not found for request: Specific(half_plus_two, 9)",
            id="T5 metadata of a version",
        ),
    ],
)
def test_what_is_not_there_has_no_status_and_no_metadata(client: httpx.Client, path: str, error: str) -> None:
    response = client.get(f"/v1/models/{path}")

    assert (response.status_code, response.json()) == (404, {"error": error})


@pytest.mark.parametrize("path", ["/v1/models/versions/1", "/v1/models/labels/stable"])
def test_a_version_without_a_name_is_refused_t3(client: httpx.Client, path: str) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()) == (400, {"error": "Missing model name in request."})


@pytest.mark.parametrize(
    ("path", "version"),
    [
        pytest.param("half_plus_two/metadata", "123", id="T29 stable"),
        pytest.param("half_plus_two/METADATA", "123", id="T29 any case"),
        pytest.param("half_plus_two/versions/124/metadata", "124", id="T29 version"),
        pytest.param("half_plus_two/labels/canary/metadata", "124", id="T29 label"),
    ],
)
def test_metadata_shows_signatures_with_every_default_field(
    client: httpx.Client, path: str, version: str
) -> None:
    document = client.get(f"/v1/models/{path}").json()

    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    signature = {
        "inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "x:0"}},
        "outputs": {"y": {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "y:0"}},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    assert document == {
        "model_spec": {"name": "half_plus_two", "signature_name": "", "version": version},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature, "other": signature}}},
    }


@pytest.mark.parametrize("path", ["/v1", "/v2/models", "/metrics"])
def test_paths_outside_v1_are_not_found_t2(client: httpx.Client, path: str) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})


def test_cors_is_off_by_default_t9(client: httpx.Client) -> None:
    response = client.get("/v1/models", headers={"origin": "https://page.example"})

    assert "access-control-allow-origin" not in response.headers


def test_cors_allows_every_origin_where_it_is_on_t9() -> None:
    with running_gateway("127.0.0.1:1", cors_origins=("*",)) as client:
        preflight = client.options("/v1/models/m:predict", headers={"origin": "https://page.example"})
        without_origin = client.options("/v1/models/m:predict")
        refused = client.get("/v1/nothing")

    assert preflight.status_code == 200
    assert without_origin.json() == {"error": "Origin header is missing in CORS preflight"}
    assert without_origin.status_code == 400
    for response in (preflight, refused):
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["access-control-allow-methods"] == "POST, GET"
        assert response.headers["access-control-allow-headers"] == "Content-Type"


def test_a_request_id_is_echoed_or_made(client: httpx.Client) -> None:
    path = "/v1/models/half_plus_two:predict"

    given = client.post(path, json={"instances": [1]}, headers={"tidemill-request-id": "abc-1"})
    made = [client.post(path, content=b"").headers["tidemill-request-id"] for _ in range(2)]
    useless = client.post(path, content=b"", headers={"tidemill-request-id": "x" * 200})

    assert given.headers["tidemill-request-id"] == "abc-1"
    assert len({*made, useless.headers["tidemill-request-id"], "x" * 200}) == 4


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(("sent", "passed_on"), [(TRACEPARENT, [TRACEPARENT]), ("nonsense", [])])
def test_the_trace_context_reaches_the_model_server(
    client: httpx.Client, model_server: ModelServer, sent: str, passed_on: list[str]
) -> None:
    headers = {"traceparent": sent}

    client.post("/v1/models/half_plus_two:predict", json={"instances": [1]}, headers=headers)

    assert [value for name, value in model_server.seen_metadata if name == "traceparent"] == passed_on
