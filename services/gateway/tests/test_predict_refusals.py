"""What TensorFlow Serving's predict protocol refuses, in its words; ids name its list of facts."""

import json
from typing import Any

import httpx
import pytest

FLIGHT = {"carrier": "UA", "distance": 250.0, "night": True}


def quoted(value: object) -> str:
    return json.dumps(value, indent=4)


REFUSALS = {
    "T14 no object": ("half_plus_two", b"[1, 2]", "JSON Value: [1, 2] Is not object"),
    "T14 signature no string": (
        "half_plus_two",
        {"signature_name": 5},
        (
            f"JSON Value: {quoted({'signature_name': 5})} not formatted correctly. "
            "'signature_name' key must be a string value."
        ),
    ),
    "T14 both keys": (
        "half_plus_two",
        {"instances": [1.0], "inputs": [1.0]},
        (
            'JSON Value: {\n    "instances": [1.0],\n    "inputs": [1.0]\n} Not formatted correctly '
            "expecting only one of 'inputs' or 'instances' keys to exist "
        ),
    ),
    "T14 neither key": ("half_plus_two", {"a": 1}, "Missing 'inputs' or 'instances' key"),
    "T15 empty": ("half_plus_two", b"", "JSON Parse error: The document is empty"),
    "T15 blank": ("half_plus_two", b" \n", "JSON Parse error: The document is empty. at offset: 2"),
    "T15 broken": ("half_plus_two", b"instances = [1, 2]", "JSON Parse error: Invalid value. at offset: 0"),
    "T15 broken literal": (
        "half_plus_two",
        '{"é": nul}'.encode(),
        "JSON Parse error: Invalid value. at offset: 10",
    ),
    "T15 missing name": (
        "half_plus_two",
        b'{"a": 1, }',
        "JSON Parse error: Missing a name for object member. at offset: 9",
    ),
    "T15 missing colon": (
        "half_plus_two",
        b'{"a" 1}',
        "JSON Parse error: Missing a colon after a name of object member. at offset: 5",
    ),
    "T15 missing comma in object": (
        "half_plus_two",
        b'{"a": [1, 2] "b"}',
        "JSON Parse error: Missing a comma or } after an object member. at offset: 13",
    ),
    "T15 missing comma in array": (
        "half_plus_two",
        b'{"a]": [1 2]}',
        "JSON Parse error: Missing a comma or ] after an array element. at offset: 10",
    ),
    "T15 half a pair": (
        "half_plus_two",
        b'{"a": "\\ud800"}',
        "JSON Parse error: The surrogate pair in string is invalid. at offset: 7",
    ),
    "T15 not UTF-8": (
        "half_plus_two",
        b'{"a": "\xff"}',
        "JSON Parse error: Invalid encoding in string. at offset: 7",
    ),
    "T15 deep": (
        "half_plus_two",
        b'{"instances": ' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        "JSON Parse error: The document is nested too deeply.",
    ),
    "T15 deeper than tensors": (
        "half_plus_two",
        b'{"instances": ' + b"[" * 500 + b"]" * 500 + b"}",
        (
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting less than 32 levels of lists but got: 499"
        ),
    ),
    "T16 no list": (
        "half_plus_two",
        {"instances": 1.0},
        f"JSON Value: {quoted({'instances': 1.0})} Expecting 'instances' to be an list/array",
    ),
    "T16 no rows": (
        "half_plus_two",
        {"instances": []},
        f"JSON Value: {quoted({'instances': []})} No values in 'instances' array",
    ),
    "T17 values for several inputs": (
        "flights",
        {"instances": [1.0]},
        (
            "instances is a plain list, but expecting list of objects as multiple input tensors required as "
            "per tensorinfo_map"
        ),
    ),
    "T17 missing feature": (
        "flights",
        {"instances": [{"carrier": "UA", "distance": 1.0}]},
        (
            "Failed to process element: 0 of 'instances' list. JSON object: "
            f"{quoted({'carrier': 'UA', 'distance': 1.0})} keys must be equal to: carrier,distance,night"
        ),
    ),
    "T17 unknown feature": (
        "flights",
        {"instances": [FLIGHT | {"gate": 1}]},
        (
            "Failed to process element: 0 key: gate of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: gate"
        ),
    ),
    "T17 list among objects": (
        "flights",
        {"instances": [FLIGHT, [1]]},
        "Expecting object but got list at item 1 of input list",
    ),
    "T17 object among values": (
        "half_plus_two",
        {"instances": [1.0, {"x": 1.0}]},
        "Expecting value/list but got object at item 1 of input list",
    ),
    "T17 ragged sizes": (
        "half_plus_two",
        {"instances": [[1.0, 2.0], [3.0]]},
        (
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting tensor size: 2 but got: 1"
        ),
    ),
    "T17 ragged shapes": (
        "half_plus_two",
        {"instances": [[1.0, 2.0], [[3.0, 4.0]]]},
        (
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting shape [2] but got: [1,2]"
        ),
    ),
    "T17 ragged within a row": (
        "half_plus_two",
        {"instances": [[[1.0, 2.0], [3.0]]]},
        (
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2"
        ),
    ),
    "T17 list beside a value": (
        "half_plus_two",
        {"instances": [[1.0, [3.0]]]},
        (
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Encountered list at unexpected level: 1 expected < 1"
        ),
    ),
    "T18 value beside a list": (
        "half_plus_two",
        {"inputs": [[1.0], 2.0]},
        "JSON Value: 2.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    "T18 value for several inputs": (
        "flights",
        {"inputs": [1.0]},
        (
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        ),
    ),
    "T18 missing feature": (
        "flights",
        {"inputs": {"carrier": ["UA"], "distance": [1.0]}},
        "Missing named input: night in 'inputs' object.",
    ),
    "T21 unknown signature": (
        "half_plus_two",
        {"signature_name": "no", "instances": [1.0]},
        'Serving signature name: "no" not found in signature def',
    ),
    "T22 scalar by row": ("scalar", {"instances": [1.0]}, "Tensor name: y has no shape information "),
    "T22 uneven by row": (
        "uneven",
        {"instances": [1.0]},
        "Tensor name: b has inconsistent batch size: 3 expecting: 2",
    ),
    "T25 complex output": (
        "complex",
        {"instances": [1.0]},
        "Failed to write JSON value for tensor type: complex64",
    ),
}

