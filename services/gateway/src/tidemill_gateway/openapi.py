"""OpenAPI of the paths that are served without a framework."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_STRING = {"type": "string"}
_VERSION = {"name": "version", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
_LABEL = {"name": "label", "in": "path", "required": True, "schema": _STRING}
_MODEL = {"name": "model", "in": "path", "required": True, "schema": _STRING}
_SERVABLES = {
    "/v1/models/{model}": [_MODEL],
    "/v1/models/{model}/versions/{version}": [_MODEL, _VERSION],
    "/v1/models/{model}/labels/{label}": [_MODEL, _LABEL],
}
_PREDICT_REQUEST = {
    "type": "object",
    "properties": {
        "signature_name": {**_STRING, "default": "serving_default"},
        "instances": {"type": "array", "minItems": 1, "items": {}, "description": "Rows: values or objects."},
        "inputs": {"description": "Columns: one value, or an object of them by input."},
    },
    "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
}
_PREDICT_ANSWER = {
    "type": "object",
    "properties": {
        "predictions": {"type": "array", "items": {}, "description": "Row by row, for `instances`."},
        "outputs": {"description": "Column by column, for `inputs`."},
    },
}
_EXAMPLES_REQUEST = {
    "type": "object",
    "required": ["examples"],
    "properties": {
        "signature_name": {**_STRING, "default": "serving_default"},
        "context": {"type": "object"},
        "examples": {"type": "array", "minItems": 1, "items": {"type": "object"}},
    },
}
_EXAMPLES_ANSWER = {"type": "object", "properties": {"results": {"type": "array", "items": {}}}}
_INFERENCES: Mapping[str, tuple[Schema, Schema]] = {
    "predict": (_PREDICT_REQUEST, _PREDICT_ANSWER),
    "classify": (_EXAMPLES_REQUEST, _EXAMPLES_ANSWER),
    "regress": (_EXAMPLES_REQUEST, _EXAMPLES_ANSWER),
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": _STRING}}
_REFUSALS = {
    "400": "The request is wrong, or does not fit the model.",
    "404": "No such model or version.",
    "413": "The body is too large.",
    "503": "The model server cannot be reached, or there are no routes yet.",
    "504": "The model server did not answer in time.",
}


def documented(schema: Schema) -> dict[str, Any]:
    """Return the OpenAPI document with the paths below /v1/ added."""
    paths: dict[str, Any] = {"/v1/models": {"get": _operation("models", "Name every model")}}
    for path, parameters in _SERVABLES.items():
        suffix = path.rpartition("/")[2].strip("{}")
        paths[path] = {
            "parameters": parameters,
            "get": _operation(f"status_{suffix}", "State of the versions"),
        }
        paths[f"{path}/metadata"] = {
            "parameters": parameters,
            "get": _operation(f"metadata_{suffix}", "Signatures of the model"),
        }
        for verb, schemas in _INFERENCES.items():
            operation = _inference(f"{verb}_{suffix}", *schemas)
            paths[f"{path}:{verb}"] = {"parameters": parameters, "post": operation}
    return {**schema, "paths": {**schema["paths"], **paths}}


def _inference(operation_id: str, request: Schema, answer: Schema) -> dict[str, Any]:
    operation = _operation(operation_id, operation_id.partition("_")[0].capitalize(), answer)
    operation["responses"]["200"]["headers"] = {
        "Tidemill-Model-Version": {"schema": _STRING, "description": "The version that answered."}
    }
    return operation | {"requestBody": {"required": True, "content": _json(request)}}


def _operation(operation_id: str, summary: str, answer: Schema | None = None) -> dict[str, Any]:
    refusals = {
        status: {"description": description, "content": _json(_ERROR)}
        for status, description in _REFUSALS.items()
    }
    return {
        "operationId": operation_id,
        "summary": summary,
        "tags": ["TensorFlow Serving"],
        "responses": {
            "200": {"description": "OK", "content": _json(answer or {"type": "object"})},
            **refusals,
        },
    }


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
