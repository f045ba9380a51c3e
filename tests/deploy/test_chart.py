"""Rules for every object the chart renders."""

from collections.abc import Callable, Iterator
from typing import Any

import helm_python as helm
import pytest
import yaml
from helm_python import HelmError
from release_values import EVERYTHING

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

SERVICES = {"ingest", "transform", "trainer", "serving", "gateway", "controller"}
COMPONENTS = SERVICES | {"model-server"}
IDENTITY = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


def of_kind(objects: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Objects of a kind by component."""
    found = [each for each in objects if each["kind"] == kind]
    return {each["metadata"]["labels"].get("app.kubernetes.io/component", ""): each for each in found}


def container(deployment: Manifest) -> Manifest:
    [only] = deployment["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_every_component_is_there(objects: list[Manifest]) -> None:
    assert of_kind(objects, "Deployment").keys() == COMPONENTS
    assert of_kind(objects, "ServiceAccount").keys() == COMPONENTS
    assert of_kind(objects, "Service").keys() == {"ingest", "serving", "gateway", "model-server"}


def test_selectors_are_the_identity_alone_and_find_their_pods(objects: list[Manifest]) -> None:
    services, budgets = of_kind(objects, "Service"), of_kind(objects, "PodDisruptionBudget")
    for component, deployment in of_kind(objects, "Deployment").items():
        selector = deployment["spec"]["selector"]["matchLabels"]
        labels = deployment["spec"]["template"]["metadata"]["labels"]

        assert selector.keys() == IDENTITY
        assert selector.items() <= labels.items()
        if component in services:
            assert services[component]["spec"]["selector"] == selector
        if component in budgets:
            assert budgets[component]["spec"]["selector"] == {"matchLabels": selector}


def test_two_releases_in_a_namespace_share_nothing(render: Render) -> None:
    first, second = render(release="one"), render(release="two")

    names = [{(each["kind"], each["metadata"]["name"]) for each in release} for release in (first, second)]
    assert names[0].isdisjoint(names[1])
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(first, "Deployment").values()]
    for selector in selectors(second):
        assert not any(selector.items() <= labels.items() for labels in pods)


def test_a_service_leads_to_the_port_of_that_name_and_number(objects: list[Manifest]) -> None:
    for component, service in of_kind(objects, "Service").items():
        listens = container(of_kind(objects, "Deployment")[component])["ports"]
        numbers = {port["name"]: port["containerPort"] for port in listens}
        for port in service["spec"]["ports"]:
            assert numbers[port["targetPort"]] == port["port"]


def selectors(objects: list[Manifest]) -> Iterator[dict[str, str]]:
    for each in objects:
        spec = each.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if selector:
            yield selector.get("matchLabels", selector)


def test_a_name_too_long_for_a_service_is_refused(render: Render) -> None:
    assert render(release="r" * 50)
    with pytest.raises(HelmError, match="at most 50 characters"):
        render(release="r" * 51)


def test_names_that_yaml_takes_for_something_else_stay_names(render: Render) -> None:
    odd, usual = (
        shape(render(EVERYTHING, release=release, namespace=namespace))
        for release, namespace in (("on", "2024"), ("tidemill", "tidemill"))
    )

    assert odd == usual


def shape(value: object) -> object:
    """Put its type in place of every value."""
    match value:
        case dict():
            return {
                key: shape(yaml.safe_load(each) if key == "job.yaml" else each) for key, each in value.items()
            }
        case list():
            return [shape(each) for each in value]
        case _:
            return type(value)


def test_every_pod_meets_the_restricted_pod_security_standard(objects: list[Manifest]) -> None:
    for deployment in of_kind(objects, "Deployment").values():
        pod = deployment["spec"]["template"]["spec"]
        security = container(deployment)["securityContext"]

        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert not security["allowPrivilegeEscalation"]
        assert security["readOnlyRootFilesystem"]
        assert {"name": "scratch", "mountPath": "/tmp"} in container(deployment)["volumeMounts"]  # noqa: S108
        assert container(deployment)["resources"].keys() == {"requests", "limits"}


def test_only_who_has_rights_in_the_cluster_has_a_token_for_it(objects: list[Manifest]) -> None:
    with_token = {
        component
        for component, deployment in of_kind(objects, "Deployment").items()
        if deployment["spec"]["template"]["spec"]["automountServiceAccountToken"]
    }

    assert with_token == of_kind(objects, "RoleBinding").keys() == {"controller"}


def test_pipelines_in_the_bucket_need_no_rights_in_the_cluster(render: Render) -> None:
    objects = render({"pipelines": "bucket"})

    assert not of_kind(objects, "RoleBinding")
    assert not of_kind(objects, "Deployment")["controller"]["spec"]["template"]["spec"][
        "automountServiceAccountToken"
    ]


def test_what_must_be_alone_is_replaced_before_it_is_started_anew(objects: list[Manifest]) -> None:
    alone = {
        component
        for component, deployment in of_kind(objects, "Deployment").items()
        if deployment["spec"].get("strategy") == {"type": "Recreate"}
    }

    assert alone == {"trainer", "serving", "controller"}
    assert all(of_kind(objects, "Deployment")[each]["spec"]["replicas"] == 1 for each in alone)


def test_of_the_others_none_is_taken_away_before_another_is_ready(objects: list[Manifest]) -> None:
    deployments = of_kind(objects, "Deployment")

    for component in ("ingest", "transform", "gateway", "model-server"):
        assert deployments[component]["spec"]["strategy"]["rollingUpdate"] == {
            "maxSurge": 1,
            "maxUnavailable": 0,
        }


def test_a_disruption_budget_is_only_where_one_pod_can_be_spared(
    render: Render, objects: list[Manifest]
) -> None:
    assert of_kind(objects, "PodDisruptionBudget").keys() == {"ingest", "gateway"}
    one = {"replicas": 1, "autoscaling": {"minReplicas": 1}}
    for gateway in (one, {**one, "autoscaling": {"enabled": True, "minReplicas": 1}}):
        objects = render({"services": {"gateway": gateway}})
        assert of_kind(objects, "PodDisruptionBudget").keys() == {"ingest"}


def test_pods_that_are_not_ready_hold_up_no_drain(objects: list[Manifest]) -> None:
    for budget in of_kind(objects, "PodDisruptionBudget").values():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_no_replicas_means_none(render: Render) -> None:
    objects = render({"services": {"gateway": {"replicas": 0}}})

    assert of_kind(objects, "Deployment")["gateway"]["spec"]["replicas"] == 0


def test_the_model_server_starts_with_an_empty_list_of_models(objects: list[Manifest]) -> None:
    deployment = of_kind(objects, "Deployment")["model-server"]
    config = of_kind(objects, "ConfigMap")["model-server"]

    assert config["data"] == {"models.config": "model_config_list {}\n"}
    mounts = {each["name"]: each["mountPath"] for each in container(deployment)["volumeMounts"]}
    assert f"--model_config_file={mounts['config']}/models.config" in container(deployment)["args"]
    volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"]


def test_a_bucket_in_a_volume_is_mounted_where_its_url_says(render: Render) -> None:
    objects = render({"bucketUrl": "file:///srv/bucket", "bucketClaim": "claimed"})

    for component, deployment in of_kind(objects, "Deployment").items():
        mounts = {each["name"]: each for each in container(deployment)["volumeMounts"]}
        volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
        assert mounts["bucket"]["mountPath"] == "/srv/bucket"
        assert mounts["bucket"]["readOnly"] == (component == "model-server")
        assert volumes["bucket"]["persistentVolumeClaim"] == {"claimName": "claimed"}


@pytest.mark.parametrize(
    "values",
    [
        {"projct": "typing-error"},
        {"project": ""},
        {"bucketUrl": "s3://elsewhere"},
        {"warehouseUrl": "snowflake://elsewhere"},
        {"services": {"ingest": {"replica": 3}}},
        {"services": {"trainer": {"replicas": 2}}},
        {"services": {"ingest": {"settings": {"concurency": 3}}}},
        {"services": {"ingest": {"settings": {"concurrency": 0}}}},
        {"services": {"gateway": {"settings": {"rest_port": 80}}}},
        {"services": {"trainer": {"settings": {"launcher": "kubernetes"}}}},
        {"services": {"trainer": {"settings": {"check_server_address": "elsewhere:8500"}}}},
        {"services": {"scorer": {}}},
        {"services": {"controller": {"replicas": 2}}},
        {"services": {"controller": {"settings": {"pipelines": "bucket"}}}},
        {"services": {"gateway": {"pod": {"nodeSelectors": {}}}}},
        {"pipelines": "git"},
        {"mlflow": {"database": {"password": "in clear"}}},
        {"mlflow": {"enabled": True}, "trackingUri": ""},
        {"dataflow": {"enabled": True}},
        {"training": {"launcher": "cron"}},
        {"image": {"registry": "no-slash-at-the-end"}},
        {"networkPolicy": {"googleApis": ["pubsub.googleapis.com"]}},
        {"bucketUrl": "file:///srv/bucket"},
        {"bucketClaim": "of-no-file-bucket"},
        {"pods": {"labels": {"app.kubernetes.io/component": "mine"}}},
        {"services": {"gateway": {"pod": {"labels": {"helm.sh/chart": "mine"}}}}},
        {"services": {"gateway": {"settings": {"listening_socket": 3}}}},
        {"services": {"gateway": {"settings": {"quota_file": 3}}}},
        {"services": {"gateway": {"scratch": "1K"}}},
        {"services": {"transform": {"replicas": 2}}},
    ],
    ids=str,
)
def test_a_wrong_value_is_refused(render: Render, values: Manifest) -> None:
    with pytest.raises(HelmError):
        render(values)


def test_no_object_of_the_values_takes_unknown_keys(chart: helm.Chart) -> None:
    def check(schema: Manifest) -> None:
        for child in schema["properties"].values():
            if "properties" in child:
                check(child)
        assert schema["additionalProperties"] is False

    check(chart.schema or {})


@pytest.mark.parametrize("missing", ["project", "bucketUrl"])
def test_what_cannot_be_guessed_must_be_given(chart: helm.Chart, missing: str) -> None:
    given = {"project": "example-project", "bucketUrl": "gs://bucket"}
    del given[missing]

    with pytest.raises(HelmError, match=missing):
        chart.validate_schema(given)


def test_serving_finds_each_model_server_and_has_time_for_it(objects: list[Manifest]) -> None:
    deployment = of_kind(objects, "Deployment")["model-server"]["spec"]
    pod = deployment["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    names_are_kept_seconds, serving_looks_seconds = 30, 2

    assert of_kind(objects, "Service")["model-server"]["spec"]["clusterIP"] == "None"
    assert deployment["minReadySeconds"] > names_are_kept_seconds + serving_looks_seconds
    assert pause > names_are_kept_seconds + serving_looks_seconds
    assert pod["terminationGracePeriodSeconds"] > pause


def test_several_model_servers_are_not_drained_at_once(render: Render) -> None:
    objects = render({"modelServer": {"replicas": 2}})

    assert of_kind(objects, "Deployment")["model-server"]["spec"]["replicas"] == 2
    assert "model-server" in of_kind(objects, "PodDisruptionBudget")
