"""What scales, watches and leads to a release: rendered when it is asked for, and true of the code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from helm_python import HelmError

from tidemill_gateway.metrics import IN_FLIGHT

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

ROOT = Path(__file__).parents[2]
FILES = ROOT / "helm" / "tidemill" / "files"


def only(objects: list[Manifest], kind: str, name: str = "") -> Manifest:
    [found] = [each for each in objects if each["kind"] == kind and each["metadata"]["name"].endswith(name)]
    return found


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


def test_requests_in_hand_are_scaled_by_the_gauge_that_gateways_have(render: Render) -> None:
    metrics = only(render(scaled(inFlight=20)), "HorizontalPodAutoscaler")["spec"]["metrics"]
    [metric] = [each["pods"]["metric"]["name"] for each in metrics if each["type"] == "Pods"]

    [told] = IN_FLIGHT.describe()
    # As the Custom Metrics Stackdriver Adapter calls what managed Prometheus has: domain, name, kind.
    assert metric == f"prometheus.googleapis.com|{told.name}|{told.type}"


def test_the_scale_plan_reckons_with_the_charts_own_gateways(chart: helm.Chart) -> None:
    gateway = chart.values["services"]["gateway"]
    asked, percent = gateway["resources"]["requests"]["cpu"], gateway["autoscaling"]["cpuPercent"]

    page = (ROOT / "docs" / "scale.md").read_text()
    assert f"the chart's defaults ({asked} vCPU asked for, {percent} %)" in page


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


def test_a_prometheus_operator_finds_what_it_is_to_read_by_labels(render: Render) -> None:
    labels = {"release": "kube-prometheus-stack"}
    objects = render({"monitoring": {"scrape": "PodMonitor", "alerts": "PrometheusRule", "labels": labels}})

    for kind in ("PodMonitor", "PrometheusRule"):
        assert labels.items() <= only(objects, kind)["metadata"]["labels"].items()


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
