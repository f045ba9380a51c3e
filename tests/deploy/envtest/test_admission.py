"""The API server refuses the pipelines that `tidemill apply` refuses, and says the same of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cluster_objects import Cluster
from hypothesis import HealthCheck, given, settings
from pipeline_specs import BROKEN, WRONG, Spec, specs

from tidemill_contracts.pipeline import InvalidSpec, Pipeline, parse_pipeline

Manifest = dict[str, Any]
Kubectl = Callable[..., str]

NAMESPACE = "tidemill"
ROOT = Path(__file__).parents[3]
CRD = ROOT / "k8s" / "crds" / "pipelines.tidemill.dev.yaml"
TEXTS = [path.read_text() for path in ROOT.glob("examples/**/*.yaml")]
EXAMPLES = [text for text in TEXTS if "\nkind: Pipeline\n" in text]
SETTINGS = settings(
    deadline=None,
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# One of everything that a person may write.
FULL = """
apiVersion: tidemill.dev/v1
kind: Pipeline
metadata: {name: full, labels: {team: flights}}
spec:
  label: arr_delay >= 15
  task: null
  columns:
    time_hour: {feature: {kind: timestamp, parts: [month, hour]}}
    distance: {type: float, minimum: -0.0, maximum: 6000.0, feature: {scale: log, clip: [10, 5000.5]}}
    carrier: {values: [AA, B6, UA], required: true, maxDrift: 0.1}
  crosses: [[origin, dest]]
  data: {last: 3, exclude: [2]}
  split: {groupBy: [tailnum]}
  validation: {drift: {jensenShannon: 1}, severities: {SCHEMA_NEW_COLUMN: block}}
  training: {classWeights: {"yes": 2, "no": 1.0}, families: [custom], custom: {build: "mine:model"}}
  blessing: {minMetrics: {roc_auc: 0.7}, fairness: {groups: [sex]}, slices: {maxRegression: null}}
  serving:
    rollout: {strategy: canary, limits: {maxErrorShare: 1, maxLatencyRatio: 3}}
    fallback: {answer: {probability: 0.0, class: other, shares: [1, 0.5, 1.0e+22], known: true}}
  retraining: {schedule: "0 3 * * 1", timeZone: Europe/Berlin}
