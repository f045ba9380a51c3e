"""Rules of pipelines as custom resources: what people who use kubectl see, and what may go wrong."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from controller_world import NOON
from kubernetes.client import ApiClient, Configuration, CoreV1Api
from kubernetes_world import KubernetesWorld, Resource, pipeline
from test_facts import blessed, deployed, folded, ingested, quarantined, told, withdrawn

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.pipeline import InvalidSpec, parse_pipeline
from tidemill_controller import resources
from tidemill_controller.declarations import Report
from tidemill_controller.kubernetes_api import PipelineApi
from tidemill_controller.resource_cache import ResourceCache
from tidemill_controller.resource_events import event_of, of_facts
from tidemill_controller.resources import FINALIZER

WRONG = "{label: late, retraining: {timeZone: Nowhere/Town}}"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing between two writes."""
    monkeypatch.setattr(resources, "STATUS_SECONDS", 0.0)


def declared(world: KubernetesWorld, name: str = "m", spec: str = "{label: late}") -> None:
    """Declare a pipeline, and wait until it is told that it is in force."""
    world.declare(name, spec)
    world.until(lambda: world.condition(name, "Accepted").get("status") == "True")


def _version(resource: Resource) -> Any:
    return resource["metadata"]["resourceVersion"]


def test_a_new_pipeline_waits_for_its_first_file(cluster: KubernetesWorld) -> None:
    declared(cluster)
    status = cluster.status("m")

    assert cluster.get("m")["metadata"]["finalizers"] == [FINALIZER]
    assert (status["stage"], status["observedGeneration"], status["message"]) == ("Waiting", 1, "")
    assert "champion" not in status
    assert cluster.condition("m", "DataHealthy")["status"] == "Unknown"
    assert cluster.condition("m", "Ready")["status"] == "False"
    assert cluster.events("m") == [("Normal", "SpecAccepted", "generation 1 of the spec is in force")]


def test_what_happens_to_a_pipeline_is_shown(cluster: KubernetesWorld) -> None:
    declared(cluster, spec="{label: late, retraining: {schedule: 0 3 * * *}}")
    for minute, data in enumerate((ingested(1), blessed(2), deployed(2), quarantined(3))):
        cluster.hear(data, minute=minute)
    cluster.until(lambda: cluster.status("m")["stage"] == "Rejected")
    status = cluster.status("m")

    assert (status["champion"], status["metric"], status["spans"]) == (2, "roc_auc 0.7200", 1)
    assert status["lastData"] == "2026-01-01T12:00:00Z"
    assert status["nextRetraining"] == "2026-01-02T03:00:00Z"
    assert status["message"] == "drops/m/3.csv: expected 100 rows, received 3"
    assert cluster.condition("m", "DataHealthy")["reason"] == "too-few-rows"
    assert cluster.condition("m", "Ready")["message"] == "version 2 answers"
    assert [(kind, reason) for kind, reason, _ in cluster.events("m")] == [
        ("Normal", "ModelBlessed"),
        ("Normal", "ModelDeployed"),
        ("Normal", "SpecAccepted"),
        ("Warning", "DropQuarantined"),
    ]


def test_a_condition_keeps_the_time_since_when_it_is_so(cluster: KubernetesWorld) -> None:
    declared(cluster)
    cluster.hear(deployed(1))
    cluster.until(lambda: cluster.condition("m", "Ready")["status"] == "True")
    cluster.now += timedelta(hours=1)
    cluster.hear(deployed(2))
    cluster.restart()
    cluster.until(lambda: cluster.status("m")["champion"] == 2)

    assert cluster.condition("m", "Ready")["lastTransitionTime"] == "2026-01-01T12:00:00Z"


def test_nothing_is_written_while_nothing_changes_also_over_a_restart(cluster: KubernetesWorld) -> None:
    declared(cluster)
    cluster.hear(deployed(1))
    cluster.until(lambda: cluster.status("m")["stage"] == "Serving")
    cluster.look()
    before, events = cluster.get("m"), cluster.events("m")
    for _ in range(2):
        cluster.hear(deployed(1))
        cluster.look()
        cluster.restart()
        cluster.until(lambda: bool(cluster.declarations.all()))
        cluster.look()

    assert _version(cluster.get("m")) == _version(before)
    assert cluster.events("m") == events


