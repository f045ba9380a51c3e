"""Inference in the Open Inference Protocol's JSON."""

import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

HALF = "/v2/models/half_plus_two/infer"
X = {"name": "x", "shape": [3], "datatype": "FP32", "data": [2.0, 3, 4.0]}
Y = {"name": "y", "datatype": "FP32", "shape": [3], "data": [3.0, 3.5, 4.0]}


def infer(client: httpx.Client, model: str, *inputs: dict[str, Any], **document: Any) -> httpx.Response:
    return client.post(f"/v2/models/{model}/infer", json={"inputs": list(inputs), **document})


@pytest.mark.parametrize(
    ("path", "version", "values"),
    [
        pytest.param("half_plus_two/infer", "123", [3.0, 3.5, 4.0], id="V1 stable"),
        pytest.param("half_plus_two/versions/124/infer", "124", [4.0, 4.5, 5.0], id="V1 version"),
    ],
)
def test_an_answer_names_its_model_version_and_tensors_v5(
    client: httpx.Client, path: str, version: str, values: list[float]
) -> None:
    response = client.post(f"/v2/models/{path}", json={"id": "one", "inputs": [X]})

    assert response.json() == {
        "model_name": "half_plus_two",
        "model_version": version,
        "id": "one",
        "outputs": [{**Y, "data": values}],
    }
    assert response.headers["tidemill-model-version"] == version
    assert response.headers["content-type"] == "application/json"


def test_no_id_is_made_up_v5(client: httpx.Client) -> None:
    assert "id" not in infer(client, "half_plus_two", X).json()


def test_only_the_outputs_that_are_asked_for_come_back_in_their_order_v5(client: httpx.Client) -> None:
    inputs = [
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
        {"name": "distance", "shape": [1], "datatype": "FP32", "data": [500]},
        {"name": "night", "shape": [1], "datatype": "BOOL", "data": [True]},
    ]

    every = infer(client, "flights", *inputs).json()["outputs"]
    some = infer(client, "flights", *inputs, outputs=[{"name": "night"}, {"name": "late"}]).json()["outputs"]

    assert [each["name"] for each in every] == ["carrier", "late", "night", "raw_bytes"]
    assert some == [
        {"name": "night", "datatype": "BOOL", "shape": [1], "data": [True]},
        {"name": "late", "datatype": "FP32", "shape": [1], "data": [0.5]},
    ]


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]])
def test_data_may_be_flat_or_nested_and_comes_back_flat_v5(client: httpx.Client, data: list[Any]) -> None:
    [output] = infer(client, "pairs", {**X, "shape": [2, 2], "data": data}).json()["outputs"]

    assert (output["shape"], output["data"]) == ([2, 2], [1, 2, 3, 4])


def test_a_tensor_may_have_no_rows_or_any_rank_v5(client: httpx.Client) -> None:
    [empty] = infer(client, "pairs", {**X, "shape": [0, 2], "data": []}).json()["outputs"]
    [scalar] = infer(client, "any_shape", {**X, "shape": [], "data": [7]}).json()["outputs"]
    [cube] = infer(client, "any_shape", {**X, "shape": [1, 1, 1], "data": [[[7]]]}).json()["outputs"]

    assert (empty["shape"], empty["data"]) == ([0, 2], [])
    assert (scalar["shape"], scalar["data"]) == ([], [7])
    assert (cube["shape"], cube["data"]) == ([1, 1, 1], [7])


@pytest.mark.parametrize(
    ("model", "datatype", "values"),
    [
        ("bool", "BOOL", [True, False]),
        ("int8", "INT8", [-128, 127]),
        ("int16", "INT16", [-(2**15), 2**15 - 1]),
        ("int32", "INT32", [-(2**31), 2**31 - 1]),
        ("int64", "INT64", [-(2**63), 2**63 - 1]),
        ("uint8", "UINT8", [0, 255]),
        ("uint16", "UINT16", [0, 2**16 - 1]),
        ("uint32", "UINT32", [0, 2**32 - 1]),
        ("uint64", "UINT64", [0, 2**64 - 1]),
        ("float", "FP32", [0.1, -3.4028235e38]),
        ("double", "FP64", [0.1, -1.7976931348623157e308]),
        ("string", "BYTES", ["Zürich", ""]),
    ],
)
def test_every_datatype_goes_both_ways_whole_v6(
    client: httpx.Client, model: str, datatype: str, values: list[Any]
) -> None:
    tensor = {"name": "x", "shape": [2], "datatype": datatype, "data": values}

    [output] = infer(client, f"echo_{model}", tensor).json()["outputs"]

    assert output == {"name": "y", "datatype": datatype, "shape": [2], "data": values}


