"""Each model's own OpenAPI document: what its signatures say, and requests by its examples are answered."""

from typing import Any

import httpx
import pytest
from fastapi.openapi.models import OpenAPI


def document(client: httpx.Client, path: str) -> Any:
    response = client.get(f"{path}/openapi.json")
    assert response.status_code == 200
    OpenAPI.model_validate(response.json())
    return response.json()


def request_schema(operations: Any) -> Any:
    return operations["post"]["requestBody"]["content"]["application/json"]["schema"]


def test_rows_have_the_models_features_with_their_types(client: httpx.Client) -> None:
    predict = document(client, "/v1/models/flights")["paths"]["/v1/models/flights:predict"]

    by_row, by_column = request_schema(predict)["oneOf"]
    row = by_row["properties"]["instances"]["items"]
    assert row["required"] == ["carrier", "distance", "night"]
    assert row["properties"]["distance"] == {"type": "number", "format": "float"}
    assert row["properties"]["night"] == {"type": "boolean"}
    assert row["properties"]["carrier"]["anyOf"][0] == {"type": "string"}
    column = by_column["properties"]["inputs"]["properties"]["distance"]
    assert column == {"type": "array", "items": {"type": "number", "format": "float"}}


def test_a_signature_that_is_not_the_default_one_must_be_named(client: httpx.Client) -> None:
    predict = document(client, "/v1/models/half_plus_two")["paths"]["/v1/models/half_plus_two:predict"]

    forms = {form["title"]: form["required"] for form in request_schema(predict)["oneOf"]}
    assert forms == {
        "serving_default by row": ["instances"],
        "serving_default by column": ["inputs"],
        "other by row": ["instances", "signature_name"],
        "other by column": ["inputs", "signature_name"],
    }


@pytest.mark.parametrize("model", ["flights", "half_plus_two", "echo_int64", "echo_string"])
def test_the_examples_of_a_document_are_answered(client: httpx.Client, model: str) -> None:
    path = f"/v1/models/{model}"
    examples = request_schema(document(client, path)["paths"][f"{path}:predict"])["examples"]

    assert [client.post(f"{path}:predict", json=example).status_code for example in examples] == [200] * len(
        examples
    )


def test_tensors_have_the_models_names_and_datatypes(client: httpx.Client) -> None:
    infer = document(client, "/v2/models/flights")["paths"]["/v2/models/flights/infer"]

    schema = request_schema(infer)
    inputs = schema["properties"]["inputs"]
    tensors = {
        each["properties"]["name"]["const"]: each["properties"]["datatype"]["const"]
        for each in inputs["items"]["anyOf"]
    }
    assert tensors == {"carrier": "BYTES", "distance": "FP32", "night": "BOOL"}
    assert inputs["minItems"] == inputs["maxItems"] == 3
    answer = client.post("/v2/models/flights/infer", json=schema["examples"][0])
    assert answer.status_code == 200


def test_a_version_is_described_at_its_own_path(client: httpx.Client) -> None:
    described = document(client, "/v1/models/half_plus_two/versions/124")
    labelled = document(client, "/v1/models/half_plus_two/labels/canary")

    assert described["info"] == {"title": "half_plus_two", "version": "124"} == labelled["info"]
    assert "/v1/models/half_plus_two/versions/124:predict" in described["paths"]


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/v1/models/guess/openapi.json", 404),
    ("GET", "/v2/models/guess/openapi.json", 404),
    ("GET", "/v1/models/half_plus_two/versions/9/openapi.json", 404),
    ("POST", "/v2/models/half_plus_two/openapi.json", 405),
])  # fmt: skip
def test_what_is_not_there_is_refused(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)

    assert response.status_code == status
    assert response.json()["error"]
