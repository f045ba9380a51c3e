"""Classify and regress in TensorFlow Serving's words; ids name its list of facts."""

import json
from typing import Any

import httpx
import pytest


def ask(client: httpx.Client, verb: str, body: Any, model: str = "half_plus_two") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/v1/models/{model}:{verb}", content=content)


def quoted(value: object) -> str:
    return json.dumps(value, indent=4)


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        pytest.param("classify", '{"results":[[["",3.0]]]}', id="T26 classify"),
        pytest.param("regress", '{"results":[3.0]}', id="T26 regress"),
    ],
)
def test_an_example_is_answered(client: httpx.Client, verb: str, answer: str) -> None:
    response = ask(client, verb, {"signature_name": "other", "examples": [{"x": 2.0}]})

    assert (response.status_code, response.text) == (200, answer)
    assert response.headers["tidemill-model-version"] == "123"


def test_every_example_is_classified_with_every_label_t26(client: httpx.Client) -> None:
    response = ask(client, "classify", {"examples": [{"x": 0.2}, {"x": 2.0}]})

    assert response.text == '{"results":[[["",2.1],["both",2.1]],[["",3.0],["both",3.0]]]}'


FEATURES = {
    "T27 floats": ({"x": [1.5, 2.5]}, 4.0),
    "T27 integers": ({"x": [1, -3]}, 1.0),
    "T27 bools are integers": ({"x": [True, False, 5]}, 5.0),
    "T27 text": ({"x": "abcd"}, 4.0),
    "T27 bytes among text": ({"x": ["ab", {"b64": "AAE="}]}, 4.0),
    "T27 nothing": ({"x": []}, 2.0),
    "T27 kinds of their own": ({"x": 1, "y": 1.0, "z": "ab"}, 4.0),
}


@pytest.mark.parametrize(("example", "value"), FEATURES.values(), ids=FEATURES)
def test_a_feature_has_the_kind_of_its_values(client: httpx.Client, example: Any, value: float) -> None:
    assert ask(client, "regress", {"examples": [example]}).json() == {"results": [value]}


def test_a_context_belongs_to_every_example_t26(client: httpx.Client) -> None:
    body = {"context": {"c": 2.0}, "examples": [{"x": 2.0}, {"x": 4.0}]}

    assert ask(client, "regress", body).json() == {"results": [4.0, 5.0]}


REFUSALS = {
    "T26 broken JSON": (b"{", "JSON Parse error: Missing a name for object member. at offset: 1"),
    "T26 no examples": (
        {"a": 1},
        (
            f"JSON Value: {quoted({'a': 1})} "
            "When method is classify, key 'examples' is expected and was not found"
        ),
    ),
    "T26 no list": (
        {"examples": 1},
        f"JSON Value: {quoted({'examples': 1})} Expecting 'examples' value to be an list/array",
    ),
    "T26 empty list": (
        {"examples": []},
        f"JSON Value: {quoted({'examples': []})} 'examples' value is an empty array",
    ),
    "T26 no object": ({"examples": [1.0]}, "Example must be JSON object but got JSON Number"),
    "T26 context no object": (
        {"context": [], "examples": [{}]},
        "Example must be JSON object but got JSON Array",
    ),
    "T21 unknown signature": (
        {"signature_name": "no", "examples": [{}]},
        'Serving signature name: "no" not found in signature def',
    ),
    "T27 null": (
        {"examples": [{"x": None}]},
        "Feature: x has element with unexpected JSON type: Null",
    ),
    "T27 nested list": (
        {"examples": [{"x": [[1]]}]},
        "Feature: x has element with unexpected JSON type: Array",
    ),
    "T27 object": (
        {"examples": [{"x": {"a": 1}}]},
        "Feature: x has element with unexpected JSON type: Object",
    ),
    "T27 mixed kinds": (
        {"examples": [{"x": [1, 2.0]}]},
        "Unexpected element type in feature: x expecting type: int64",
    ),
    "T27 beyond int64": (
        {"examples": [{"x": 2**63}]},
        "Feature: x has uint64_t element. Only int64_t is supported.",
    ),
    "T27 broken base64": ({"examples": [{"x": {"b64": "&"}}]}, "Unable to base64 decode"),
}


@pytest.mark.parametrize("verb", ["classify", "regress"])
@pytest.mark.parametrize(("body", "error"), REFUSALS.values(), ids=REFUSALS)
def test_examples_that_are_not_well_formed_are_refused(
    client: httpx.Client, verb: str, body: Any, error: str
) -> None:
    response = ask(client, verb, body)

    assert (response.status_code, response.json()) == (400, {"error": error})


def test_an_unknown_model_is_not_found_t5(client: httpx.Client) -> None:
    response = ask(client, "classify", {"examples": [{"x": 1.0}]}, model="guess")

    assert response.status_code == 404
    assert response.json() == {"error": "Servable not found for request: Latest(guess)"}