@pytest.mark.parametrize(("model", "datatype"), [("half", "FP16"), ("bfloat16", "BF16")])
def test_sixteen_bit_floats_are_binary_only_v6(client: httpx.Client, model: str, datatype: str) -> None:
    response = infer(client, f"echo_{model}", {**X, "datatype": datatype})

    assert response.status_code == 400
    assert response.json() == {"error": f'expected "x" as binary data: JSON cannot carry {datatype}'}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"shape": [2]}, 'expected 2 elements of "x" for shape [2], received 3'),
        ({"shape": [4]}, 'expected 4 elements of "x" for shape [4], received 3'),
        ({"shape": [-3]}, 'expected the shape of "x" without negative sizes, received [-3]'),
        ({"shape": [2**62, 2**62]}, 'expected at most 288230376151711744 elements of "x"'),
        ({"shape": [3.0]}, 'expected the shape of "x" to be a list of integers, received [3.0]'),
        ({"shape": [True, 3]}, 'expected the shape of "x" to be a list of integers'),
        ({"shape": None}, 'expected the shape of "x" to be a list of integers, received None'),
        ({"shape": [1] * 40}, 'expected at most 32 dimensions of "x", received 40'),
        ({"shape": [1, 3]}, 'expected input "x" to be FP32 of shape [-1], received FP32 of shape [1, 3]'),
        ({"datatype": "FP64"}, 'expected input "x" to be FP32 of shape [-1], received FP64 of shape [3]'),
        ({"datatype": "FP99"}, 'expected the datatype of "x" to be one of BOOL, '),
        ({"datatype": None}, 'expected the datatype of "x" to be one of BOOL, '),
        ({"name": "z"}, "input tensor alias not found in signature: z"),
        ({"name": 7}, 'expected each of "inputs" to have a "name", received Number'),
        ({"data": [1, "2", 3]}, 'expected FP32 values in the data of "x", received String'),
        ({"data": [1, None, 3]}, 'expected FP32 values in the data of "x", received Null'),
        ({"data": [1, True, 3]}, 'expected FP32 values in the data of "x", received True'),
        ({"data": [1, 1e39, 3]}, 'expected FP32 values in the data of "x", received 1e+39'),
        ({"data": [[1, 2], [3]]}, 'expected the lists in the data of "x" to be nested as shape [3]'),
        ({"data": [1, [2], 3]}, 'expected the lists in the data of "x" to be nested as shape [3]'),
        ({"data": [[1], [2], [3]]}, 'expected the data of "x" flat or nested as shape [3], received shape'),
        ({"data": 1}, 'expected the data of "x" to be a list, received Number'),
        ({"parameters": 1}, 'expected the parameters of "x" to be a JSON object, received Number'),
    ],
)
def test_a_tensor_that_does_not_fit_is_told_what_would_v8(
    client: httpx.Client, change: dict[str, Any], error: str
) -> None:
    response = infer(client, "half_plus_two", {**X, **change})

    assert response.status_code == 400
    assert response.json().keys() == {"error"}
    assert response.json()["error"].startswith(error)


