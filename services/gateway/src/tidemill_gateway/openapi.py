"""OpenAPI of all paths that are served without a framework, for models whose signatures are not known here.

`/v1/models/M/openapi.json` and `/v2/models/M/openapi.json` describe one model: see `model_openapi`.
"""

from collections.abc import Mapping
from typing import Any

from tidemill_gateway.oip import datatypes
from tidemill_gateway.openapi_operations import inference, operation, path_parameter
from tidemill_gateway.schemas import OPTIONAL_STRING, STRING, Schema, given, scalar
from tidemill_gateway.signatures import DEFAULT_SIGNATURE

_TFS, _OIP, _RELEASES, _FEEDBACK = "TensorFlow Serving", "Open Inference Protocol", "releases", "feedback"
_NAME = {"type": "string", "minLength": 1, "pattern": "^[^/:]+$"}
_VERSION = path_parameter("version", {"type": "integer", "minimum": 1, "maximum": 2**63 - 1})
_LABEL = path_parameter("label", _NAME)
_MODEL = path_parameter("model", _NAME)
_SERVABLES = {
    "/v1/models/{model}": [_MODEL],
    "/v1/models/{model}/versions/{version}": [_MODEL, _VERSION],
    "/v1/models/{model}/labels/{label}": [_MODEL, _LABEL],
}
_SIGNATURE = {**STRING, "default": DEFAULT_SIGNATURE}
_PREDICT_REQUEST = {
    "type": "object",
    "properties": {
        "signature_name": _SIGNATURE,
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
_EXPLAIN_ANSWER = {"type": "object", "properties": {"predictions": {}, "explanations": {}}}
_FEATURE_KINDS = [{"type": "boolean"}, scalar("int64"), {"type": "number"}, given("string")]
_EXAMPLE = {
    "type": "object",
    "description": "Features by name.",
    "additionalProperties": {
        "anyOf": [*_FEATURE_KINDS, *({"type": "array", "items": kind} for kind in _FEATURE_KINDS)]
    },
}
EXAMPLES_REQUEST: Schema = {
    "type": "object",
    "required": ["examples"],
    "properties": {
        "signature_name": _SIGNATURE,
        "context": _EXAMPLE,
        "examples": {"type": "array", "minItems": 1, "items": _EXAMPLE},
    },
}
EXAMPLES_ANSWER: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "array", "items": {}}},
}
_INFERENCES: Mapping[str, tuple[Schema, Schema]] = {
    "predict": (_PREDICT_REQUEST, _PREDICT_ANSWER),
    "classify": (EXAMPLES_REQUEST, EXAMPLES_ANSWER),
    "regress": (EXAMPLES_REQUEST, EXAMPLES_ANSWER),
    "explain": (_PREDICT_REQUEST, _EXPLAIN_ANSWER),
}
_PARAMETERS = {"type": "object", "description": "By name; unknown ones are passed over."}
_TENSOR_PARAMETERS = {**_PARAMETERS, "type": ["object", "null"]}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": STRING,
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"enum": list(datatypes.NAMES)},
        "parameters": _TENSOR_PARAMETERS,
        "data": {"type": "array", "items": {}},
    },
}
INFER_OUTPUTS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": STRING, "parameters": _TENSOR_PARAMETERS},
    },
}
_INFER_REQUEST = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": OPTIONAL_STRING,
        "parameters": _PARAMETERS,
        "inputs": {"type": "array", "minItems": 1, "items": _TENSOR},
        "outputs": INFER_OUTPUTS,
    },
}
INFER_ANSWER: Schema = {
    "type": "object",
    "required": ["model_name", "outputs"],
    "properties": {
        "id": STRING,
        "model_name": STRING,
        "model_version": STRING,
        "parameters": _PARAMETERS,
        "outputs": {"type": "array", "items": _TENSOR},
    },
}
_FEEDBACK_ITEM = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["predictionId"]}, {"required": ["prediction_id"]}],
    "properties": {
        "predictionId": {"type": "string", "description": "What came as `Tidemill-Prediction-Id`."},
        "prediction_id": {"type": "string", "description": "The same."},
        "row": {"type": "integer", "minimum": 0, "default": 0},
        "label": {"description": "What turned out to be true: true, false, a number or a text."},
        "reward": {"type": "number", "minimum": 0, "maximum": 1},
        "at": {"type": "string", "format": "date-time"},
    },
}
_FEEDBACK_REQUEST = {
    "anyOf": [_FEEDBACK_ITEM, {"type": "array", "minItems": 1, "maxItems": 1000, "items": _FEEDBACK_ITEM}]
}
_FEEDBACK_ANSWER = {"type": "object", "required": ["stored"], "properties": {"stored": {"type": "integer"}}}
_ORDER = {"type": "object", "properties": {"version": {"type": "integer", "minimum": 0}, "reason": STRING}}