"""
# Limits that are switched off. `kubectl apply` leaves nulls out, so that what is usual would hold instead.
SWITCHED_OFF = FULL.replace("jensenShannon: 1", "jensenShannon: null").replace("Share: 1", "Share: null")


def resource(spec: Spec, name: str = "flights") -> Manifest:
    return {
        "apiVersion": "tidemill.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": {"label": "late", **spec},
    }


def told_here(document: Manifest) -> str:
    """Return what `tidemill apply` says of a pipeline; nothing when it takes it."""
    try:
        parse_pipeline(json.dumps(document))
    except InvalidSpec as refused:
        return str(refused)
    return ""


def told_there(refused: httpx.Response) -> list[tuple[str, str]]:
    """Name each field that the API server refuses, as Python would, with what it says."""
    if refused.is_success:
        return []
    causes = refused.json()["details"]["causes"]
    return [(each["field"].replace("[", ".").replace("]", ""), each["message"]) for each in causes]


@pytest.mark.parametrize(("spec", "field", "says"), BROKEN, ids=str)
def test_fields_that_do_not_go_together_are_refused_in_the_same_words(
    cluster: Cluster, spec: Spec, field: str, says: str
) -> None:
    document = resource(spec)

    with pytest.raises(InvalidSpec) as refused:
        parse_pipeline(json.dumps(document))

    assert f"{field}: Value error, {says}, received" in str(refused.value)
    [(there, words)] = told_there(cluster.create(document, NAMESPACE, dryRun="All"))
    assert (there, words.rpartition(": ")[2]) == (field, says.rpartition(": ")[2])
    assert words.endswith(says)


@pytest.mark.parametrize(("spec", "field"), WRONG, ids=lambda value: str(value)[:60])
def test_a_field_that_is_wrong_by_itself_is_refused_by_its_name(
    cluster: Cluster, spec: Spec, field: str
) -> None:
    document = resource(spec)

    with pytest.raises(InvalidSpec, match=field):
        parse_pipeline(json.dumps(document))

    told = told_there(cluster.create(document, NAMESPACE, dryRun="All"))
    assert any(there.startswith(field) for there, _ in told), told


def test_every_rule_of_the_resource_is_broken_by_a_case() -> None:
    def messages(value: object) -> set[str]:
        match value:
            case dict():
                rules = value.get("x-kubernetes-validations", [])
                return {rule["message"] for rule in rules}.union(*map(messages, value.values()))
            case list():
                return set[str]().union(*map(messages, value))
        return set()

    assert messages(yaml.safe_load(CRD.read_text())) == {says for _, _, says in BROKEN}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"lable": "x"}, "spec.lable"),
        ({"split": {"group_by": ["a"]}}, "spec.split.group_by"),
        ({"columns": {"age": {"max": 3}}}, "spec.columns.age.max"),
        ({"validation": {"severities": {"NO_SUCH_ANOMALY": "warn"}}}, "spec.validation.severities.NO_SUCH"),
    ],
    ids=str,
)
def test_an_unknown_field_is_refused_by_its_name(cluster: Cluster, spec: Spec, field: str) -> None:
    with pytest.raises(InvalidSpec, match=field):
        parse_pipeline(json.dumps(resource(spec)))

    refused = cluster.create(resource(spec), NAMESPACE, dryRun="All")
    assert refused.is_client_error
    assert f'unknown field "{field}' in refused.json()["message"]


@pytest.mark.parametrize("name", ["Flights", "flights.late", "f" * 41, "9lives"])
def test_a_name_that_no_pipeline_may_have_is_refused(cluster: Cluster, name: str) -> None:
    with pytest.raises(InvalidSpec, match=r"metadata\.name"):
        parse_pipeline(json.dumps(resource({}, name)))

    told = told_there(cluster.create(resource({}, name), NAMESPACE, dryRun="All"))
    assert any(field == "metadata.name" for field, _ in told), told


@SETTINGS
@given(spec=specs())
def test_any_spec_has_one_verdict(cluster: Cluster, spec: Spec) -> None:
    here = told_here(resource(spec))
    there = told_there(cluster.create(resource(spec), NAMESPACE, dryRun="All"))

    assert bool(here) == bool(there), (here, there)
    for _, _, says in BROKEN:  # here, what holds a broken part is not looked at any further
        assert says not in here or any(words.endswith(says) for _, words in there), (here, there)


def stored(cluster: Cluster, document: Manifest) -> Pipeline:
    """Create a pipeline, read it back from the server, and delete it."""
    created = cluster.create(document, NAMESPACE)
    assert created.is_success, created.text
    path = f"{cluster.folder(document, NAMESPACE)}/{document['metadata']['name']}"
    read = parse_pipeline(cluster.http.get(path).content)
    assert cluster.http.delete(path).is_success
    return read


@pytest.mark.parametrize("text", [FULL, SWITCHED_OFF, *EXAMPLES])
def test_what_a_person_wrote_comes_back_as_the_same_spec(cluster: Cluster, text: str) -> None:
    read = stored(cluster, yaml.safe_load(text))

    assert read == parse_pipeline(text)
    assert read.digest() == parse_pipeline(text).digest()


@pytest.mark.parametrize("text", [FULL, *EXAMPLES])
def test_kubectl_reads_a_file_as_tidemill_does(cluster: Cluster, kubectl: Kubectl, text: str) -> None:
    told = kubectl("apply", "-f", "-", stdin=text)

    assert "created" in told, told
    written = parse_pipeline(text)
    path = f"{cluster.folder(resource({}), NAMESPACE)}/{written.name}"
    assert parse_pipeline(cluster.http.get(path).content).digest() == written.digest()
    assert cluster.http.delete(path).is_success


def test_a_limit_that_is_switched_off_stays_so_when_it_is_applied(cluster: Cluster) -> None:
    document = resource({"validation": {"drift": {"jensenShannon": None}}}, "switched-off")

    assert cluster.apply(resource({}, "switched-off"), NAMESPACE).is_success
    applied = cluster.apply(document, NAMESPACE)

    assert parse_pipeline(applied.content).digest() == parse_pipeline(json.dumps(document)).digest()


@SETTINGS
@given(spec=specs())
def test_any_spec_comes_back_as_the_same(cluster: Cluster, spec: Spec) -> None:
    document = resource(spec, "any")
    if told_here(document):
        return
    written = parse_pipeline(json.dumps(document))

    read = stored(cluster, document)

    assert read == written
    assert read.digest() == written.digest()
    assert parse_pipeline(read.to_json()).digest() == read.digest()
