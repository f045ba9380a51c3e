"""How predict requests reach a version, and in what packing; ids name TensorFlow Serving's list of facts."""

import gzip

import httpx
import pytest

PREDICT = "/v1/models/half_plus_two:predict"


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/v1/foo", id="T2 no such thing"),
        pytest.param("POST", "/v1/foo", id="T2 no such thing to post to"),
        pytest.param("GET", PREDICT, id="T2 wrong verb for predict"),
        pytest.param("POST", "/v1/models", id="T2 wrong verb for models"),
        pytest.param("POST", "/v1/models/half_plus_two/metadata", id="T2 wrong verb for metadata"),
        pytest.param("PUT", PREDICT, id="T2 verb of no use"),
        pytest.param("POST", "/v1/models/half_plus_two/version/50:predict", id="T2 singular version"),
        pytest.param("POST", "/v1/models/half_plus_two/versions/HELLO:predict", id="T2 version no number"),
        pytest.param("POST", "/v1/models/m/versions/1/labels/stable:predict", id="T2 version and label"),
        pytest.param("GET", "/v1/models/half_plus_two/name", id="T2 path too long"),
    ],
)
def test_a_malformed_path_is_named_in_the_refusal(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, f"{path}?q=1")

    assert refusal(response) == (400, f"Malformed request: {method} {path}")


@pytest.mark.parametrize(
    ("path", "version"),
    [
        pytest.param("/v1/models/half_plus_two:predict", "123", id="T1 stable"),
        pytest.param("/V1/Models/half_plus_two:PREDICT", "123", id="T1 any case"),
        pytest.param("/v1/models/half_plus_two/versions/124:predict", "124", id="T1 version"),
        pytest.param("/v1/models/half_plus_two/labels/canary:predict", "124", id="T1 label"),
        pytest.param("/v1/models/half_plus_two/labels/can%61ry:predict", "124", id="T1 encoded label"),
        pytest.param("/v1/models/odd%2Fna%3Ame:predict", "1", id="T1 encoded name"),
    ],
)
def test_the_version_that_is_asked_for_answers_and_is_named(
    client: httpx.Client, path: str, version: str
) -> None:
    response = client.post(path, json={"instances": [2.0]})

    assert response.json() == {"predictions": [4.0 if version == "124" else 3.0]}
    assert response.headers["tidemill-model-version"] == version


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        pytest.param(
            f"/v1/models/half_plus_two/versions/{2**63}:predict",
            400,
            f"Failed to convert version: {2**63} to numeric.",
            id="T4 version beyond int64",
        ),
        pytest.param(
            "/v1/models/guess:predict", 404, "Servable not found for request: Latest(guess)", id="T5 model"
        ),
        pytest.param(
            "/v1/models/half_plus_two/versions/5:predict",
            404,
            "Servable not found for request: Specific(half_plus_two, 5)",
            id="T5 version",
        ),
        pytest.param(
            "/v1/models/half_plus_two/labels/no:predict",
            400,
            "Unrecognized servable version label: no",
            id="T6 label",
        ),
        pytest.param(
            "/v1/models/guess/labels/no:predict",
            400,
            "Unrecognized servable version label: no",
            id="T6 label of an unknown model",
        ),
    ],
)
def test_a_servable_that_is_not_there_is_refused(
    client: httpx.Client, path: str, status: int, error: str
) -> None:
    assert refusal(client.post(path, json={"instances": [1.0]})) == (status, error)


def test_a_body_may_be_gzipped_t8(client: httpx.Client) -> None:
    content = gzip.compress(b'{"instances": [2.0]}')

    response = client.post(PREDICT, content=content, headers={"content-encoding": "gzip"})

    assert response.json() == {"predictions": [3.0]}
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("encoding", "error"),
    [
        pytest.param("gzip", "Expecting a gzip body but got: ", id="T8 not gzip"),
        pytest.param(
            "br", "Expecting Content-Encoding gzip, deflate or identity but got: br", id="T8 unknown"
        ),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_refused(client: httpx.Client, encoding: str, error: str) -> None:
    response = client.post(PREDICT, content=b'{"instances": [2.0]}', headers={"content-encoding": encoding})

    assert response.status_code == 400
    assert response.json()["error"].startswith(error)


def test_a_truncated_gzip_body_is_refused_t8(client: httpx.Client) -> None:
    content = gzip.compress(b'{"instances": [2.0]}')[:-8]

    response = client.post(PREDICT, content=content, headers={"content-encoding": "gzip"})

    assert refusal(response) == (400, "Expecting a complete gzip body but it ends early")


def test_json_is_parsed_before_the_model_is_looked_up_t10(client: httpx.Client) -> None:
    assert client.post("/v1/models/guess:predict", content=b"{").status_code == 400
