"""The chart, installed, upgraded and rolled back in a real API server."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import helm_python as helm
import pytest
import yaml
from cluster_objects import Cluster, a_namespace
from launcher_machines import JOB, SPEC
from release_values import EVERYTHING, IN_JOBS, WITH_CLOUD_SQL, is_of_another_project

from tidemill_trainer.kubernetes_job import job_manifest

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

CHART = Path(__file__).parents[3] / "helm" / "tidemill"
CHANGED: Manifest = {
    **EVERYTHING,
    "image": {"registry": "example.com/other/", "tag": "2.0"},
    "bucketUrl": "gs://another-bucket",
    "services": {
        "gateway": {"replicas": 5, "resources": {"requests": {"cpu": "3"}}},
        "ingest": {"scratch": "1Gi"},
    },
}


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A namespace of the test's own, where Kubernetes warns of every pod that is not restricted."""
    name = f"n-{uuid4().hex[:8]}"
    assert cluster.apply(a_namespace(name), "").is_success
    return name


def install(cluster: Cluster, objects: list[Manifest], namespace: str) -> Iterator[int]:
    """Apply a release's objects and yield each answer's status: 201 where one is new, 200 where it is not."""
    for each in objects:
        if is_of_another_project(each):
            continue
        applied = cluster.apply(each, namespace)
        name = f"{each['kind']} {each['metadata']['name']}"
        assert applied.is_success, f"{name}: {applied.text}"
        assert not applied.headers.get_list("warning"), f"{name}: {applied.headers.get_list('warning')}"
        yield applied.status_code


@pytest.mark.parametrize(
    "values", [{}, EVERYTHING, WITH_CLOUD_SQL], ids=["defaults", "everything", "cloud-sql"]
)
def test_every_object_is_accepted_and_none_is_warned_of(
    cluster: Cluster, render: Render, namespace: str, values: Manifest
) -> None:
    objects = render(values, namespace=namespace)

    assert set(install(cluster, objects, namespace)) == {201}


def test_no_pod_of_a_training_is_warned_of(cluster: Cluster, render: Render, namespace: str) -> None:
    objects = render(IN_JOBS, namespace=namespace)
    [text] = [each["data"]["job.yaml"] for each in objects if "job.yaml" in each.get("data", {})]
    job = job_manifest(yaml.safe_load(text), JOB, SPEC, 3600)
    job["metadata"].pop("ownerReferences")

    assert list(install(cluster, [job], namespace)) == [201]


def test_installing_again_changes_nothing(cluster: Cluster, render: Render, namespace: str) -> None:
    objects = render(IN_JOBS, namespace=namespace)
    list(install(cluster, objects, namespace))
    before = versions(cluster, objects, namespace)

    assert set(install(cluster, objects, namespace)) == {200}
    assert versions(cluster, objects, namespace) == before


def versions(cluster: Cluster, objects: list[Manifest], namespace: str) -> list[str]:
    paths = [f"{cluster.folder(each, namespace)}/{each['metadata']['name']}" for each in objects]
    return [str(cluster.http.get(path).json()["metadata"]["resourceVersion"]) for path in paths]


def test_two_releases_in_a_namespace_share_no_object(
    cluster: Cluster, render: Render, namespace: str
) -> None:
    for release in ("one", "two"):
        objects = render(IN_JOBS, release=release, namespace=namespace)
        assert set(install(cluster, objects, namespace)) == {201}


def test_two_releases_of_one_name_in_two_namespaces_share_no_object(
    cluster: Cluster, render: Render, namespace: str
) -> None:
    assert cluster.apply(a_namespace(f"{namespace}-other"), "").is_success
    for each in (namespace, f"{namespace}-other"):
        assert set(install(cluster, render(IN_JOBS, namespace=each), each)) == {201}


def test_a_release_is_changed_and_rolled_back_in_place(
    cluster: Cluster, render: Render, namespace: str
) -> None:
    for values in (EVERYTHING, CHANGED, EVERYTHING):
        list(install(cluster, render(values, namespace=namespace), namespace))


def test_a_newer_chart_takes_over_what_an_older_one_made(
    cluster: Cluster, render: Render, namespace: str, tmp_path: Path
) -> None:
    old = render(IN_JOBS, namespace=namespace)
    new = of_the_next_version(old, namespace, tmp_path / "tidemill")

    assert new != old
    list(install(cluster, old, namespace))
    assert set(install(cluster, new, namespace)) == {200}


def of_the_next_version(old: list[Manifest], namespace: str, folder: Path) -> list[Manifest]:
    """Render the same values with a chart of another version."""
    shutil.copytree(CHART, folder)
    about = yaml.safe_load((folder / "Chart.yaml").read_text())
    (folder / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": "99.0.0", "appVersion": "99.0"}))
    given = {"project": "example-project", "bucketUrl": "gs://example-bucket", **IN_JOBS}
    with helm.Chart.load(folder) as chart:
        values = {**given, "trackingUri": "https://mlflow.example.com"}
        files = chart.render(values, name="tidemill", namespace=namespace, is_upgrade=True)
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    objects = [each for text in texts for each in yaml.safe_load_all(text) if each]
    assert [each["metadata"]["name"] for each in objects] == [each["metadata"]["name"] for each in old]
    return objects