def test_statuses_are_written_no_more_than_once_in_a_while(
    cluster: KubernetesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared(cluster)
    cluster.look()
    before = _version(cluster.get("m"))
    monkeypatch.setattr(resources, "STATUS_SECONDS", 3600.0)
    for version in range(1, 9):
        cluster.hear(deployed(version))
        cluster.look()
    assert _version(cluster.get("m")) == before

    monkeypatch.setattr(resources, "STATUS_SECONDS", 0.0)
    cluster.look()
    assert cluster.status("m")["champion"] == 8


def test_a_wrong_spec_is_refused_in_the_words_of_apply_and_the_one_before_stays(
    cluster: KubernetesWorld,
) -> None:
    declared(cluster)
    with pytest.raises(InvalidSpec) as refused:
        parse_pipeline(str(pipeline("m", WRONG)))
    cluster.declare("m", WRONG)
    cluster.until(lambda: cluster.condition("m", "Accepted")["status"] == "False")
    accepted = cluster.condition("m", "Accepted")

    assert (accepted["reason"], accepted["message"]) == ("InvalidSpec", str(refused.value))
    assert cluster.status("m")["message"] == str(refused.value)
    assert cluster.status("m")["observedGeneration"] == 2
    assert cluster.label("m") == "late"
    assert ("Warning", "SpecRefused", str(refused.value)) in cluster.events("m")

    cluster.declare("m", "{label: delay > 15}")
    cluster.until(lambda: cluster.label("m") == "delay > 15")
    cluster.until(lambda: cluster.condition("m", "Accepted")["status"] == "True")


def test_a_pipeline_that_was_never_in_force_is_deleted_at_once(cluster: KubernetesWorld) -> None:
    cluster.declare("m", WRONG)
    cluster.until(lambda: cluster.condition("m", "Accepted").get("status") == "False")
    cluster.delete("m")

    assert cluster.is_gone("m")
    cluster.look()
    assert cluster.broker.told == []
    assert cluster.store.list("") == []


def test_what_is_changed_in_the_bucket_is_put_back(
    cluster: KubernetesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared(cluster)
    monkeypatch.setattr(resources, "VERIFY_SECONDS", 0.0)
    cluster.store.write(layout.pipeline_spec("m"), b"metadata: {name: m}\nspec: {label: mine}")
    cluster.look()
    assert cluster.label("m") == "late"

    cluster.store.delete(layout.pipeline_spec("m"))
    cluster.look()
    assert cluster.label("m") == "late"


def test_specs_that_no_resource_declares_are_left_alone(cluster: KubernetesWorld) -> None:
    cluster.store.write(layout.pipeline_spec("other"), b"metadata: {name: other}\nspec: {label: mine}")
    cluster.hear(ingested(1).model_copy(update={"pipeline": "other"}))
    declared(cluster)
    cluster.restart()
    cluster.until(lambda: bool(cluster.declarations.all()))

    assert cluster.label("other") == "mine"
    assert cluster.broker.told == []


def test_a_deletion_waits_for_the_broker_and_says_so(cluster: KubernetesWorld) -> None:
    declared(cluster)
    cluster.broker.is_away = True
    cluster.delete("m")
    cluster.until(lambda: cluster.condition("m", "Accepted")["reason"] == "DeletionHeldUp")
    assert "the broker does not answer" in cluster.status("m")["message"]
    assert "DeletionHeldUp" in [reason for _, reason, _ in cluster.events("m")]
    assert cluster.label("m") == ""

    cluster.broker.is_away = False
    cluster.until(lambda: cluster.is_gone("m"))
    assert len(cluster.broker.deletions) == 1


def test_the_finalizers_of_others_stay(cluster: KubernetesWorld) -> None:
    body = pipeline("m", "{label: late}")
    body["metadata"]["finalizers"] = ["example.com/other"]
    cluster.objects.create_namespaced_custom_object(
        "tidemill.dev", "v1", cluster.namespace, "pipelines", body
    )
    cluster.until(lambda: FINALIZER in cluster.get("m")["metadata"]["finalizers"])
    cluster.delete("m")
    cluster.until(lambda: cluster.get("m")["metadata"]["finalizers"] == ["example.com/other"])
    cluster.look()

    assert len(cluster.broker.deletions) == 1


@pytest.mark.parametrize("broker_is_away", [False, True])
def test_a_controller_that_ends_with_its_namespace_leaves_no_finalizer(
    cluster: KubernetesWorld, *, broker_is_away: bool
) -> None:
    declared(cluster)
    cluster.controller.close()
    assert FINALIZER in cluster.get("m")["metadata"]["finalizers"]
    CoreV1Api(cluster.admin).delete_namespace(cluster.namespace)
    cluster.broker.is_away = broker_is_away

    cluster.controller.close()

    assert len(cluster.broker.deletions) == (0 if broker_is_away else 1)
    assert "finalizers" not in cluster.get("m")["metadata"]
    assert cluster.label("m") == ""


def test_a_version_that_was_superseded_is_no_trouble() -> None:
    why = [Reason(code=code, message="") for code in ("superseded", "too-many-errors")]
    facts = folded(told(*(withdrawn(version, each) for version, each in enumerate(why, start=1))))
    report = Report(refusal="", facts=facts, next_retraining=None)
    resource = {**pipeline("m", "{}"), "metadata": {"name": "m", "namespace": "n", "uid": "u"}}

    assert [event_of(resource, each)["type"] for each in of_facts(report, NOON)] == ["Normal", "Warning"]


class FromLongAgo(PipelineApi):
    """Says the first time that the list is of a version that the server knows no more."""

    lists = 0

    def find_all(self, limit: int | None = None) -> tuple[list[Resource], str]:
        self.lists += 1
        found, version = super().find_all(limit)
        return ([], "1") if self.lists == 1 else (found, version)


def test_a_watch_that_expired_begins_with_a_new_list(cluster: KubernetesWorld) -> None:
    cluster.declare("m", "{label: late}")
    api, stop, seen = FromLongAgo(cluster.admin, cluster.namespace), threading.Event(), threading.Event()
    cache = ResourceCache(api)
    thread = threading.Thread(
        target=cache.follow, args=(lambda: seen.set() if cache.all() else None, stop), daemon=True
    )
    thread.start()
    assert seen.wait(20)
    stop.set()

    assert [each["metadata"]["name"] for each in cache.all()] == ["m"]
    cache.check()


def test_without_an_answer_of_the_api_server_nothing_is_ready(cluster: KubernetesWorld) -> None:
    declared(cluster)
    cluster.declarations.check_ready()
    nobody = ApiClient(Configuration(host="http://127.0.0.1:1"))
    cache, stop = ResourceCache(PipelineApi(nobody, cluster.namespace)), threading.Event()
    with pytest.raises(RuntimeError, match="not listed yet"):
        cache.check()

    thread = threading.Thread(target=cache.follow, args=(lambda: None, stop), daemon=True)
    thread.start()
    cluster.until(lambda: "refused" in _trouble(cache))
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def _trouble(cache: ResourceCache) -> str:
    with pytest.raises(RuntimeError) as error:
        cache.check()
    return str(error.value)
