"""The Pipeline custom resource takes and refuses what the pipeline spec does."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from jsonschema import Draft4Validator  # type: ignore[import-untyped]
from pydantic import ValidationError

from tidemill_contracts.pipeline import Pipeline

Manifest = dict[str, Any]

CRD = Path(__file__).parents[2] / "k8s" / "crds" / "pipelines.tidemill.dev.yaml"
FORBIDDEN = {
    "$ref",
    "$defs",
    "definitions",
    "const",
    "propertyNames",
    "title",
    "anyOf",
}


@pytest.fixture(scope="module")
def resource() -> Manifest:
    return dict(yaml.safe_load(CRD.read_text()))


def schema(resource: Manifest) -> Manifest:
    [version] = resource["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"])


def fields(of: Manifest) -> Iterator[Manifest]:
    yield of
    of_any_key = [of[key] for key in ("items", "additionalProperties") if key in of]
    for child in [*of.get("properties", {}).values(), *of_any_key]:
        yield from fields(child)


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_kubernetes_takes_the_definition(resource: Manifest, version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


def test_its_name_and_version_are_those_of_the_spec(resource: Manifest) -> None:
    spec = resource["spec"]
    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": {"label": "x"}})

    assert resource["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert f"{spec['group']}/{spec['versions'][0]['name']}" == pipeline.api_version
    assert spec["names"]["kind"] == pipeline.kind


def test_the_schema_is_structural(resource: Manifest) -> None:
    for field in fields(schema(resource)):
        assert "type" in field or field["x-kubernetes-preserve-unknown-fields"]
        assert not FORBIDDEN & field.keys()
        assert isinstance(field.get("additionalProperties", {}), dict)
        assert not {"properties", "additionalProperties"} <= field.keys()
        for bound in ("exclusiveMinimum", "exclusiveMaximum"):
            assert isinstance(field.get(bound, True), bool)
    metadata = schema(resource)["properties"]["metadata"]
    assert metadata.keys() == {"type", "properties"}
    assert metadata["properties"].keys() == {"name"}


def test_its_defaults_are_those_of_the_spec(resource: Manifest) -> None:
    written: Manifest = {"metadata": {"name": "p"}, "spec": {"label": "x"}}
    stored = deepcopy(written)
    fill_in(stored, schema(resource))

    assert stored != written
    assert Pipeline.model_validate(stored) == Pipeline.model_validate(written)
    full = Pipeline.model_validate(written).model_dump(by_alias=True, mode="json")
    assert stored["spec"] == full["spec"]


def fill_in(document: Manifest, of: Manifest) -> None:
    """Add defaults as the API server does: first a field's own, then those inside it."""
    for name, field in of.get("properties", {}).items():
        if "default" in field:
            document.setdefault(name, deepcopy(field["default"]))
        if isinstance(document.get(name), dict):
            fill_in(document[name], field)
    for value in document.values() if "additionalProperties" in of else ():
        fill_in(value, of["additionalProperties"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("metadata", "name"), "Upper"),
        (("spec", "label"), ""),
        (("spec", "split", "evalShare"), 0),
        (("spec", "split", "evalShare"), 1),
        (("spec", "validation", "minRows"), 1),
        (("spec", "task"), "ranking"),
        (("spec", "columns"), {"age": {"type": "number"}}),
        (("spec", "columns"), {"age": {"values": []}}),
        (("spec", "data", "last"), 0),
        (("spec", "training", "families"), []),
        (("spec", "training", "families"), ["forest"]),
        (("spec", "blessing", "metric"), "f3"),
        (("spec", "blessing", "maxRegression"), -0.1),
    ],
)
def test_both_refuse(resource: Manifest, path: tuple[str, ...], value: object) -> None:
    document: Manifest = {"metadata": {"name": "p"}, "spec": {"label": "x"}}
    parent = document
    for key in path[:-1]:
        parent = parent.setdefault(key, {})
    parent[path[-1]] = value

    with pytest.raises(ValidationError):
        Pipeline.model_validate(document)
    assert list(refusals(document, schema(resource)))


def test_both_take_what_may_be_nothing(resource: Manifest) -> None:
    written: Manifest = {
        "metadata": {"name": "p"},
        "spec": {"label": "x", "task": None, "data": {"last": None}, "columns": {"age": {"feature": {}}}},
    }
    stored = deepcopy(written)
    fill_in(stored, schema(resource))

    assert Pipeline.model_validate(stored) == Pipeline.model_validate(written)
    assert not list(refusals({**written, "spec": {"label": "x"}}, schema(resource)))


def refusals(value: Manifest, of: Manifest) -> Iterator[str]:
    """Say why the API server would not take a document; OpenAPI 3.0 bounds are those of JSON Schema 4."""
    yield from (error.message for error in Draft4Validator(of).iter_errors(value))
