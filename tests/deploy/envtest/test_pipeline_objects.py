"""What a person and the controller do with pipelines: status, what is shown, and `kubectl`."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from cluster_objects import Cluster

from tidemill_contracts.pipeline import parse_pipeline

Manifest = dict[str, Any]
Kubectl = Callable[..., str]

NAMESPACE = "tidemill"
FLIGHTS = """
apiVersion: tidemill.dev/v1
kind: Pipeline
metadata: {name: flights}
spec: {label: late, validation: {drift: {jensenShannon: %s}}}
"""
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Serving",
    "message": "",
    "lastTransitionTime": "2026-01-05T03:00:00Z",
}
STATUS: Manifest = {
    "observedGeneration": 1,
    "stage": "Serving",
    "lastData": "2026-01-05T03:00:00Z",
    "spans": 3,
    "dataset": 2,
    "champion": 4,
    "candidate": 5,
    "metric": "roc_auc 0.7647",
    "nextRetraining": "2026-01-12T03:00:00Z",
    "message": "version 5 is being released",
    "conditions": [READY, {**READY, "type": "DataHealthy", "status": "False", "reason": "schema-mismatch"}],
}


@pytest.fixture
def path(cluster: Cluster) -> Iterator[str]:
    """A pipeline of its own for each test."""
    document = pipeline(f"p-{uuid4().hex[:8]}")
    assert cluster.create(document, NAMESPACE).is_success
    path = f"{cluster.folder(document, NAMESPACE)}/{document['metadata']['name']}"
    yield path
    assert cluster.http.delete(path).is_success


def pipeline(name: str, **status: object) -> Manifest:
    document = {
        "apiVersion": "tidemill.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": {"label": "late"},
    }
    return {**document, "status": status} if status else document


def patch(cluster: Cluster, path: str, document: Manifest) -> Manifest:
    headers = {"Content-Type": "application/merge-patch+json"}
    patched = cluster.http.patch(path, content=json.dumps(document), headers=headers)
    assert patched.is_success, patched.text
    return dict(patched.json())


def test_the_status_that_the_controller_writes_is_kept(cluster: Cluster, path: str) -> None:
    patch(cluster, f"{path}/status", {"status": STATUS})

    assert cluster.http.get(path).json()["status"] == STATUS


def test_status_and_spec_are_written_apart(cluster: Cluster, path: str) -> None:
    patch(cluster, path, {"status": STATUS})
    assert "status" not in cluster.http.get(path).json()

    patch(cluster, f"{path}/status", {"status": STATUS, "spec": {"label": "other"}})
    stored = cluster.http.get(path).json()
    assert (stored["spec"]["label"], stored["metadata"]["generation"]) == ("late", 1)

    patch(cluster, path, {"spec": {"label": "other"}})
    stored = cluster.http.get(path).json()
    assert (stored["status"], stored["metadata"]["generation"]) == (STATUS, 2)


@pytest.mark.parametrize(
    "status",
    [
        {"stage": "Sleeping"},
        {"champion": "four"},
        {"lastData": "yesterday"},
        {"conditions": [{**READY, "status": "Maybe"}]},
        {"conditions": [{**READY, "reason": "two words"}]},
        {"conditions": [READY, READY]},
    ],
    ids=str,
)
def test_a_status_of_another_form_is_refused(cluster: Cluster, path: str, status: Manifest) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}

    refused = cluster.http.patch(f"{path}/status", content=json.dumps({"status": status}), headers=headers)

    assert refused.status_code == 422


def test_the_list_shows_where_each_pipeline_stands(cluster: Cluster, path: str) -> None:
    patch(cluster, f"{path}/status", {"status": STATUS})

    table = cluster.http.get(path, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json()

    names = [(each["name"], each["priority"]) for each in table["columnDefinitions"]]
    assert names == [
        *(("Name", 0), ("Stage", 0), ("Champion", 0), ("Metric", 0), ("Ready", 0), ("Last Data", 0)),
        *(("Message", 1), ("Age", 0)),
    ]
    [row] = table["rows"]
    assert row["cells"][1:5] == ["Serving", 4, "roc_auc 0.7647", "True"]
    assert row["cells"][6] == "version 5 is being released"


def test_what_the_cluster_shows_can_be_applied_anywhere(cluster: Cluster, path: str) -> None:
    patch(cluster, f"{path}/status", {"status": STATUS})
    written = pipeline(path.rpartition("/")[2])

    shown = parse_pipeline(cluster.http.get(path).content)

    assert shown.digest() == parse_pipeline(json.dumps(written)).digest()


def test_a_finalizer_keeps_a_deleted_pipeline_until_it_is_taken_away(cluster: Cluster) -> None:
    document = pipeline("kept")
    document["metadata"]["finalizers"] = ["tidemill.dev/pipeline"]
    assert cluster.create(document, NAMESPACE).is_success
    path = f"{cluster.folder(document, NAMESPACE)}/kept"

    assert cluster.http.delete(path).is_success
    assert cluster.http.get(path).json()["metadata"]["deletionTimestamp"]
    patch(cluster, path, {"metadata": {"finalizers": None}})

    assert cluster.http.get(path).status_code == 404


def test_kubectl_applies_shows_describes_and_deletes(kubectl: Kubectl, cluster: Cluster) -> None:
    assert "flights created" in kubectl("apply", "-f", "-", stdin=FLIGHTS % "0.2")
    path = f"{cluster.folder(pipeline('flights'), NAMESPACE)}/flights"
    patch(cluster, f"{path}/status", {"status": STATUS})
    tell(cluster, cluster.http.get(path).json())

    for name in ("pipelines", "pl", "tidemill"):
        shown = kubectl("get", name)
        assert "STAGE" in shown
        assert "roc_auc 0.7647" in shown
    assert "version 5 is being released" in kubectl("get", "pl", "flights", "-o", "wide")
    assert "DropQuarantined" in kubectl("describe", "pl", "flights")
    assert "A SQL expression over the row" in kubectl("explain", "pipeline.spec.label")
    assert "condition met" in kubectl("wait", "pl/flights", "--for=condition=Ready", "--timeout=5s")
    assert "flights deleted" in kubectl("delete", "pl", "flights").replace('"', "")


def tell(cluster: Cluster, about: Manifest) -> None:
    """Write an event as the controller does."""
    metadata = about["metadata"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "flights.1"},
        "involvedObject": {
            **{key: about[key] for key in ("apiVersion", "kind")},
            **{key: metadata[key] for key in ("name", "namespace", "uid")},
        },
        "type": "Warning",
        "reason": "DropQuarantined",
        "message": "expected a column dep_delay",
        "lastTimestamp": "2026-01-05T03:00:00Z",
        "count": 1,
    }
    assert cluster.create(event, NAMESPACE).is_success


def test_kubectl_says_what_is_wrong(kubectl: Kubectl) -> None:
    misspelt = kubectl("apply", "-f", "-", stdin=FLIGHTS.replace("label", "lable") % "0.2")
    both = FLIGHTS.replace("label: late", "label: late, split: {groupBy: [a], time: b}") % "0.2"

    assert 'unknown field "spec.lable"' in misspelt
    assert "spec.split" in kubectl("apply", "-f", "-", stdin=both)
    assert "expected groupBy or time, received both" in kubectl("apply", "-f", "-", stdin=both)


def test_only_server_side_apply_switches_a_limit_off_later(kubectl: Kubectl, cluster: Cluster) -> None:
    """`kubectl apply` sends a change as a merge patch, where null is nothing: 1 is never exceeded there."""
    path = f"{cluster.folder(pipeline('flights'), NAMESPACE)}/flights"

    def limit() -> float | None:
        drift = parse_pipeline(cluster.http.get(path).content).spec.validation.drift
        return drift.jensen_shannon

    kubectl("apply", "-f", "-", stdin=FLIGHTS % "0.2")
    kubectl("apply", "-f", "-", stdin=FLIGHTS % "null")
    assert limit() == 0.3
    kubectl("apply", "-f", "-", stdin=FLIGHTS % "1")
    assert limit() == 1
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=FLIGHTS % "null")
    assert limit() is None
    assert cluster.http.delete(path).is_success