@pytest.mark.parametrize(
    ("datatype", "model", "value"),
    [
        ("INT8", "int8", 128),
        ("INT8", "int8", 1.0),
        ("UINT16", "uint16", -1),
        ("UINT64", "uint64", 2**64),
        ("BOOL", "bool", 1),
        ("BYTES", "string", 1),
    ],
)
def test_values_are_never_bent_to_their_datatype_v8(
    client: httpx.Client, datatype: str, model: str, value: object
) -> None:
    tensor = {"name": "x", "shape": [1], "datatype": datatype, "data": [value]}

    response = infer(client, f"echo_{model}", tensor)

    assert response.status_code == 400
    assert f'expected {datatype} values in the data of "x"' in response.json()["error"]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"inputs": [X, X]}, 'expected each input once, received "x" twice'),
        ({"inputs": [X, {**X, "name": "z"}]}, "input size does not match signature: 2!=1"),
        ({"inputs": []}, 'expected "inputs" to be a list of at least one tensor'),
        ({}, 'expected "inputs" to be a list of at least one tensor'),
        ({"inputs": [1]}, "expected inputs to be a JSON object, received Number"),
        ({"inputs": [X], "outputs": [{"name": "z"}]}, "output tensor alias not found in signature: z"),
        ({"inputs": [X], "outputs": [{"name": "y"}] * 2}, "duplicate output tensor alias: y"),
        ({"inputs": [X], "outputs": {}}, 'expected "outputs" to be a list, received Object'),
        ({"inputs": [X], "id": 7}, 'expected "id" to be a string, received Number'),
        ({"inputs": [X], "parameters": []}, "expected parameters to be a JSON object, received Array"),
        ([], "expected a JSON object, received Array"),
    ],
)
def test_a_request_that_does_not_fit_is_told_what_would_v8(
    client: httpx.Client, document: object, error: str
) -> None:
    response = client.post(HALF, json=document)

    assert response.status_code == 400
    assert response.json()["error"].startswith(error)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{} x", b"nonsense", b"\xff", b'{"id":"\\ud800"}', b"[" * 100_000, b'{"inputs":NaNs}'],
)
def test_what_is_no_json_is_refused_in_json_v7_v8(client: httpx.Client, body: bytes) -> None:
    response = client.post(HALF, content=body)

    assert response.status_code == 400
    assert response.json()["error"].startswith("expected a JSON object, received what cannot be parsed")


def test_an_unknown_model_is_404_and_one_that_fails_keeps_its_code_v7(client: httpx.Client) -> None:
    unknown = infer(client, "guess", X)
    failing = infer(client, "failing", X)

    assert (unknown.status_code, unknown.json()) == (
        404,
        {"error": "Servable not found for request: Latest(guess)"},
    )
    assert failing.status_code == 400
    assert failing.json()["error"].startswith("xxx")


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
def test_packed_bodies_are_unpacked(client: httpx.Client, encoding: str, pack: Any) -> None:
    body = pack(json.dumps({"inputs": [X]}).encode())

    response = client.post(HALF, content=body, headers={"content-encoding": encoding})

    assert response.json()["outputs"] == [Y]


def test_an_unknown_packing_is_415_v7(client: httpx.Client) -> None:
    response = client.post(HALF, content=b"x", headers={"content-encoding": "br"})

    error = "Expecting Content-Encoding gzip, deflate or identity but got: br"
    assert (response.status_code, response.json()) == (415, {"error": error})


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        pytest.param({"timeout": 50_000}, 504, id="V10 microseconds"),
        pytest.param({"timeout": 50_000, "priority": 1}, 504, id="V10 with priority"),
        pytest.param({"timeout": 4_000_000}, 200, id="V10 long enough"),
        pytest.param({"timeout": 0}, 200, id="V10 none"),
        pytest.param({"timeout": -1}, 400, id="V10 negative"),
        pytest.param({"timeout": "1"}, 400, id="V10 no number"),
        pytest.param({"priority": -1}, 400, id="V10 no priority"),
    ],
)
def test_a_caller_says_how_long_it_waits(
    client: httpx.Client, parameters: dict[str, Any], status: int
) -> None:
    assert infer(client, "slow", X, parameters=parameters).status_code == status


def test_a_signature_may_be_named(client: httpx.Client) -> None:
    other = infer(client, "half_plus_two", X, parameters={"signature_name": "other"})
    unknown = infer(client, "half_plus_two", X, parameters={"signature_name": "guess"})

    assert other.json()["outputs"] == [Y]
    assert unknown.status_code == 400
    assert 'Serving signature name: "guess" not found' in unknown.json()["error"]


@pytest.mark.parametrize(
    ("place", "parameters"),
    [("inputs", {"shared_memory_region": "a"}), ("outputs", {"classification": 2})],
)
def test_what_is_not_supported_is_not_passed_over(
    client: httpx.Client, place: str, parameters: dict[str, Any]
) -> None:
    tensors: dict[str, list[dict[str, Any]]] = {"inputs": [dict(X)], "outputs": [{"name": "y"}]}
    tensors[place][0]["parameters"] = parameters

    response = client.post(HALF, json=tensors)

    assert response.status_code == 501
    assert "is not supported" in response.json()["error"]
