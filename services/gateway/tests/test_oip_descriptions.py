"""What can be asked of the server and its models in the Open Inference Protocol over REST."""

import httpx
import pytest
from gateways import running_gateway

READY = {"ready": True, "live": True}


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_names_itself_and_only_the_extensions_it_has_v2(client: httpx.Client, path: str) -> None:
    document = client.get(path).json()

    assert document["name"] == "tidemill-gateway"
    assert document["version"]
    assert document["extensions"] == [
        "binary_tensor_data",
        "model_configuration",
        "model_repository",
        "parameters",
        "statistics",
    ]


@pytest.mark.parametrize(
    ("path", "document"),
    [
        pytest.param("/v2/health/live", {"live": True}, id="V3 live"),
        pytest.param("/v2/health/ready", READY, id="V3 ready"),
        pytest.param(
            "/v2/models/half_plus_two/ready", {"name": "half_plus_two", "ready": True}, id="V1 model"
        ),
        pytest.param(
            "/v2/models/half_plus_two/versions/124/ready",
            {"name": "half_plus_two", "ready": True},
            id="V1 version",
        ),
    ],
)
def test_what_answers_is_ready(client: httpx.Client, path: str, document: object) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()) == (200, document)


def test_a_gateway_without_routes_is_live_but_not_ready_v3() -> None:
    with running_gateway("127.0.0.1:1") as client:
        live, ready = client.get("/v2/health/live"), client.get("/v2/health/ready")

    assert live.status_code == 200
    assert ready.status_code == 503
    assert (ready.json()["ready"], ready.json()["live"]) == (False, True)
    assert "Expecting a route table" in ready.json()["error"]


@pytest.mark.parametrize("path", ["guess/ready", "half_plus_two/versions/9/ready", "guess", "guess/stats"])
def test_what_is_not_there_is_not_ready_and_not_described_v3_v7(client: httpx.Client, path: str) -> None:
    response = client.get(f"/v2/models/{path}")

    assert response.status_code == 404
    assert response.json().keys() == {"error"}


@pytest.mark.parametrize("path", ["pairs", "pairs/versions/1"])
def test_metadata_shows_tensors_with_their_open_dimensions_v4(client: httpx.Client, path: str) -> None:
    tensor = {"datatype": "FP32", "shape": [-1, 2]}

    assert client.get(f"/v2/models/{path}").json() == {
        "name": "pairs",
        "versions": ["1"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "x", **tensor}],
        "outputs": [{"name": "y", **tensor}],
    }


def test_metadata_names_every_loaded_version_and_input_v4(client: httpx.Client) -> None:
    versions = client.get("/v2/models/half_plus_two").json()["versions"]
    inputs = client.get("/v2/models/flights").json()["inputs"]

    assert versions == ["123", "124"]
    assert {each["name"]: each["datatype"] for each in inputs} == {
        "carrier": "BYTES",
        "distance": "FP32",
        "night": "BOOL",
    }


def test_names_are_percent_decoded_v1(client: httpx.Client) -> None:
    assert client.get("/v2/models/odd%2Fna%3Ame").json()["name"] == "odd/na:me"


def test_the_configuration_has_tritons_words_v11(client: httpx.Client) -> None:
    assert client.get("/v2/models/pairs/config").json() == {
        "name": "pairs",
        "platform": "tensorflow_savedmodel",
        "backend": "tensorflow",
        "max_batch_size": 0,
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 2]}],
        "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [-1, 2]}],
    }


def test_statistics_count_answers_rows_and_failures_v11(client: httpx.Client) -> None:
    def stats() -> tuple[int, int, int, int]:
        [entry] = client.get("/v2/models/echo_float/stats").json()["model_stats"]
        success, fail = entry["inference_stats"]["success"], entry["inference_stats"]["fail"]
        assert (success["ns"] > 0) == (success["count"] > 0)
        return entry["inference_count"], entry["execution_count"], success["count"], fail["count"]

    before = stats()
    tensor = {"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 3]}
    client.post("/v2/models/echo_float/infer", json={"inputs": [tensor]})
    client.post("/v2/models/echo_float/infer", json={"inputs": [{**tensor, "name": "z"}]})

    assert [now - then for now, then in zip(stats(), before, strict=True)] == [3, 1, 1, 1]


def test_statistics_of_every_model_are_one_document_v11(client: httpx.Client) -> None:
    stats = client.get("/v2/models/stats").json()["model_stats"]

    assert {("half_plus_two", "123"), ("half_plus_two", "124"), ("flights", "1")} <= {
        (entry["name"], entry["version"]) for entry in stats
    }


@pytest.mark.parametrize("path", ["/v2/repository/index", "/v2/repository/tidemill/index"])
@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready":true}'])
def test_the_index_names_every_loaded_version_v11(client: httpx.Client, path: str, body: bytes) -> None:
    entries = client.post(path, content=body).json()

    versions = {(entry["name"], entry["version"]) for entry in entries if entry["state"] == "READY"}
    assert {("half_plus_two", "123"), ("half_plus_two", "124"), ("odd/na:me", "1")} <= versions


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_models_are_not_loaded_by_callers_v11(client: httpx.Client, verb: str) -> None:
    response = client.post(f"/v2/repository/models/half_plus_two/{verb}", content=b"{}")

    assert response.status_code == 403
    assert "releases" in response.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models",
        "/v2/nothing",
        "/v2/health/dead",
        "/v2/models/m/guess",
        "/v2/models/m/versions/x",
        "/v2/models/m/versions/1/",
        "/v2/models/m/labels/stable/ready",
    ],
)
def test_other_paths_are_not_found_v7_v12(client: httpx.Client, path: str) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v2/models/half_plus_two/infer", "POST"),
        ("POST", "/v2/models/half_plus_two", "GET"),
        ("PUT", "/v2/health/live", "GET"),
        ("DELETE", "/v2/repository/index", "POST"),
    ],
)
def test_a_wrong_verb_is_told_which_is_right_v7(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)

    assert (response.status_code, response.json()) == (405, {"error": "Method Not Allowed"})
    assert response.headers["allow"] == allowed
