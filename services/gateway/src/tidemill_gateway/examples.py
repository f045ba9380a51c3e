"""Classify and regress: examples from a request's JSON, and results to a response's JSON."""

from collections.abc import Mapping
from typing import Any

import orjson

from tidemill_contracts import tfserving
from tidemill_gateway.errors import invalid
from tidemill_gateway.predict_response import write_float32s
from tidemill_gateway.quoting import json_type, quoted
from tidemill_gateway.tensor_rules import decode_base64, is_base64

_MAX_INT64 = 2**63 - 1


def read_examples(document: Mapping[str, Any]) -> tfserving.Input:
    """Return the examples, with their context if there is one; raises Refused when they are malformed."""
    context = _example(document["context"]) if "context" in document else None
    examples = document.get("examples")
    if "examples" not in document:
        reason = "When method is classify, key 'examples' is expected and was not found"
        raise invalid(f"JSON Value: {quoted(document)} {reason}")
    if type(examples) is not list:
        raise invalid(f"JSON Value: {quoted(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(f"JSON Value: {quoted(document)} 'examples' value is an empty array")
    messages = [_example(each) for each in examples]
    if context is None:
        return tfserving.Input(example_list={"examples": messages})
    return tfserving.Input(example_list_with_context={"examples": messages, "context": context})


def write_classifications(result: tfserving.ClassificationResult) -> bytes:
    """Return `{"results": [[["label", score], ...], ...]}`; raises Refused when there is none."""
    if not result.classifications:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    rows = []
    for row in result.classifications:
        scores = write_float32s([each.score for each in row.classes])
        pairs = zip(row.classes, scores, strict=True)
        rows.append(
            b"[%b]" % b",".join(b"[%b,%b]" % (orjson.dumps(each.label), score) for each, score in pairs)
        )
    return b'{"results":[%b]}' % b",".join(rows)


def write_regressions(result: tfserving.RegressionResult) -> bytes:
    """Return `{"results": [value, ...]}`; raises Refused when there is none."""
    if not result.regressions:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    return b'{"results":[%b]}' % b",".join(write_float32s([each.value for each in result.regressions]))


def _example(value: Any) -> tfserving.Example:
    if type(value) is not dict:
        raise invalid(f"Example must be JSON object but got JSON {json_type(value)}")
    example = tfserving.Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if type(content) is list else [content]:
            _add(feature, name, item)
    return example


def _add(feature: tfserving.Feature, name: str, item: Any) -> None:
    kind, value = _element(name, item)
    current = feature.WhichOneof("kind")
    if current not in (None, kind):
        expected = current.removesuffix("_list")
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {expected}")
    if kind == "int64_list" and value > _MAX_INT64:
        raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    getattr(feature, kind).value.append(value)


def _element(name: str, item: Any) -> tuple[str, Any]:
    if type(item) is float:
        return "float_list", item
    if type(item) in (int, bool):
        return "int64_list", int(item)
    if type(item) is str:
        return "bytes_list", item.encode()
    if is_base64(item):
        return "bytes_list", decode_base64(item)
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {json_type(item)}")