def documented(schema: Schema) -> dict[str, Any]:
    """Return the OpenAPI document with the paths of every API added."""
    paths = _tensorflow_serving() | _open_inference() | _releases()
    return {**schema, "paths": {**schema["paths"], **paths}}


def _tensorflow_serving() -> dict[str, Any]:
    names = {"type": "object", "required": ["models"], "properties": {"models": {"type": "array"}}}
    paths: dict[str, Any] = {"/v1/models": {"get": operation("models", "Name every model", _TFS, names)}}
    for path, parameters in _SERVABLES.items():
        suffix = path.rpartition("/")[2].strip("{}")
        documents = {
            path: operation(f"status_{suffix}", "State of the versions", _TFS),
            f"{path}/metadata": operation(f"metadata_{suffix}", "Signatures of the model", _TFS),
            f"{path}/openapi.json": operation(f"openapi_{suffix}", "This API for the model alone", _TFS),
        }
        for each, documented_get in documents.items():
            paths[each] = {"parameters": parameters, "get": documented_get}
        for verb, (request, answer) in _INFERENCES.items():
            post = inference(f"{verb}_{suffix}", verb.capitalize(), _TFS, request=request, answer=answer)
            paths[f"{path}:{verb}"] = {"parameters": parameters, "post": post}
    return paths


def _open_inference() -> dict[str, Any]:
    paths: dict[str, Any] = {
        "/v2": {"get": operation("server_metadata", "Name and extensions of the server", _OIP)},
        "/v2/health/live": {"get": operation("server_live", "Whether the server is live", _OIP)},
        "/v2/health/ready": {"get": operation("server_ready", "Whether the server is ready", _OIP)},
        "/v2/repository/index": {"post": operation("index", "List the models", _OIP, {"type": "array"})},
        "/v2/models/stats": {"get": operation("all_stats", "Statistics of all models", _OIP)},
    }
    for path, parameters in {
        "/v2/models/{model}": [_MODEL],
        "/v2/models/{model}/versions/{version}": [_MODEL, _VERSION],
    }.items():
        suffix = f"of_{path.rpartition('/')[2].strip('{}')}"
        for verb, summary in {
            "": "Inputs and outputs of the model",
            "/ready": "Whether the model is ready",
            "/config": "Configuration of the model",
            "/stats": "Statistics of the model",
            "/openapi.json": "This API for the model alone",
        }.items():
            name = verb.strip("/").partition(".")[0] or "describe"
            get = operation(f"{name}_{suffix}", summary, _OIP)
            paths[f"{path}{verb}"] = {"parameters": parameters, "get": get}
        for verb in ("infer", "explain"):
            post = inference(
                f"{verb}_{suffix}", verb.capitalize(), _OIP, request=_INFER_REQUEST, answer=INFER_ANSWER
            )
            paths[f"{path}/{verb}"] = {"parameters": parameters, "post": post}
    return paths


def _releases() -> dict[str, Any]:
    paths: dict[str, Any] = {
        "/v1/releases/{model}": {
            "parameters": [_MODEL],
            "get": operation("release", "State of the release", _RELEASES),
        },
        "/v1/models/{model}:feedback": {
            "parameters": [_MODEL],
            "post": operation(
                "feedback", "Say how good answers were", _FEEDBACK, _FEEDBACK_ANSWER, _FEEDBACK_REQUEST
            ),
        },
    }
    for order in ("promote", "rollback"):
        post = operation(order, order.capitalize(), _RELEASES, request=_ORDER)
        post["requestBody"]["required"] = False
        paths[f"/v1/releases/{{model}}:{order}"] = {"parameters": [_MODEL], "post": post}
    return paths
