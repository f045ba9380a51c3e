"""The binary tensor extension of the Open Inference Protocol over REST."""

import json
import struct
from typing import Any

import httpx
import numpy as np
import pytest

HALF = "/v2/models/half_plus_two/infer"
LENGTH = "Inference-Header-Content-Length"


def x(data: bytes, shape: list[int], datatype: str = "FP32") -> dict[str, Any]:
    parameters = {"binary_data_size": len(data)}
    return {"name": "x", "shape": shape, "datatype": datatype, "parameters": parameters}


def post(
    client: httpx.Client, path: str, document: dict[str, Any], *blobs: bytes, length: str | None = None
) -> httpx.Response:
    text = json.dumps(document).encode()
    headers = {LENGTH: length or str(len(text)), "content-type": "application/octet-stream"}
    return client.post(path, content=b"".join([text, *blobs]), headers=headers)


def parts(response: httpx.Response) -> tuple[dict[str, Any], bytes]:
    size = int(response.headers[LENGTH])
    return json.loads(response.content[:size]), response.content[size:]


def strings(*items: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


def test_tensors_go_in_and_out_as_bytes_v9(client: httpx.Client) -> None:
    data = np.array([2, 3, 4], "<f4").tobytes()
    document = {"id": "one", "inputs": [x(data, [3])], "parameters": {"binary_data_output": True}}

    response = post(client, HALF, document, data)

    header, blob = parts(response)
    assert response.headers["content-type"] == "application/octet-stream"
    assert header == {
        "model_name": "half_plus_two",
        "model_version": "123",
        "id": "one",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [3], "parameters": {"binary_data_size": 12}}],
    }
    assert np.frombuffer(blob, "<f4").tolist() == [3.0, 3.5, 4.0]


def test_bytes_in_do_not_mean_bytes_out_v9(client: httpx.Client) -> None:
    data = np.array([2], "<f4").tobytes()

    response = post(client, HALF, {"inputs": [x(data, [1])]}, data)

    assert LENGTH not in response.headers
    assert response.json()["outputs"][0]["data"] == [3.0]


@pytest.mark.parametrize(
    ("model", "datatype", "data"),
    [
        ("bool", "BOOL", b"\x01\x00"),
        ("int8", "INT8", b"\x80\x7f"),
        ("int16", "INT16", struct.pack("<2h", -(2**15), 5)),
        ("int32", "INT32", struct.pack("<2i", -(2**31), 5)),
        ("int64", "INT64", struct.pack("<2q", -(2**63), 5)),
        ("uint8", "UINT8", b"\xff\x00"),
        ("uint16", "UINT16", struct.pack("<2H", 2**16 - 1, 5)),
        ("uint32", "UINT32", struct.pack("<2I", 2**32 - 1, 5)),
        ("uint64", "UINT64", struct.pack("<2Q", 2**64 - 1, 5)),
        ("half", "FP16", struct.pack("<2e", 0.5, float("-inf"))),
        ("bfloat16", "BF16", b"\x80\x3f\xc0\x7f"),
        ("float", "FP32", struct.pack("<2f", float("nan"), 0.1)),
        ("double", "FP64", struct.pack("<2d", float("inf"), 0.1)),
        ("string", "BYTES", strings(b"\xff\x00", b"")),
    ],
)
def test_the_bytes_of_every_datatype_come_back_unchanged_v6_v9(
    client: httpx.Client, model: str, datatype: str, data: bytes
) -> None:
    document = {"inputs": [x(data, [2], datatype)], "parameters": {"binary_data_output": True}}

    header, blob = parts(post(client, f"/v2/models/echo_{model}/infer", document, data))

    assert (header["outputs"][0]["datatype"], header["outputs"][0]["shape"]) == (datatype, [2])
    assert blob == data


@pytest.mark.parametrize(
    ("default", "late", "binary"),
    [
        (True, None, {"late", "carrier"}),
        (True, False, {"carrier"}),
        (False, True, {"late"}),
        (None, True, {"late"}),
        (None, None, set()),
    ],
)
def test_each_output_may_differ_from_what_is_asked_of_all_v9(
    client: httpx.Client,
    default: bool | None,  # noqa: FBT001 - a case's value
    late: bool | None,  # noqa: FBT001
    binary: set[str],
) -> None:
    inputs = [
        {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]},
        {"name": "distance", "shape": [1], "datatype": "FP32", "data": [500]},
        {"name": "night", "shape": [1], "datatype": "BOOL", "data": [True]},
    ]
    outputs: list[dict[str, Any]] = [{"name": "late"}, {"name": "carrier"}]
    document: dict[str, Any] = {"inputs": inputs, "outputs": outputs}
    if late is not None:
        outputs[0]["parameters"] = {"binary_data": late}
    if default is not None:
        document["parameters"] = {"binary_data_output": default}

    response = client.post("/v2/models/flights/infer", json=document)

    header, blob = parts(response) if LENGTH in response.headers else (response.json(), b"")
    found = {each["name"] for each in header["outputs"] if "binary_data_size" in each.get("parameters", {})}
    blobs = {"late": struct.pack("<f", 0.5), "carrier": strings(b"UA")}
    assert found == binary
    assert blob == b"".join(data for name, data in blobs.items() if name in binary)


