"""The parts that OpenAPI documents of the gateway are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill_gateway.schemas import ERROR, STRING, Schema

REFUSALS: Mapping[str, str] = {
    "400": "The request is wrong, or does not fit the model.",
    "401": "No valid credentials.",
    "403": "The caller may not do this.",
    "404": "No such model or version.",
    "413": "The body is too large.",
    "429": "The caller's quota is used up: try again after `Retry-After`.",
    "503": "Overloaded, or the model server cannot be reached: try again after `Retry-After`.",
    "504": "The model did not answer in time.",
    "default": "Any other failure, by the same form.",
}
_ANSWER_HEADERS: Mapping[str, str] = {
    "Tidemill-Request-Id": "The request's id, as it was given or made.",
    "Tidemill-Model-Version": "The version that answered.",
    "Tidemill-Variant": "The variant of a release that answered, if one is on.",
    "Tidemill-Fallback": "`previous`: another version answered; `answer`: the static answer. Else not there.",
    "Tidemill-Prediction-Id": "What to give feedback on.",
}


def operation(
    operation_id: str, summary: str, tag: str, answer: Schema | None = None, request: Schema | None = None
) -> dict[str, Any]:
    """Return an operation: `answer` is the schema of its success, `request` that of its body, if any."""
    refusals = {
        status: {"description": description, "content": json_content(ERROR)}
        for status, description in REFUSALS.items()
    }
    success: dict[str, Any] = {"description": "OK", "content": json_content(answer or {"type": "object"})}
    documented = {
        "operationId": operation_id,
        "summary": summary,
        "tags": [tag],
        "responses": {"200": success, **refusals},
    }
    if request is None:
        return documented
    return {**documented, "requestBody": {"required": True, "content": json_content(request)}}


def inference(
    operation_id: str, summary: str, tag: str, *, request: Schema, answer: Schema
) -> dict[str, Any]:
    """Return an operation that predicts: its answer names who gave it."""
    documented = operation(operation_id, summary, tag, answer, request)
    documented["responses"]["200"]["headers"] = {
        name: {"schema": STRING, "description": description} for name, description in _ANSWER_HEADERS.items()
    }
    return documented


def path_parameter(name: str, schema: Schema) -> Schema:
    """Return a parameter of the path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


def json_content(schema: Schema) -> dict[str, Any]:
    """Return a body of JSON; an example in the schema is shown as the body's."""
    examples: Sequence[Any] = schema.get("examples", ())
    shown = {"example": examples[0]} if examples else {}
    return {"application/json": {"schema": schema, **shown}}
