"""The Pipeline custom resource takes and refuses what the pipeline spec does."""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml
from jsonschema import Draft4Validator  # type: ignore[import-untyped]
from pipeline_specs import BROKEN, WRONG
from pydantic import ValidationError

from tidemill_contracts.pipeline import Pipeline

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[2]
CRD = ROOT / "k8s" / "crds" / "pipelines.tidemill.dev.yaml"
RULES = "x-kubernetes-validations"
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


def test_helm_installs_the_same_definition(resource: Manifest, chart: helm.Chart) -> None:
    [definition] = chart.crds

    assert yaml.safe_load(definition["data"]) == resource


@pytest.mark.parametrize(
    "path",
    ["helm/tidemill/README.md", "k8s/README.md", "cloudbuild.yaml", "cloudbuild.promote.yaml"],
)
def test_a_newer_definition_takes_over_what_helm_made(path: str) -> None:
    commands = [line for line in (ROOT / path).read_text().splitlines() if re.search(r"apply .*/crds", line)]

    assert commands
    assert all("--server-side --force-conflicts" in command for command in commands)


def schema(resource: Manifest) -> Manifest:
    [version] = resource["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"])


def fields(of: Manifest) -> Iterator[Manifest]:
    yield of
    of_any_key = [of[key] for key in ("items", "additionalProperties") if key in of]
    for child in [*of.get("properties", {}).values(), *of_any_key]:
        yield from fields(child)


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
    full = Pipeline.model_validate(written).model_dump(by_alias=True, mode="json", exclude_none=True)
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


@pytest.mark.parametrize(("spec", "field"), WRONG, ids=lambda value: str(value)[:60])
def test_both_refuse(resource: Manifest, spec: Manifest, field: str) -> None:
    document: Manifest = {"metadata": {"name": "p"}, "spec": {"label": "x", **spec}}

    with pytest.raises(ValidationError):
        Pipeline.model_validate(document)
    assert list(refusals(document, schema(resource))), field


def test_what_fields_fulfil_together_stands_in_the_resource(resource: Manifest) -> None:
    rules = [rule["message"] for field in fields(schema(resource)) for rule in field.get(RULES, [])]

    assert set(rules) == {says for _, _, says in BROKEN}


def test_both_take_what_may_be_nothing(resource: Manifest) -> None:
    written: Manifest = {
        "metadata": {"name": "p"},
        "spec": {"label": "x", "validation": {"drift": {"lInfinity": None}}, "columns": {"age": {}}},
    }
    stored = deepcopy(written)
    fill_in(stored, schema(resource))

    assert Pipeline.model_validate(stored) == Pipeline.model_validate(written)
    assert stored["spec"]["validation"]["drift"]["lInfinity"] is None


def refusals(value: Manifest, of: Manifest) -> Iterator[str]:
    """Say why the API server would not take a document; OpenAPI 3.0 bounds are those of JSON Schema 4."""
    yield from (error.message for error in Draft4Validator(of).iter_errors(value))
