"""NaN and infinities in the Open Inference Protocol's JSON, which has no words for them."""

import json
import math

import httpx
import pytest

X = {"name": "x", "shape": [3], "datatype": "FP32"}
INFER = "/v2/models/echo_float/infer"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_json_has_no_word_for_is_refused_and_never_null_v13(client: httpx.Client, value: str) -> None:
    body = json.dumps({"inputs": [{**X, "data": [1.5, float(value), 0.1]}]})

    refused = client.post(INFER, content=body)
    tokens = client.post(f"{INFER}?allow_nan=true", content=body)
    binary = client.post(INFER, content=body[:-1] + ', "parameters": {"binary_data_output": true}}')

    assert refused.status_code == 400
    assert "ask for it with the parameter binary_data, or send the query" in refused.json()["error"]
    assert f'"data":[1.5, {value}, 0.1]' in tokens.text
    assert binary.status_code == 200


def test_infinity_that_was_sent_is_not_one_that_was_made_v13(client: httpx.Client) -> None:
    body = json.dumps({"inputs": [{**X, "data": [math.inf, 1, 2]}]})

    response = client.post(f"{INFER}?allow_nan=true", content=body)

    assert response.json()["outputs"][0]["data"] == [math.inf, 1, 2]
