"""Rules for every object the chart renders."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import helm_python as helm
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from helm_python import HelmError

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

SERVICES = {"ingest", "transform", "trainer", "serving", "gateway"}
COMPONENTS = SERVICES | {"model-server"}
IDENTITY = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


def of_kind(objects: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Objects of a kind by component."""
    found = [each for each in objects if each["kind"] == kind]
    return {each["metadata"]["labels"].get("app.kubernetes.io/component", ""): each for each in found}


def container(deployment: Manifest) -> Manifest:
    [only] = deployment["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_kubernetes_takes_every_object(objects: list[Manifest], version: str) -> None:
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


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


def test_every_pod_meets_the_restricted_pod_security_standard(objects: list[Manifest]) -> None:
    for deployment in of_kind(objects, "Deployment").values():
        pod = deployment["spec"]["template"]["spec"]
        security = container(deployment)["securityContext"]

        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert not security["allowPrivilegeEscalation"]
        assert security["readOnlyRootFilesystem"]
        assert not pod["automountServiceAccountToken"]
        assert {"name": "scratch", "mountPath": "/tmp"} in container(deployment)["volumeMounts"]  # noqa: S108
        assert container(deployment)["resources"].keys() == {"requests", "limits"}


def test_what_must_be_alone_is_replaced_before_it_is_started_anew(objects: list[Manifest]) -> None:
    alone = {
        component
        for component, deployment in of_kind(objects, "Deployment").items()
        if deployment["spec"].get("strategy") == {"type": "Recreate"}
    }

    assert alone == {"trainer", "serving", "model-server"}
    assert all(of_kind(objects, "Deployment")[each]["spec"]["replicas"] == 1 for each in alone)


def test_a_disruption_budget_is_only_where_one_pod_can_be_spared(
    render: Render, objects: list[Manifest]
) -> None:
    assert of_kind(objects, "PodDisruptionBudget").keys() == {"ingest", "gateway"}
    one = render({"services": {"gateway": {"replicas": 1}}})
    assert of_kind(one, "PodDisruptionBudget").keys() == {"ingest"}


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
        {"training": {"launcher": "cron"}},
        {"image": {"registry": "no-slash-at-the-end"}},
        {"networkPolicy": {"googleApis": ["pubsub.googleapis.com"]}},
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


@pytest.mark.parametrize("missing", ["project", "bucketUrl", "trackingUri"])
def test_what_cannot_be_guessed_must_be_given(chart: helm.Chart, missing: str) -> None:
    given = {"project": "example-project", "bucketUrl": "gs://bucket", "trackingUri": "https://mlflow"}
    del given[missing]

    with pytest.raises(HelmError, match=missing):
        chart.validate_schema(given)


EVERYTHING: Manifest = {
    "monitoring": {"scrape": "PodMonitoring", "alerts": "Rules", "dashboards": True},
    "ingress": {"parent": "shared"},
    "services": {
        "ingest": {"autoscaling": {"enabled": True}},
        "gateway": {"autoscaling": {"enabled": True, "inFlight": 20}},
    },
}


def merged(values: Manifest, more: Manifest) -> Manifest:
    """Return values with some of them replaced, as Helm merges them."""
    return {
        **values,
        **{
            key: merged(values[key], value) if isinstance(value, dict) else value
            for key, value in more.items()
        },
    }


def test_every_value_does_something(chart: helm.Chart, render: Render) -> None:
    in_jobs = merged(chart.values, {"training": {"launcher": "kubernetes"}})
    bases = [(values, render(values)) for values in (in_jobs, merged(in_jobs, EVERYTHING))]
    for path, value in leaves(chart.values):
        assert any(render(with_other(values, path, value)) != objects for values, objects in bases), (
            f"{'.'.join(path)} changes nothing"
        )


def with_other(values: Manifest, path: tuple[str, ...], value: object) -> Manifest:
    changed = parent = deepcopy(values)
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = other(path[-1], parent.get(path[-1], value))
    return changed


def leaves(values: Manifest, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        elif value != {}:
            yield (*path, key), value


def other(key: str, value: object) -> object:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case list():
            return [] if value else ["example.com"] if key == "hosts" else [{"ports": [{"port": 5000}]}]
        case _:
            known = {
                "registry": "other/",
                "launcher": "process",
                "cpu": "7",
                "memory": "7Gi",
                "scratch": "7Gi",
            }
            chosen = {
                "warehouseUrl": "bigquery://other/other",
                "scrape": "PodMonitor",
                "alerts": "PrometheusRule",
                "interval": "7s",
            }
            return {**known, **chosen}.get(key, "other")
