"""Nobody calls what the chart does not name: checked from both ends of each call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
Call = tuple[str, str, int]
Render = Callable[..., list[Manifest]]

ON_GOOGLE_CLOUD = sorted((Path(__file__).parents[2] / "k8s" / "gke").iterdir())
CALLS = {
    ("gateway", "serving", 8510),
    ("gateway", "model-server", 8500),
    ("serving", "model-server", 8500),
}
OUTSIDE = {"tracking": "trainer", "outside": "gateway", "database": "mlflow"}
SERVICES = {"ingest", "transform", "trainer", "serving", "gateway", "controller"}
USERS_OF_GOOGLE_CLOUD = SERVICES | {"model-server"}


@pytest.fixture
def policies(objects: list[Manifest]) -> dict[str, Manifest]:
    return by_component(objects)


def by_component(objects: list[Manifest]) -> dict[str, Manifest]:
    found = [each for each in objects if each["kind"] == "NetworkPolicy"]
    return {
        each["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: each["spec"]
        for each in found
        if "app.kubernetes.io/component" in each["spec"]["podSelector"]["matchLabels"]
    }


def components(peers: list[Manifest]) -> set[str]:
    selectors = [peer["podSelector"].get("matchLabels", {}) for peer in peers if "podSelector" in peer]
    return {
        each["app.kubernetes.io/component"] for each in selectors if "app.kubernetes.io/component" in each
    }


def ports(rule: Manifest) -> set[int]:
    return {port["port"] for port in rule["ports"]}


def cidrs(policy: Manifest, port: int) -> set[str]:
    rules = [rule for rule in policy["egress"] if port in ports(rule)]
    return {peer["ipBlock"]["cidr"] for rule in rules for peer in rule["to"] if "ipBlock" in peer}


def test_everything_else_is_denied(objects: list[Manifest]) -> None:
    [default] = [each for each in objects if each["metadata"]["name"] == "tidemill-default-deny"]

    assert default["spec"] == {
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/name": "tidemill", "app.kubernetes.io/instance": "tidemill"}
        },
        "policyTypes": ["Ingress", "Egress"],
    }


def let_in(policies: dict[str, Manifest]) -> set[Call]:
    return {
        (caller, callee, port)
        for callee, policy in policies.items()
        for rule in policy.get("ingress") or []
        for caller in components(rule["from"])
        for port in ports(rule)
    }


def let_out(policies: dict[str, Manifest]) -> set[Call]:
    return {
        (caller, callee, port)
        for caller, policy in policies.items()
        for rule in policy["egress"]
        for callee in components(rule["to"])
        for port in ports(rule)
    }


def test_callers_and_those_they_call_name_each_other(policies: dict[str, Manifest]) -> None:
    assert let_in(policies) == CALLS
    assert let_out(policies) == CALLS


def test_mlflow_is_called_by_the_trainer_alone_and_its_database_by_mlflow_alone(render: Render) -> None:
    mlflow = {"enabled": True, "database": {"secret": {"name": "mlflow"}}}
    policies = by_component(render({"trackingUri": "", "mlflow": mlflow}))

    its = {("trainer", "mlflow", 5000), ("mlflow", "mlflow-database", 5432)}
    assert let_in(policies) == let_out(policies) == CALLS | its
    # To look up names is all that the database may do by itself.
    assert [ports(rule) for rule in policies["mlflow-database"]["egress"]] == [{53}]


def test_what_is_outside_is_reached_only_by_those_it_is_named_for(render: Render) -> None:
    rules = [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 7000}]}]
    uri = {"enabled": True, "database": {"type": "uri", "secret": {"name": "mlflow"}}}
    for key, caller in OUTSIDE.items():
        tracking = {"trackingUri": "", "mlflow": uri} if key == "database" else {}
        policies = by_component(render(tracking | {"networkPolicy": {key: rules}}))

        assert {name for name, policy in policies.items() if cidrs(policy, 7000)} == {caller}


def test_cloud_sql_is_reached_only_by_mlflow_and_only_where_the_values_say(render: Render) -> None:
    cloudsql = {"type": "cloudsql", "secret": {"name": "mlflow"}, "cloudsql": {"instance": "a:b:c"}}
    values = {"trackingUri": "", "mlflow": {"enabled": True, "database": cloudsql}}
    named = values | {"networkPolicy": {"cloudSql": ["10.9.0.0/24"]}}
    for given, expected in ((values, {"0.0.0.0/0"}), (named, {"10.9.0.0/24"})):
        policies = by_component(render(given))

        assert {name for name, policy in policies.items() if cidrs(policy, 3307)} == {"mlflow"}
        assert cidrs(policies["mlflow"], 3307) == expected


def test_kubernetes_itself_is_called_only_by_those_with_rights_there(render: Render) -> None:
    named = {"kubernetesApis": [{"cidr": "172.16.0.2/32", "port": 6443}]}
    for pipelines, launcher, callers in (
        ("kubernetes", "kubernetes", {"controller", "trainer"}),
        ("kubernetes", "process", {"controller"}),
        ("bucket", "kubernetes", {"trainer"}),
    ):
        objects = render({"pipelines": pipelines, "training": {"launcher": launcher}, "networkPolicy": named})
        policies = by_component(objects)

        assert {name for name, policy in policies.items() if cidrs(policy, 6443)} == callers


def test_no_rule_is_open_in_peer_or_port(policies: dict[str, Manifest]) -> None:
    for policy in policies.values():
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        for rule in policy["egress"]:
            assert rule["to"]
            assert ports(rule)
        for rule in policy.get("ingress") or []:
            assert rule["from"]
            assert ports(rule)


def test_google_cloud_is_reached_only_by_those_who_use_it(policies: dict[str, Manifest]) -> None:
    assert {name for name, policy in policies.items() if cidrs(policy, 443)} == USERS_OF_GOOGLE_CLOUD
    # Credentials: the metadata server of a GKE node.
    assert {name for name, policy in policies.items() if cidrs(policy, 988)} == USERS_OF_GOOGLE_CLOUD


def test_everyone_may_look_up_names(policies: dict[str, Manifest]) -> None:
    # Where nodes have a cache of names, and where they have Cloud DNS; kube-dns is a pod.
    expected = {"169.254.20.10/32", "169.254.169.254/32"}

    assert all(cidrs(policy, 53) == expected for policy in policies.values())
    assert all(any(ports(rule) == {53} for rule in policy["egress"]) for policy in policies.values())


def test_clients_reach_the_public_ports_and_no_other(policies: dict[str, Manifest]) -> None:
    public = {
        (name, port)
        for name, policy in policies.items()
        for rule in policy.get("ingress") or []
        if {"podSelector": {}} in rule["from"]
        for port in ports(rule)
    }

    assert public == {("gateway", 8080), ("gateway", 8081), ("ingest", 8082)}


@pytest.mark.parametrize("path", ON_GOOGLE_CLOUD, ids=lambda path: path.stem)
def test_googles_load_balancers_reach_the_port_that_they_lead_to_and_no_other(
    render: Render, path: Path
) -> None:
    objects = render(yaml.safe_load(path.read_text()))
    [route] = [each["spec"] for each in objects if each["kind"] == "HTTPRoute"]
    reached = {
        (f"tidemill-{name}", port, peer["ipBlock"]["cidr"])
        for name, policy in by_component(objects).items()
        for rule in policy.get("ingress") or []
        for peer in rule["from"]
        for port in ports(rule)
        if "ipBlock" in peer
    }

    led_to = {(each["name"], each["port"]) for rule in route["rules"] for each in rule["backendRefs"]}
    sources = ("130.211.0.0/22", "35.191.0.0/16")
    assert reached == {(*backend, source) for backend in led_to for source in sources}


def test_metrics_are_scraped_from_where_the_values_say(policies: dict[str, Manifest]) -> None:
    monitoring = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        for name in ("gmp-system", "gke-gmp-system")
    ]
    scraped = {
        name
        for name, policy in policies.items()
        for rule in policy.get("ingress") or []
        if rule["from"] == monitoring and ports(rule) == {9090}
    }

    assert scraped == SERVICES
