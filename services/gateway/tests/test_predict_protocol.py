"""TensorFlow Serving's predict protocol, item by item; the ids name the items of its list of facts."""

import gzip
import json
from typing import Any

import httpx
import numpy as np
import pytest

FLIGHT = {"carrier": "UA", "distance": 250.0, "night": True}
PREDICT = "/v1/models/half_plus_two:predict"


def ask(client: httpx.Client, model: str, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/v1/models/{model}:predict", content=content)


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


def quoted(value: object) -> str:
    return json.dumps(value, indent=4)


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
        pytest.param("br", "Expecting Content-Encoding gzip or identity but got: br", id="T8 unknown"),
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
    assert ask(client, "guess", b"{").status_code == 400


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


BOTH = {"instances": [1.0], "inputs": [1.0]}


@pytest.mark.parametrize(
    ("model", "body", "error"),
    [
        pytest.param("half_plus_two", b"[1, 2]", "JSON Value: [1, 2] Is not object", id="T14 no object"),
        pytest.param(
            "half_plus_two",
            {"signature_name": 5},
            f"JSON Value: {quoted({'signature_name': 5})} not formatted correctly. "
            "'signature_name' key must be a string value.",
            id="T14 signature no string",
        ),
        pytest.param(
            "half_plus_two",
            BOTH,
            'JSON Value: {\n    "instances": [1.0],\n    "inputs": [1.0]\n} Not formatted correctly expecting '
            "only one of 'inputs' or 'instances' keys to exist ",
            id="T14 both keys",
        ),
        pytest.param("half_plus_two", {"a": 1}, "Missing 'inputs' or 'instances' key", id="T14 neither key"),
        pytest.param("half_plus_two", b"", "JSON Parse error: The document is empty", id="T15 empty"),
        pytest.param(
            "half_plus_two", b" \n", "JSON Parse error: The document is empty. at offset: 2", id="T15 blank"
        ),
        pytest.param(
            "half_plus_two",
            b"instances = [1, 2]",
            "JSON Parse error: Invalid value. at offset: 0",
            id="T15 broken",
        ),
        pytest.param(
            "half_plus_two",
            '{"é": nul}'.encode(),
            "JSON Parse error: Invalid value. at offset: 10",
            id="T15 broken literal",
        ),
        pytest.param(
            "half_plus_two",
            b'{"a": 1, }',
            "JSON Parse error: Missing a name for object member. at offset: 9",
            id="T15 missing name",
        ),
        pytest.param(
            "half_plus_two",
            b'{"a" 1}',
            "JSON Parse error: Missing a colon after a name of object member. at offset: 5",
            id="T15 missing colon",
        ),
        pytest.param(
            "half_plus_two",
            b'{"a": [1, 2] "b"}',
            "JSON Parse error: Missing a comma or } after an object member. at offset: 13",
            id="T15 missing comma in object",
        ),
        pytest.param(
            "half_plus_two",
            b'{"a]": [1 2]}',
            "JSON Parse error: Missing a comma or ] after an array element. at offset: 10",
            id="T15 missing comma in array",
        ),
        pytest.param(
            "half_plus_two",
            b'{"a": "\\ud800"}',
            "JSON Parse error: The surrogate pair in string is invalid. at offset: 7",
            id="T15 half a pair",
        ),
        pytest.param(
            "half_plus_two",
            b'{"a": "\xff"}',
            "JSON Parse error: Invalid encoding in string. at offset: 7",
            id="T15 not UTF-8",
        ),
        pytest.param(
            "half_plus_two",
            b'{"instances": ' + b"[" * 500_000 + b"]" * 500_000 + b"}",
            "JSON Parse error: The document is nested too deeply.",
            id="T15 deep",
        ),
        pytest.param(
            "half_plus_two",
            b'{"instances": ' + b"[" * 500 + b"]" * 500 + b"}",
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting less than 32 levels of lists but got: 499",
            id="T15 deeper than tensors",
        ),
        pytest.param(
            "half_plus_two",
            {"instances": 1.0},
            f"JSON Value: {quoted({'instances': 1.0})} Expecting 'instances' to be an list/array",
            id="T16 no list",
        ),
        pytest.param(
            "half_plus_two",
            {"instances": []},
            f"JSON Value: {quoted({'instances': []})} No values in 'instances' array",
            id="T16 no rows",
        ),
        pytest.param(
            "flights",
            {"instances": [1.0]},
            "instances is a plain list, but expecting list of objects as multiple input tensors required as "
            "per tensorinfo_map",
            id="T17 values for several inputs",
        ),
        pytest.param(
            "flights",
            {"instances": [{"carrier": "UA", "distance": 1.0}]},
            "Failed to process element: 0 of 'instances' list. JSON object: "
            f"{quoted({'carrier': 'UA', 'distance': 1.0})} keys must be equal to: carrier,distance,night",
            id="T17 missing feature",
        ),
        pytest.param(
            "flights",
            {"instances": [FLIGHT | {"gate": 1}]},
            "Failed to process element: 0 key: gate of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: gate",
            id="T17 unknown feature",
        ),
        pytest.param(
            "flights",
            {"instances": [FLIGHT, [1]]},
            "Expecting object but got list at item 1 of input list",
            id="T17 list among objects",
        ),
        pytest.param(
            "half_plus_two",
            {"instances": [1.0, {"x": 1.0}]},
            "Expecting value/list but got object at item 1 of input list",
            id="T17 object among values",
        ),
        pytest.param(
            "half_plus_two",
            {"instances": [[1.0, 2.0], [3.0]]},
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting tensor size: 2 but got: 1",
            id="T17 ragged sizes",
        ),
        pytest.param(
            "half_plus_two",
            {"instances": [[1.0, 2.0], [[3.0, 4.0]]]},
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting shape [2] but got: [1,2]",
            id="T17 ragged shapes",
        ),
        pytest.param(
            "half_plus_two",
            {"instances": [[[1.0, 2.0], [3.0]]]},
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
            id="T17 ragged within a row",
        ),
        pytest.param(
            "half_plus_two",
            {"instances": [[1.0, [3.0]]]},
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Encountered list at unexpected level: 1 expected < 1",
            id="T17 list beside a value",
        ),
        pytest.param(
            "half_plus_two",
            {"inputs": [[1.0], 2.0]},
            "JSON Value: 2.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
            id="T18 value beside a list",
        ),
        pytest.param(
            "flights",
            {"inputs": [1.0]},
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map",
            id="T18 value for several inputs",
        ),
        pytest.param(
            "flights",
            {"inputs": {"carrier": ["UA"], "distance": [1.0]}},
            "Missing named input: night in 'inputs' object.",
            id="T18 missing feature",
        ),
        pytest.param(
            "half_plus_two",
            {"signature_name": "no", "instances": [1.0]},
            'Serving signature name: "no" not found in signature def',
            id="T21 unknown signature",
        ),
        pytest.param(
            "scalar", {"instances": [1.0]}, "Tensor name: y has no shape information ", id="T22 scalar by row"
        ),
        pytest.param(
            "uneven",
            {"instances": [1.0]},
            "Tensor name: b has inconsistent batch size: 3 expecting: 2",
            id="T22 uneven by row",
        ),
        pytest.param(
            "complex",
            {"instances": [1.0]},
            "Failed to write JSON value for tensor type: complex64",
            id="T25 complex output",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(
    client: httpx.Client, model: str, body: Any, error: str
) -> None:
    assert refusal(ask(client, model, body)) == (400, error)


@pytest.mark.parametrize(
    ("type_name", "value", "json_type"),
    [
        pytest.param("float", '"x"', "String", id="T19 string for float"),
        pytest.param("float", "null", "Null", id="T19 null for float"),
        pytest.param("float", "true", "True", id="T19 bool for float"),
        pytest.param("double", '"1.5"', "String", id="T19 string for double"),
        pytest.param("int32", "1.0", "Number", id="T19 float for int32"),
        pytest.param("int64", "1.0", "Number", id="T19 float for int64"),
        pytest.param("int64", "9223372036854775808", "Number", id="T19 too big for int64"),
        pytest.param("int8", "300", "Number", id="T19 too big for int8"),
        pytest.param("uint8", "-1", "Number", id="T19 negative for uint8"),
        pytest.param("uint64", "1.5", "Number", id="T19 float for uint64"),
        pytest.param("bool", "1", "Number", id="T19 number for bool"),
        pytest.param("bool", '"true"', "String", id="T19 string for bool"),
        pytest.param("string", "1", "Number", id="T19 number for string"),
        pytest.param("string", "false", "False", id="T19 bool for string"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_in_rows_and_columns(
    client: httpx.Client, type_name: str, value: str, json_type: str
) -> None:
    error = f"JSON Value: {value} Type: {json_type} is not of expected type: {type_name}"
    if value == "9223372036854775808":
        error = error.replace("expected", "expected")

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


@pytest.mark.parametrize(
    ("model", "body", "answer"),
    [
        pytest.param("half_plus_two", '{"instances":[2.0,3.0,4.0]}', '{"predictions":[3.0,3.5,4.0]}', id="T17 values"),
        pytest.param("half_plus_two", '{"inputs":[2.0,3.0,4.0]}', '{"outputs":[3.0,3.5,4.0]}', id="T18 values"),
        pytest.param("half_plus_two", '{"instances":[{"x":2.0}]}', '{"predictions":[3.0]}', id="T17 objects"),
        pytest.param("half_plus_two", '{"inputs":{"x":[2]}}', '{"outputs":[3.0]}', id="T18 object"),
        pytest.param("half_plus_two", '{"inputs":2}', '{"outputs":3.0}', id="T18 scalar"),
        pytest.param("half_plus_two", '{"instances":[[2,4],[6,8]]}', '{"predictions":[[3.0,4.0],[5.0,6.0]]}', id="T17 lists"),
        pytest.param("half_plus_two", '{"inputs":{"x":[2],"z":"?"}}', '{"outputs":[3.0]}', id="T18 extra name"),
        pytest.param("half_plus_two", '{"signature_name":"other","instances":[2]}', '{"predictions":[3.0]}', id="T14 named signature"),
        pytest.param("half_plus_two", '{"instances":[2],"more":{}}', '{"predictions":[3.0]}', id="T14 other keys"),
        pytest.param("half_plus_two", '{"instances":[2]} and so on', '{"predictions":[3.0]}', id="T15 what follows"),
        pytest.param("half_plus_two", '\ufeff{"instances":[2]}', '{"predictions":[3.0]}', id="T15 byte order mark"),
        pytest.param(
            "flights",
            '{"instances":[{"carrier":"UA","distance":250,"night":true},{"night":false,"carrier":"??","distance":1}]}',
            '{"predictions":[{"carrier":"UA","late":0.25,"night":true,"raw_bytes":{"b64":"VUE="}},'
            '{"carrier":"??","late":0.5,"night":false,"raw_bytes":{"b64":"Pz8="}}]}',
            id="T22 several outputs by row, one unseen category",
        ),
        pytest.param(
            "flights",
            '{"inputs":{"carrier":["UA"],"distance":[250],"night":[true]}}',
            '{"outputs":{"carrier":["UA"],"late":[0.25],"night":[true],"raw_bytes":[{"b64":"VUE="}]}}',
            id="T22 several outputs by column",
        ),
        pytest.param("matrix", '{"instances":[1]}', '{"predictions":[{"a":[1.0,0.0],"b":["p"]},{"a":[0.0,1.0],"b":["q"]}]}', id="T22 several matrices"),
        pytest.param("scalar", '{"inputs":1}', '{"outputs":1.0}', id="T22 scalar by column"),
        pytest.param("uneven", '{"inputs":1}', '{"outputs":{"a":[0.0,0.0],"b":[0.0,0.0,0.0]}}', id="T22 uneven by column"),
        pytest.param("nothing", '{"instances":[1]}', '{"predictions":[]}', id="T22 no rows"),
        pytest.param("no_rows", '{"instances":[1]}', '{"predictions":[]}', id="T22 no rows of several"),
        pytest.param("echo_int64", '{"instances":[9223372036854775807]}', '{"predictions":[9223372036854775807]}', id="T19 int64"),
        pytest.param("echo_uint64", '{"instances":[18446744073709551615]}', '{"predictions":[18446744073709551615]}', id="T19 uint64"),
        pytest.param("echo_int8", '{"inputs":-128}', '{"outputs":-128}', id="T19 int8"),
        pytest.param("echo_bool", '{"instances":[true,false]}', '{"predictions":[true,false]}', id="T19 bool"),
        pytest.param("echo_float", '{"instances":[1e39,-1e39,1e400]}', '{"predictions":[Infinity,-Infinity,Infinity]}', id="T19 too big for float"),
        pytest.param("echo_float", '{"instances":[18446744073709551616]}', '{"predictions":[1.8446744e+19]}', id="T19 integer beyond 64 bits"),
        pytest.param("echo_string", '{"instances":["a",{"b64":"YgA="}]}', '{"predictions":["a","b\\u0000"]}', id="T20 mixed"),
        pytest.param("echo_string", '{"instances":[{"b64":"aGk"}]}', '{"predictions":["hi"]}', id="T20 no padding"),
        pytest.param("echo_string", '{"instances":[[["é"]]]}', '{"predictions":[[["é"]]]}', id="T20 nested text"),
        pytest.param("echo_float", '{"instances":[0.1,3,999999,9000000,0.00003,-0.0,0.33333334]}', '{"predictions":[0.1,3.0,999999.0,9e+06,3e-05,-0.0,0.33333334]}', id="T23 float"),
        pytest.param("echo_double", '{"instances":[0.1,1e22,0.3333333333333333,12345678]}', '{"predictions":[0.1,1e+22,0.3333333333333333,12345678.0]}', id="T23 double"),
        pytest.param("echo_float", '{"instances":[NaN,Infinity,-Infinity,1]}', '{"predictions":[NaN,Infinity,-Infinity,1.0]}', id="T24 by row"),
        pytest.param("echo_double", '{"inputs":[[NaN],[2]]}', '{"outputs":[[NaN],[2.0]]}', id="T24 by column"),
        pytest.param("echo_double", '{"inputs":NaN}', '{"outputs":NaN}', id="T24 scalar"),
    ],
)  # fmt: skip
def test_what_fits_is_answered(client: httpx.Client, model: str, body: str, answer: str) -> None:
    response = ask(client, model, body.encode())

    assert (response.status_code, response.text) == (200, answer)


def test_a_string_that_is_no_text_is_not_written_as_text_t20(client: httpx.Client) -> None:
    response = ask(client, "echo_string", {"instances": [{"b64": "/w=="}]})

    assert refusal(response) == (400, "Failed to write JSON value for tensor type: string")


def test_a_large_batch_keeps_its_order(client: httpx.Client) -> None:
    values = np.arange(10_000) / 2

    response = ask(client, "half_plus_two", {"instances": values.tolist()})

    assert response.json()["predictions"] == (values / 2 + 2).tolist()
