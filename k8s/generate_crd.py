"""Write the Pipeline custom resource from the pipeline spec's JSON Schema.

Kubernetes takes a subset of JSON Schema, a "structural" one: no references, no closed objects (unknown fields
are pruned, or refused by strict clients), and bounds in the manner of OpenAPI 3.0. What fields have to fulfil
together stands in that schema as it does here, as rules in CEL.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

SPEC = Path(__file__).parent.parent / "libs" / "contracts" / "schema" / "pipeline.schema.json"
GROUP, VERSION = "tidemill.dev", "v1"
PLURAL = "pipelines"
FOLDERS = ("k8s/crds", "helm/tidemill/crds")
DROPPED = {"title", "additionalProperties", "propertyNames", "const", "default"}
EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
RULES = "x-kubernetes-validations"
STAGES = [
    *("Waiting", "Ingested", "Transformed", "Training", "Blessed", "Rejected", "Released", "Serving"),
]
NUMBER = {"type": "integer", "format": "int64", "minimum": 0}
TIME = {"type": "string", "format": "date-time"}
MESSAGE = {"type": "string", "maxLength": 32768}
CONDITION: Schema = {
    "type": "object",
    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
    "properties": {
        "type": {"type": "string", "maxLength": 316, "description": "Accepted, DataHealthy or Ready."},
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "reason": {  # the code of an event has dashes, which a metav1.Condition's own pattern refuses
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:.-]*[A-Za-z0-9_])?$",
        },
        "message": MESSAGE,
        "lastTransitionTime": TIME,
        "observedGeneration": NUMBER,
    },
}
STATUS: Schema = {
    "type": "object",
    "description": "What came of it; written by Tidemill's controller.",
    "properties": {
        "observedGeneration": {**NUMBER, "description": "Generation of the spec that this is about."},
        "stage": {"type": "string", "enum": STAGES, "description": "What happened last."},
        "lastData": {**TIME, "description": "When the newest span was ingested."},
        "spans": {**NUMBER, "description": "How many spans there are."},
        "dataset": {**NUMBER, "description": "Number of the newest dataset version."},
        "champion": {**NUMBER, "description": "The version that serves."},
        "candidate": {**NUMBER, "description": "The version that is being released."},
        "metric": {"type": "string", "maxLength": 200, "description": "What the champion was measured at."},
        "nextRetraining": {**TIME, "description": "The next time of the schedule."},
        "message": {**MESSAGE, "description": "What a person should know; empty when all is well."},
        "conditions": {
            "type": "array",
            "maxItems": 16,
            "items": CONDITION,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    },
}
COLUMNS: list[Schema] = [
    {"name": "Stage", "type": "string", "jsonPath": ".status.stage"},
    {"name": "Champion", "type": "integer", "jsonPath": ".status.champion"},
    {"name": "Metric", "type": "string", "jsonPath": ".status.metric"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Last Data", "type": "date", "jsonPath": ".status.lastData"},
    {"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def structural(schema: Schema, definitions: Schema) -> Schema:
    """Translate one JSON Schema into the form that Kubernetes takes."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    if "anyOf" in schema:
        return _one_of(schema, definitions)
    result: Schema = {}
    for key, value in schema.items():
        if key in EXCLUSIVE:
            result |= {EXCLUSIVE[key]: value, key: True}
        elif key == "properties":
            result[key] = {name: structural(field, definitions) for name, field in value.items()}
        elif key == "items":
            result[key] = structural(value, definitions)
        elif key == "prefixItems":
            result["items"] = structural(value[0], definitions)
        elif key not in DROPPED:
            result[key] = value
    result |= _of_any_key(schema, definitions)
    return result | _default(schema.get("default"), result)


def _one_of(schema: Schema, definitions: Schema) -> Schema:
    """Translate a choice; what may be of several types is left to the services.

    Null is the same as nothing and not stored, unless nothing has another meaning.
    """
    choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    something = choices[0] if len(choices) == 1 else {"x-kubernetes-preserve-unknown-fields": True}
    is_nullable = len(choices) < len(schema["anyOf"]) and schema.get("default") is not None
    return structural({**something, **rest}, definitions) | ({"nullable": True} if is_nullable else {})


def _default(default: object, field: Schema) -> Schema:
    """Say the default of a field; that of an object with fields is what they say themselves.

    Rules are held against a default as it stands, so where there are any the fields are all in it.
    """
    if default is None:
        return {}
    if "properties" not in field:
        return {"default": default}
    if _without_nulls(default) != _filled(field):
        raise ValueError(f"expected the defaults of its fields {_filled(field)}, received {default}")
    return {"default": _filled(field) if RULES in field else {}}


def _filled(field: Schema) -> Schema:
    defaults = {name: each for name, each in field["properties"].items() if "default" in each}
    return {
        name: _filled(each) if "properties" in each else each["default"] for name, each in defaults.items()
    }


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return value


def _of_any_key(schema: Schema, definitions: Schema) -> Schema:
    values = schema.get("additionalProperties")
    if not isinstance(values, dict):
        return {}
    of_key = structural(values, definitions)
    if "propertyNames" in schema:
        return {"properties": dict.fromkeys(schema["propertyNames"]["enum"], of_key)}
    return {"additionalProperties": of_key}


def pipeline_schema() -> Schema:
    """Describe a Pipeline as Kubernetes stores it; of metadata, only the name may be restricted."""
    schema = json.loads(SPEC.read_text())
    definitions = schema.pop("$defs")
    name = structural(definitions["Metadata"]["properties"]["name"], definitions)
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object", "properties": {"name": name}},
        "spec": structural(schema["properties"]["spec"], definitions),
        "status": STATUS,
    }
    description = "What should be learned from which files."
    return {"type": "object", "description": description, "required": ["spec"], "properties": properties}


def custom_resource() -> Schema:
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": pipeline_schema()},
        "subresources": {"status": {}},
        "additionalPrinterColumns": COLUMNS,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "Pipeline",
                "plural": PLURAL,
                "singular": "pipeline",
                "shortNames": ["pl"],
                "categories": ["tidemill"],
            },
            "versions": [version],
        },
    }


if __name__ == "__main__":
    plain = json.loads(json.dumps(custom_resource()))  # what occurs twice is written twice
    text = yaml.safe_dump(plain, sort_keys=False, width=110)
    for folder in FOLDERS:
        target = Path(sys.argv[1], folder, f"{PLURAL}.{GROUP}.yaml")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("# Generated by scripts/render from the pipeline spec; do not edit.\n" + text)
