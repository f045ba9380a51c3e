"""OpenAPI of one model: its own input and output names, types and shapes, from its signatures."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill_gateway.oip import datatypes
from tidemill_gateway.openapi import EXAMPLES_ANSWER, EXAMPLES_REQUEST, INFER_OUTPUTS
from tidemill_gateway.openapi_operations import inference, operation
from tidemill_gateway.schemas import (
    OPTIONAL_STRING,
    STRING,
    Schema,
    answered,
    example,
    flat_example,
    given,
    nested,
    row_shape,
    scalar,
)
from tidemill_gateway.signatures import (
    DEFAULT_SIGNATURE,
    EXPLAIN_SIGNATURE,
    ModelInfo,
    Signature,
    TensorSpec,
)

_ANY = {"description": "Anything."}


def tensorflow_serving_document(title: str, version: int, path: str, info: ModelInfo) -> dict[str, Any]:
    """Describe a model at `path` below /v1/models/: its verbs, with what they take and answer."""
    signatures = [each for each in info.signatures.values() if each.inputs]
    asked = [each for each in signatures if not _takes_examples(each) and each.name != EXPLAIN_SIGNATURE]
    operations: dict[str, Any] = {
        path: {"get": operation("status", "State of the versions", title)},
        f"{path}/metadata": {"get": operation("metadata", "Signatures of the model", title)},
    }
    if asked:
        operations[f"{path}:predict"] = {"post": _predict("predict", title, asked)}
    for verb, outputs in (("classify", {"classes", "scores"}), ("regress", {"outputs"})):
        named = [each.name for each in signatures if _takes_examples(each) and each.outputs.keys() <= outputs]
        if named:
            operations[f"{path}:{verb}"] = {"post": _of_examples(verb, title, named)}
    if EXPLAIN_SIGNATURE in info.signatures:
        operations[f"{path}:explain"] = {"post": _explain(title, info.signatures[EXPLAIN_SIGNATURE])}
    return _document(title, version, operations)


def open_inference_document(title: str, version: int, path: str, info: ModelInfo) -> dict[str, Any]:
    """Describe a model at `path` below /v2/models/: its default signature, which requests use unnamed."""
    operations: dict[str, Any] = {
        path: {"get": operation("describe", "Inputs and outputs", title)},
        f"{path}/ready": {"get": operation("ready", "Whether the model is ready", title)},
    }
    for verb, name in (("infer", DEFAULT_SIGNATURE), ("explain", EXPLAIN_SIGNATURE)):
        signature = info.signatures.get(name)
        if signature and signature.inputs:
            operations[f"{path}/{verb}"] = {"post": _infer(verb, title, signature)}
    return _document(title, version, operations)


def _document(title: str, version: int, paths: Mapping[str, Any]) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": title, "version": str(version)}, "paths": paths}


def _takes_examples(signature: Signature) -> bool:
    return {name: spec.type_name for name, spec in signature.inputs.items()} == {"inputs": "string"} and (
        signature.outputs.keys() <= {"classes", "scores"} or signature.outputs.keys() == {"outputs"}
    )


def _predict(verb: str, title: str, signatures: Sequence[Signature]) -> dict[str, Any]:
    requests = [request for each in signatures for request in (_by_row(each), _by_column(each))]
    examples = [request["examples"][0] for request in requests]
    answers = [answer for each in signatures for answer in _answers(each)]
    return inference(
        verb, verb.capitalize(), title, request={"oneOf": requests, "examples": examples},
        answer={"anyOf": answers},
    )  # fmt: skip


def _explain(title: str, signature: Signature) -> dict[str, Any]:
    requests = [_without_name(each) for each in (_by_row(signature), _by_column(signature))]
    answer = {
        "type": "object",
        "required": ["explanations"],
        "properties": {"predictions": _ANY, "explanations": _ANY},
    }
    request = {"oneOf": requests, "examples": [each["examples"][0] for each in requests]}
    return inference("explain", "Explain", title, request=request, answer=answer)


def _of_examples(verb: str, title: str, names: Sequence[str]) -> dict[str, Any]:
    request = {
        **EXAMPLES_REQUEST,
        "required": ["examples", *(() if DEFAULT_SIGNATURE in names else ("signature_name",))],
        "properties": {**EXAMPLES_REQUEST["properties"], "signature_name": {"enum": _names(*names)}},
    }
    return inference(verb, verb.capitalize(), title, request=request, answer=EXAMPLES_ANSWER)


def _by_row(signature: Signature) -> dict[str, Any]:
    rows = {name: nested(given(spec.type_name), row_shape(spec)) for name, spec in signature.inputs.items()}
    shown: Any = {name: example(spec, row_shape(spec)) for name, spec in signature.inputs.items()}
    item: Schema = _object(rows, closed=True)
    if len(rows) == 1:
        ((name, value),) = rows.items()
        item, shown = {"anyOf": [value, item]}, shown[name]
    instances = {"type": "array", "minItems": 1, "items": item}
    return _named(signature, "instances", instances, [shown])


def _by_column(signature: Signature) -> dict[str, Any]:
    columns = {name: nested(given(spec.type_name), spec.shape) for name, spec in signature.inputs.items()}
    shown: Any = {name: example(spec, spec.shape) for name, spec in signature.inputs.items()}
    inputs: Schema = _object(columns)
    if len(columns) == 1:
        ((name, value),) = columns.items()
        inputs, shown = {"anyOf": [value, inputs]}, shown[name]
    return _named(signature, "inputs", inputs, shown)


def _object(properties: Mapping[str, Schema], *, closed: bool = False) -> dict[str, Any]:
    schema = {"type": "object", "required": list(properties), "properties": dict(properties)}
    return {**schema, "additionalProperties": False} if closed else schema


def _named(signature: Signature, key: str, schema: Schema, shown: Any) -> dict[str, Any]:
    """Return a request's schema; the signature is named where it is not the default one."""
    other = "inputs" if key == "instances" else "instances"
    is_default = signature.name == DEFAULT_SIGNATURE
    name = {} if is_default else {"signature_name": signature.name}
    return {
        "type": "object",
        "title": f"{signature.name} by {'row' if key == 'instances' else 'column'}",
        "required": [key] if is_default else [key, "signature_name"],
        "properties": {key: schema, "signature_name": {"enum": _names(signature.name)}, other: False},
        "examples": [{**name, key: shown}],
    }


