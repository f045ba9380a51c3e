"""Explanations in KServe's V1 dialect and in the Open Inference Protocol."""

from typing import Any

import httpx
import pytest

V1 = "/v1/models/explained:explain"
ROWS = [{"a": 1, "b": 2}, {"a": 3, "b": 0}]


@pytest.mark.parametrize(
    "path", [V1, "/V1/models/explained/versions/1:EXPLAIN", "/v1/models/explained/labels/stable:explain"]
)
def test_each_row_is_told_what_each_feature_adds_k3(client: httpx.Client, path: str) -> None:
    response = client.post(path, json={"instances": ROWS})

    assert response.json() == {
        "predictions": [121.0, 103.0],
        "explanations": [
            {"attributions": [1.0, 20.0], "baseline": 100.0, "features": ["a", "b"]},
            {"attributions": [3.0, 0.0], "baseline": 100.0, "features": ["a", "b"]},
        ],
    }
    assert response.headers["tidemill-model-version"] == "1"


def test_columns_are_explained_as_columns_k3(client: httpx.Client) -> None:
    response = client.post(V1, json={"inputs": {"a": [1, 3], "b": [2, 0]}})

    assert response.json() == {
        "predictions": [121.0, 103.0],
        "explanations": {
            "attributions": [[1.0, 20.0], [3.0, 0.0]],
            "baseline": [100.0, 100.0],
            "features": [["a", "b"], ["a", "b"]],
        },
    }


@pytest.mark.parametrize(
    ("path", "document", "status", "error"),
    [
        pytest.param(
            "/v1/models/half_plus_two:explain",
            {"instances": [1]},
            501,
            'Model half_plus_two does not explain: it has no signature "explain"',
            id="K3 unsupported",
        ),
        pytest.param(
            "/v1/models/guess:explain",
            {"instances": [1]},
            404,
            "Servable not found for request: Latest(guess)",
            id="K3 no model",
        ),
        pytest.param(V1, {"instances": []}, 400, "JSON Value: ", id="K3 no rows"),
        pytest.param(V1, {"instances": [{"a": 1}]}, 400, "Failed to process element: 0", id="K3 bad row"),
        pytest.param(V1, {}, 400, "Missing 'inputs' or 'instances' key", id="K3 nothing"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    client: httpx.Client, path: str, document: dict[str, Any], status: int, error: str
) -> None:
    response = client.post(path, json=document)

    assert response.status_code == status
    assert response.json()["error"].startswith(error)


def test_the_open_inference_protocol_explains_in_tensors(client: httpx.Client) -> None:
    inputs = [
        {"name": "a", "shape": [1], "datatype": "FP32", "data": [1]},
        {"name": "b", "shape": [1], "datatype": "FP32", "data": [2]},
    ]

    explained = client.post("/v2/models/explained/versions/1/explain", json={"inputs": inputs}).json()
    unsupported = client.post("/v2/models/half_plus_two/explain", json={"inputs": inputs})

    outputs = {each["name"]: each["data"] for each in explained["outputs"]}
    assert outputs == {
        "answer": [121],
        "attributions": [1, 20],
        "baseline": [100],
        "features": ["a", "b"],
    }
    assert unsupported.status_code == 501
    assert "does not explain" in unsupported.json()["error"]


def test_status_has_all_three_keys_of_kserve_and_tensorflow_serving_k2(client: httpx.Client) -> None:
    document = client.get("/v1/models/explained").json()

    assert (document["name"], document["ready"]) == ("explained", True)
    assert document["model_version_status"][0]["state"] == "AVAILABLE"