def test_bytes_follow_in_the_order_of_the_inputs_that_have_them_v9(client: httpx.Client) -> None:
    carrier, night = strings(b"UA", b"AA"), b"\x00\x01"
    inputs = [
        {"name": "night", "shape": [2], "datatype": "BOOL", "parameters": {"binary_data_size": 2}},
        {"name": "distance", "shape": [2], "datatype": "FP32", "data": [500, 250]},
        {
            "name": "carrier",
            "shape": [2],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": len(carrier)},
        },
    ]

    response = post(client, "/v2/models/flights/infer", {"inputs": inputs}, night, carrier)

    outputs = {each["name"]: each["data"] for each in response.json()["outputs"]}
    assert outputs["carrier"] == ["UA", "AA"]
    assert outputs["late"] == [0.5, 0.25]
    assert outputs["night"] == [False, True]


@pytest.mark.parametrize(
    ("tensor", "data", "error"),
    [
        (x(b"\0" * 8, [3]), b"\0" * 8, 'expected 12 bytes of "x" for FP32 of shape [3], received 8'),
        (x(b"\0" * 12, [3]), b"\0" * 8, 'expected 12 bytes of "x" behind the JSON, received 8'),
        (x(b"\0" * 8, [2]), b"\0" * 9, "expected 8 bytes of binary tensors behind the JSON, received 9"),
        (
            {"name": "x", "shape": [1], "datatype": "FP32", "data": [1]},
            b"\0",
            "expected 0 bytes of binary tensors",
        ),
        ({**x(b"\0" * 4, [1]), "data": [1]}, b"\0" * 4, 'expected "x" to have either data or binary_data'),
        ({**x(b"", [1]), "parameters": {"binary_data_size": -1}}, b"", 'expected the parameter "binary_data'),
        (
            {**x(b"", [1]), "parameters": {"binary_data_size": "4"}},
            b"",
            'expected the parameter "binary_data',
        ),
    ],
)
def test_bytes_that_do_not_fit_are_refused_v9(
    client: httpx.Client, tensor: dict[str, Any], data: bytes, error: str
) -> None:
    response = post(client, HALF, {"inputs": [tensor]}, data)

    assert response.status_code == 400
    assert response.json()["error"].startswith(error)


@pytest.mark.parametrize(
    ("data", "shape", "error"),
    [
        (strings(b"a"), [2], 'expected 2 elements of "x" for shape [2], received 1'),
        (strings(b"a", b"b"), [1], 'expected 1 elements of "x" for shape [1], received 2'),
        (strings(b"abc")[:-1], [1], 'expected the bytes of "x" to end with a whole string'),
        (b"\x01\x00", [1], 'expected the bytes of "x" to end with a whole string'),
        (b"\xff\xff\xff\xff", [1], 'expected the bytes of "x" to end with a whole string'),
    ],
)
def test_strings_that_are_cut_are_refused_v9(
    client: httpx.Client, data: bytes, shape: list[int], error: str
) -> None:
    response = post(client, "/v2/models/echo_string/infer", {"inputs": [x(data, shape, "BYTES")]}, data)

    assert response.status_code == 400
    assert response.json()["error"].startswith(error)


@pytest.mark.parametrize("length", ["-1", "x", "99999", "1" * 30, "5"])
def test_a_json_length_that_is_wrong_is_refused_v9(client: httpx.Client, length: str) -> None:
    data = np.array([2], "<f4").tobytes()

    response = post(client, HALF, {"inputs": [x(data, [1])]}, data, length=length)

    assert response.status_code == 400
    assert response.json()["error"].startswith("expected")


def test_strings_that_are_no_text_come_back_as_bytes_or_not_at_all_v9(client: httpx.Client) -> None:
    data = strings(b"\xff")

    response = post(client, "/v2/models/echo_string/infer", {"inputs": [x(data, [1], "BYTES")]}, data)

    assert response.status_code == 400
    assert response.json()["error"].startswith('output "y" is BYTES that are not UTF-8, which JSON cannot')


@pytest.mark.parametrize(
    ("model", "body", "shape", "answer"),
    [
        pytest.param("echo_float", struct.pack("<f", 1.5), [1], struct.pack("<f", 1.5), id="V9 one value"),
        pytest.param("pairs", struct.pack("<2f", 1, 2), [1, 2], struct.pack("<2f", 1, 2), id="V9 one row"),
        pytest.param("echo_string", b"abc", [1], strings(b"abc"), id="V9 one string"),
    ],
)
def test_a_body_may_be_nothing_but_the_only_input(
    client: httpx.Client, model: str, body: bytes, shape: list[int], answer: bytes
) -> None:
    response = client.post(f"/v2/models/{model}/infer", content=body, headers={LENGTH: "0"})

    header, blob = parts(response)
    assert header["outputs"][0]["shape"] == shape
    assert blob == answer


@pytest.mark.parametrize(
    ("model", "body", "error"),
    [
        ("flights", b"", "expected a model with one input for a raw request, this one has 3"),
        ("pairs", b"\0" * 7, 'expected 8 bytes of "x" for FP32 of shape [1, 2], received 7'),
        ("any_shape", b"\0" * 4, 'expected "x" to have a known number of dimensions for a raw request'),
    ],
)
def test_a_raw_body_that_does_not_fit_is_refused_v9(
    client: httpx.Client, model: str, body: bytes, error: str
) -> None:
    response = client.post(f"/v2/models/{model}/infer", content=body, headers={LENGTH: "0"})

    assert (response.status_code, response.json()) == (400, {"error": error})