def _names(*names: str) -> list[str]:
    # The empty name is the default signature's too.
    return [*names, *([""] if DEFAULT_SIGNATURE in names else [])]


def _without_name(request: Mapping[str, Any]) -> dict[str, Any]:
    (shown,) = request["examples"]
    return {
        **request,
        "required": [key for key in request["required"] if key != "signature_name"],
        "examples": [{key: value for key, value in shown.items() if key != "signature_name"}],
    }


def _answers(signature: Signature) -> Sequence[Schema]:
    rows = {
        name: nested(answered(name, spec.type_name), row_shape(spec))
        for name, spec in signature.outputs.items()
    }
    columns = {
        name: nested(answered(name, spec.type_name), spec.shape) for name, spec in signature.outputs.items()
    }
    row = next(iter(rows.values())) if len(rows) == 1 else _object(rows)
    column = next(iter(columns.values())) if len(columns) == 1 else _object(columns)
    return [_object({"predictions": {"type": "array", "items": row}}), _object({"outputs": column})]


def _infer(verb: str, title: str, signature: Signature) -> dict[str, Any]:
    count = {"minItems": len(signature.inputs), "maxItems": len(signature.inputs)}
    inputs = {
        "type": "array",
        "items": {"anyOf": [_tensor(name, spec) for name, spec in signature.inputs.items()]},
        **count,
    }
    shown = [_tensor_example(name, spec) for name, spec in signature.inputs.items()]
    names = {"properties": {"name": {"enum": list(signature.outputs)}}}
    outputs = {**INFER_OUTPUTS, "items": {"allOf": [INFER_OUTPUTS["items"], names]}}
    request = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"id": OPTIONAL_STRING, "inputs": inputs, "outputs": outputs},
        "examples": [{"inputs": shown}],
    }
    answers = {"anyOf": [_tensor(name, spec) for name, spec in signature.outputs.items()]}
    answer = {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "id": STRING,
            "model_name": STRING,
            "model_version": STRING,
            "outputs": {"type": "array", "items": answers},
        },
    }
    return inference(verb, verb.capitalize(), title, request=request, answer=answer)


def _tensor(name: str, spec: TensorSpec) -> Schema:
    size = {"type": "integer", "minimum": 0}
    shape: dict[str, Any] = {"type": "array", "items": size}
    if spec.shape is not None:
        count = len(spec.shape)
        shape |= {
            "minItems": count,
            "maxItems": count,
            "description": f"{list(spec.shape)}, -1 being any size",
        }
    value = scalar(spec.type_name)
    return {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"const": name},
            "shape": shape,
            "datatype": {"const": datatypes.shown(spec.type_name)},
            "data": {
                "type": "array",
                "items": {"anyOf": [value, {"type": "array"}]},
                "description": "Row by row, flat or nested, as many values as the shape says.",
            },
        },
    }


def _tensor_example(name: str, spec: TensorSpec) -> dict[str, Any]:
    shape, values = flat_example(spec)
    return {"name": name, "shape": shape, "datatype": datatypes.shown(spec.type_name), "data": values}