WRONG_TYPES = {
    "T19 string for float": ("float", '"x"', "String"),
    "T19 null for float": ("float", "null", "Null"),
    "T19 bool for float": ("float", "true", "True"),
    "T19 string for double": ("double", '"1.5"', "String"),
    "T19 float for int32": ("int32", "1.0", "Number"),
    "T19 float for int64": ("int64", "1.0", "Number"),
    "T19 too big for int64": ("int64", "9223372036854775808", "Number"),
    "T19 too big for int8": ("int8", "300", "Number"),
    "T19 negative for uint8": ("uint8", "-1", "Number"),
    "T19 float for uint64": ("uint64", "1.5", "Number"),
    "T19 number for bool": ("bool", "1", "Number"),
    "T19 string for bool": ("bool", '"true"', "String"),
    "T19 number for string": ("string", "1", "Number"),
    "T19 bool for string": ("string", "false", "False"),
}


def ask(client: httpx.Client, model: str, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/v1/models/{model}:predict", content=content)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


@pytest.mark.parametrize(("model", "body", "error"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_answered_is_refused_with_the_reason(
    client: httpx.Client, model: str, body: Any, error: str
) -> None:
    assert refusal(ask(client, model, body)) == (400, error)


@pytest.mark.parametrize(("type_name", "value", "json_type"), WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_refused_in_rows_and_columns(
    client: httpx.Client, type_name: str, value: str, json_type: str
) -> None:
    error = f"JSON Value: {value} Type: {json_type} is not of expected type: {type_name}"

    by_row = ask(client, f"echo_{type_name}", f'{{"instances": [{value}]}}'.encode())
    by_column = ask(client, f"echo_{type_name}", f'{{"inputs": [{value}]}}'.encode())

    wrapped = f"Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: {error}"
    assert refusal(by_row) == (400, wrapped)
    assert refusal(by_column) == (400, error)


@pytest.mark.parametrize("key", ["instances", "inputs"])
@pytest.mark.parametrize("type_name", ["half", "complex64"])
def test_types_that_json_does_not_carry_are_unimplemented_t19(
    client: httpx.Client, type_name: str, key: str
) -> None:
    status, error = refusal(ask(client, f"echo_{type_name}", {key: [1.5]}))

    assert status == 501
    assert error.endswith(f"Conversion of JSON Value: 1.5 to type: {type_name}")


@pytest.mark.parametrize(
    ("item", "error"),
    [
        pytest.param({"b64": "&"}, "Unable to base64 decode", id="T20 broken"),
        pytest.param(
            {"b64": 5},
            f"JSON Value: {quoted({'b64': 5})} not formatted correctly for base64 data",
            id="T20 no string",
        ),
    ],
)
def test_bytes_that_are_not_base64_are_refused(client: httpx.Client, item: Any, error: str) -> None:
    assert refusal(ask(client, "echo_string", {"inputs": [item]})) == (400, error)


def test_base64_for_numbers_is_refused_t20(client: httpx.Client) -> None:
    status, error = refusal(ask(client, "half_plus_two", {"inputs": [{"b64": "aGk="}]}))

    assert status == 400
    assert error.endswith("Type: Object is not of expected type: float")


def test_a_string_that_is_no_text_is_not_written_as_text_t20(client: httpx.Client) -> None:
    response = ask(client, "echo_string", {"instances": [{"b64": "/w=="}]})

    assert refusal(response) == (400, "Failed to write JSON value for tensor type: string")


def test_errors_are_pretty_printed_with_four_blanks_t11(client: httpx.Client) -> None:
    response = ask(client, "half_plus_two", b"")

    assert response.text == '{\n    "error": "JSON Parse error: The document is empty"\n}'
    assert response.headers["content-type"] == "application/json"


def test_quoted_json_is_cut_at_256_bytes_t13(client: httpx.Client) -> None:
    document = {"instances": {"name": "é" * 1000}}

    status, error = refusal(ask(client, "half_plus_two", document))

    quotation = error.removeprefix("JSON Value: ").removesuffix(" Expecting 'instances' to be an list/array")
    assert status == 400
    assert 255 <= len(quotation.encode()) <= 256
    assert json.dumps(document, indent=4, ensure_ascii=False).startswith(quotation)


def test_a_message_of_the_model_server_is_cut_at_1024_bytes_t13(client: httpx.Client) -> None:
    response = ask(client, "failing", {"instances": [1.0]})

    assert refusal(response) == (400, "x" * 1024 + "...TRUNCATED")
