"""What client libraries hide: error bodies, edges of the protocols and their numbers, by bare HTTP."""

import http.client
import json
from typing import Any

SECONDS = 10
INFER = "/v2/models/half_plus_two/infer"
PREDICT = "/v1/models/half_plus_two:predict"


def _ask(rest: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(rest, timeout=SECONDS)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, content, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, text


def _refused(rest: str, method: str, path: str, body: Any, *statuses: int) -> None:
    status, document = _ask(rest, method, path, body)
    assert status in statuses, f"{status} {document!r}"
    assert isinstance(document, dict), f"no object: {document!r}"
    assert isinstance(document.get("error"), str), f"no error text: {document!r}"


def _tensor(values: list[Any], **changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "datatype": "FP32", "shape": [len(values)], "data": values}
    return {"inputs": [tensor | changes]}


def v1_rows(rest: str, _grpc: str) -> None:
    status, document = _ask(rest, "POST", PREDICT, {"instances": [2.0, 3.0, 4.0]})
    assert (status, document) == (200, {"predictions": [3.0, 3.5, 4.0]}), document


def v1_columns(rest: str, _grpc: str) -> None:
    status, document = _ask(rest, "POST", PREDICT, {"inputs": [2.0, 3.0, 4.0]})
    assert (status, document) == (200, {"outputs": [3.0, 3.5, 4.0]}), document


def v1_both_keys_refused(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", PREDICT, {"instances": [1.0], "inputs": [1.0]}, 400)


def v1_version(rest: str, _grpc: str) -> None:
    body = {"instances": [2.0]}
    status, document = _ask(rest, "POST", "/v1/models/half_plus_two/versions/123:predict", body)
    assert (status, document) == (200, {"predictions": [3.0]}), document


def v1_classify(rest: str, _grpc: str) -> None:
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]}
    status, document = _ask(rest, "POST", "/v1/models/half_plus_two:classify", body)
    assert (status, document) == (200, {"results": [[["", 3.0]]]}), document


def v1_regress(rest: str, _grpc: str) -> None:
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]}
    status, document = _ask(rest, "POST", "/v1/models/half_plus_two:regress", body)
    assert (status, document) == (200, {"results": [3.0]}), document


def v1_metadata(rest: str, _grpc: str) -> None:
    status, document = _ask(rest, "GET", "/v1/models/half_plus_two/metadata")
    assert status == 200, document
    signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"


def v1_list(rest: str, _grpc: str) -> None:
    status, document = _ask(rest, "GET", "/v1/models")
    assert status == 200, document
    assert "half_plus_two" in document["models"]


def v1_not_a_number(rest: str, _grpc: str) -> None:
    body = {"instances": [0.0, 1.0, -1.0]}
    status, document = _ask(rest, "POST", "/v1/models/not_a_number:predict", body)
    assert (status, str(document["predictions"])) == (200, "[nan, inf, -inf]"), document


def v1_broken_json(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", PREDICT, b'{"instances": [', 400)


def v2_broken_json(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", INFER, b'{"inputs": [', 400)


def v2_empty_body(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", INFER, b"", 400)


def v2_missing_inputs(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", INFER, {"id": "1"}, 400)


def v2_unknown_path(rest: str, _grpc: str) -> None:
    _refused(rest, "GET", "/v2/nothing", None, 404)


def v2_wrong_verb(rest: str, _grpc: str) -> None:
    _refused(rest, "GET", INFER, None, 405)


def v2_too_few_elements(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", INFER, _tensor([1.0], shape=[3]), 400)


def v2_negative_shape(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", INFER, _tensor([1.0], shape=[-1]), 400)


def v2_overflowing_shape(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", INFER, _tensor([1.0], shape=[2**33, 2**33]), 400)


def v2_text_for_number(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", INFER, _tensor(["two"]), 400)


def v2_unknown_output(rest: str, _grpc: str) -> None:
    _refused(rest, "POST", INFER, _tensor([1.0]) | {"outputs": [{"name": "z"}]}, 400)


def v2_version(rest: str, _grpc: str) -> None:
    status, document = _ask(rest, "POST", "/v2/models/half_plus_two/versions/123/infer", _tensor([2.0]))
    assert status == 200, document
    assert document["model_version"] == "123"


def v2_nested_data(rest: str, _grpc: str) -> None:
    body = {
        "inputs": [
            {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [[1.0, 2.0]]},
            {"name": "b", "datatype": "INT64", "shape": [1], "data": [3]},
        ]
    }
    status, document = _ask(rest, "POST", "/v2/models/pair/infer", body)
    assert status == 200, document
    assert {each["name"]: each["data"] for each in document["outputs"]} == {
        "sum": [4, 5],
        "product": [3, 6],
    }


def v2_not_a_number_is_never_null(rest: str, _grpc: str) -> None:
    _, document = _ask(rest, "POST", "/v2/models/not_a_number/infer", _tensor([0.0, 1.0, -1.0]))
    assert None not in document.get("outputs", [{"data": []}])[0]["data"], document


CHECKS = (
    v1_rows,
    v1_columns,
    v1_both_keys_refused,
    v1_version,
    v1_classify,
    v1_regress,
    v1_metadata,
    v1_list,
    v1_not_a_number,
    v1_broken_json,
    v2_broken_json,
    v2_empty_body,
    v2_missing_inputs,
    v2_unknown_path,
    v2_wrong_verb,
    v2_too_few_elements,
    v2_negative_shape,
    v2_overflowing_shape,
    v2_text_for_number,
    v2_unknown_output,
    v2_version,
    v2_nested_data,
    v2_not_a_number_is_never_null,
)
