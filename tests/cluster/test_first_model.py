"""From `helm install` to a prediction, by `kubectl` alone."""

import json

import pytest
from kube_cluster import CommandFailed, Manifest
from kube_release import Release

pytestmark = pytest.mark.timeout(1200)


def test_every_pod_of_a_release_becomes_ready_where_only_restricted_pods_may(release: Release) -> None:
    pods = release.pods()
    components = {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in pods}

    assert {
        "ingest",
        "transform",
        "trainer",
        "serving",
        "gateway",
        "controller",
        "model-server",
    } <= components
    assert all(
        container["restartCount"] == 0 for each in pods for container in each["status"]["containerStatuses"]
    )


def test_a_pipeline_that_is_wrong_is_refused_when_it_is_applied(release: Release) -> None:
    wrong = {
        "apiVersion": "tidemill.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": "wrong"},
        "spec": {"labels": "late"},
    }
    with pytest.raises(CommandFailed, match=r"labels|label"):
        release.kubectl("apply", "-f", "-", given=json.dumps(wrong))


def test_dropped_flights_become_a_model_trained_by_a_job(release: Release, trained: Manifest) -> None:
    jobs = release.cluster.items("jobs", release.namespace, "tidemill.dev/pipeline=flights")

    assert [each["status"].get("succeeded") for each in jobs] == [1]
    assert trained["status"]["stage"] == "Serving"
    assert trained["status"]["champion"] == 1
    assert trained["status"]["metric"].startswith("roc_auc 0.7")


def test_get_and_describe_tell_what_a_person_asks(release: Release, trained: Manifest) -> None:
    header, line = release.kubectl("get", "pipelines").splitlines()
    described = release.kubectl("describe", "pipeline", "flights")

    assert {"STAGE", "CHAMPION", "METRIC", "READY"} <= set(header.split())
    assert {"flights", "Serving", "roc_auc"} <= set(line.split())
    for reason in ("SpecAccepted", "ModelBlessed", "ModelDeployed"):
        assert reason in described


def test_the_gateways_service_answers(release: Release, flight: Manifest) -> None:
    answer = release.ask("/v1/models/flights:predict", {"instances": [flight]})

    (probability,) = answer["predictions"]
    assert 0 < probability < 1
