"""What scales, watches and leads to a release: rendered when it is asked for, and true of the code."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from helm_python import HelmError

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

ROOT = Path(__file__).parents[2]
FILES = ROOT / "helm" / "tidemill" / "files"
SOURCES = [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/*/src/**/*.py")]
SERIES = re.compile(r"tidemill_[a-z_]+")
SUFFIXES = re.compile(r"_(count|sum|bucket)$")


def only(objects: list[Manifest], kind: str, name: str = "") -> Manifest:
    [found] = [each for each in objects if each["kind"] == kind and each["metadata"]["name"].endswith(name)]
    return found


def asked() -> Iterator[str]:
    """Every expression of the dashboards and alerts."""
    for path in FILES.glob("dashboards/*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"] for target in panel["targets"])
    for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_dashboards_and_alerts_ask_for_series_that_exist() -> None:
    sources = "\n".join(path.read_text() for path in SOURCES)
    named = {SUFFIXES.sub("", name) for expression in asked() for name in SERIES.findall(expression)}

    assert len(named) > 10
    assert [name for name in sorted(named) if f'"{name}"' not in sources] == []


def test_outcomes_that_are_asked_for_are_counted_by_that_name() -> None:
    sources = "\n".join(path.read_text() for path in SOURCES)
    values = {
        value
        for expression in asked()
        for pattern in re.findall(r'(?:outcome|fate)=~?"([^"]+)"', expression)
        for value in pattern.split("|")
    }

    assert values
    assert [value for value in sorted(values) if f'"{value}"' not in sources] == []


def test_every_alert_says_what_to_do() -> None:
    for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"].keys() == {"summary", "runbook"}
            assert rule["labels"]["severity"] in ("warning", "critical")


def test_pods_are_counted_by_load_when_that_is_asked_for(render: Render) -> None:
    objects = render(scaled(minReplicas=3, inFlight=20))

    scaler = only(objects, "HorizontalPodAutoscaler")
    kubernetes_validate.validate(scaler, kubernetes_validate.latest_version(), strict=True)
    target = scaler["spec"]["scaleTargetRef"]
    # With none said, Kubernetes would take all but one away until load is known.
    assert only(objects, target["kind"], target["name"])["spec"]["replicas"] == 3
    assert only(objects, "PodDisruptionBudget", "gateway")["spec"]["maxUnavailable"] == 1
    assert [metric["type"] for metric in scaler["spec"]["metrics"]] == ["Resource", "Pods"]
    assert "HorizontalPodAutoscaler" not in {each["kind"] for each in render()}


def test_fewest_pods_that_are_more_than_most_are_refused(render: Render) -> None:
    assert render(scaled(minReplicas=7, maxReplicas=7))
    with pytest.raises(
        HelmError, match=r"expected services\.gateway\..*at least minReplicas, received 6 and 7"
    ):
        render(scaled(minReplicas=7, maxReplicas=6))


def scaled(**chosen: int) -> Manifest:
    return {"services": {"gateway": {"autoscaling": {"enabled": True, **chosen}}}}


@pytest.mark.parametrize(
    ("scrape", "endpoints"), [("PodMonitoring", "endpoints"), ("PodMonitor", "podMetricsEndpoints")]
)
def test_every_service_is_scraped_where_its_metrics_are(render: Render, scrape: str, endpoints: str) -> None:
    objects = render({"monitoring": {"scrape": scrape}})

    spec = only(objects, scrape)["spec"]
    [services] = [each["values"] for each in spec["selector"]["matchExpressions"]]
    for service in services:
        template = only(objects, "Deployment", f"-{service}")["spec"]["template"]
        assert spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
        assert {endpoint["port"] for endpoint in spec[endpoints]} <= ports


@pytest.mark.parametrize("kind", ["Rules", "PrometheusRule"])
def test_alerts_and_dashboards_arrive_whole(render: Render, kind: str) -> None:
    objects = render({"monitoring": {"alerts": kind, "dashboards": True}})

    assert only(objects, kind)["spec"] == yaml.safe_load((FILES / "alerts.yaml").read_text())
    data = only(objects, "ConfigMap", "dashboards")["data"]
    assert {name: json.loads(text) for name, text in data.items()} == {
        path.name: json.loads(path.read_text()) for path in FILES.glob("dashboards/*.json")
    }


def test_a_route_leads_to_the_predictions_of_the_gateway(render: Render) -> None:
    objects = render(
        {"ingress": {"parent": "shared", "parentNamespace": "infra", "hosts": ["ml.example.com"]}}
    )

    route = only(objects, "HTTPRoute")["spec"]
    service = only(objects, "Service", "gateway")
    http = next(port["port"] for port in service["spec"]["ports"] if port["name"] == "http")
    assert route["parentRefs"] == [{"name": "shared", "namespace": "infra"}]
    assert route["hostnames"] == ["ml.example.com"]
    backends = [backend for rule in route["rules"] for backend in rule["backendRefs"]]
    assert backends == [{"name": service["metadata"]["name"], "port": http}] * 2
    health = only(objects, "HealthCheckPolicy")["spec"]
    assert health["targetRef"]["name"] == service["metadata"]["name"]
    assert health["default"]["config"]["httpHealthCheck"] == {"requestPath": "/readyz", "port": http}


def test_an_ingress_leads_to_the_predictions_of_the_gateway(render: Render) -> None:
    chosen = {"className": "nginx", "hosts": ["a.example.com", "b.example.com"], "tlsSecret": "certificate"}
    issuer = {"cert-manager.io/cluster-issuer": "letsencrypt"}
    objects = render({"ingress": {**chosen, "annotations": issuer}})

    ingress = only(objects, "Ingress")
    service = only(objects, "Service", "gateway")
    assert "HTTPRoute" not in {each["kind"] for each in objects}
    assert ingress["metadata"]["annotations"] == issuer
    assert ingress["spec"]["tls"] == [{"secretName": "certificate", "hosts": chosen["hosts"]}]
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == chosen["hosts"]
    backends = [path["backend"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    ports = {port["name"] for port in service["spec"]["ports"]}
    assert {each["service"]["name"] for each in backends} == {service["metadata"]["name"]}
    assert {each["service"]["port"]["name"] for each in backends} <= ports
    [anywhere] = only(render({"ingress": {"className": "nginx"}}), "Ingress")["spec"]["rules"]
    assert "host" not in anywhere


def test_pods_of_a_service_are_spread_and_find_themselves(objects: list[Manifest]) -> None:
    template = only(objects, "Deployment", "gateway")["spec"]["template"]

    for constraint in template["spec"]["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
