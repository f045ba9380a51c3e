"""What a release's service accounts may do: the trainer make Jobs, the controller keep pipelines."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from cluster_objects import Cluster, a_namespace, with_rights
from release_values import EVERYTHING

from tidemill_controller.kubernetes_api import PipelineApi

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]
Right = tuple[str, str, str]  # API group, resource, verb

NAMESPACE = "access"
RIGHTS: dict[str, set[Right]] = {
    "trainer": {
        ("batch", "jobs", "create"),
        ("batch", "jobs/status", "get"),
        ("", "pods", "list"),
        ("apps", "deployments", "get"),
    },
    "controller": {
        *product(["tidemill.dev"], ["pipelines"], ["list", "watch", "patch"]),
        ("tidemill.dev", "pipelines/status", "patch"),
        ("", "events", "create"),
    },
}
PIPELINE: Manifest = {
    "apiVersion": "tidemill.dev/v1",
    "kind": "Pipeline",
    "metadata": {"name": "flights"},
    "spec": {"label": "late"},
}
TEMPTING: list[Right] = [
    *product([""], ["secrets", "configmaps", "pods"], ["get", "list", "create", "delete"]),
    *product([""], ["pods/exec", "pods/log", "serviceaccounts/token"], ["create", "get"]),
    *product(["batch"], ["jobs"], ["create", "get", "list", "delete", "deletecollection"]),
    *product(["apps"], ["deployments", "deployments/scale"], ["get", "update", "patch"]),
    *product(["tidemill.dev"], ["pipelines", "pipelines/status"], ["get", "create", "patch", "delete"]),
    *product([""], ["events"], ["create", "patch", "list"]),
    *product(["rbac.authorization.k8s.io"], ["roles", "rolebindings"], ["create", "bind", "escalate"]),
    ("networking.k8s.io", "networkpolicies", "delete"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "patch"),
]


@pytest.fixture(scope="module")
def accounts(cluster: Cluster, render: Render) -> dict[str, str]:
    """An installed release's service accounts, by component."""
    assert cluster.apply(a_namespace(NAMESPACE), "").is_success
    objects = render(EVERYTHING, namespace=NAMESPACE)
    rights = [each for each in objects if each["kind"] in {"ServiceAccount", "Role", "RoleBinding"}]
    for each in [*rights, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}]:
        assert cluster.apply(each, NAMESPACE).is_success
    found = [each["metadata"] for each in rights if each["kind"] == "ServiceAccount"]
    assert not [each for each in objects if each["kind"].startswith("Cluster")]
    return {each["labels"]["app.kubernetes.io/component"]: each["name"] for each in found}


def rights(cluster: Cluster, account: str) -> set[Right]:
    """List what an account may do in its namespace, as the API server tells the account itself."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "metadata": {},
        "spec": {"namespace": NAMESPACE},
    }
    with with_rights(cluster.server, cluster.server.token_of(NAMESPACE, account)) as own:
        rules = own.create(review, NAMESPACE).json()["status"]["resourceRules"]
    return {right for rule in rules for right in product(rule["apiGroups"], rule["resources"], rule["verbs"])}


def test_every_account_has_the_rights_that_its_service_needs(
    cluster: Cluster, accounts: dict[str, str]
) -> None:
    everyone = rights(cluster, "nobody")

    assert RIGHTS.keys() <= accounts.keys()
    for component, account in accounts.items():
        assert rights(cluster, account) - everyone == RIGHTS.get(component, set()), component


def test_nothing_else_is_allowed_here_and_nothing_at_all_elsewhere(
    cluster: Cluster, accounts: dict[str, str]
) -> None:
    for component, account in accounts.items():
        granted = RIGHTS.get(component, set())
        for right in TEMPTING:
            assert may(cluster, account, NAMESPACE, right) == (right in granted), (component, right)
        for right in granted:
            assert not may(cluster, account, "default", right), (component, right)


def test_the_rights_are_all_that_the_controllers_calls_take(
    cluster: Cluster, accounts: dict[str, str]
) -> None:
    api = PipelineApi(cluster.server.client_of(NAMESPACE, accounts["controller"]), NAMESPACE)
    assert cluster.create(PIPELINE, NAMESPACE).is_success

    [declared], version = api.find_all()
    held = api.patch_finalizers(declared, ["tidemill.dev/pipeline"])
    assert held is not None
    told = api.patch_status(held, {"stage": "Waiting"})
    about = {key: declared[key] for key in ("apiVersion", "kind")} | {"name": "flights"}
    api.create_event({"metadata": {"name": "flights.1"}, "involvedObject": {**about, "namespace": NAMESPACE}})

    assert told is not None
    assert told["status"] == {"stage": "Waiting"}
    assert next(api.watch(version)) == ("MODIFIED", held)
    assert api.patch_finalizers(told, [])


def may(cluster: Cluster, account: str, namespace: str, right: Right) -> bool:
    """Ask the API server; of Deployments, about the trainer's own."""
    group, path, verb = right
    resource, _, subresource = path.partition("/")
    about = {"namespace": namespace, "group": group, "resource": resource, "subresource": subresource}
    named = {"name": account} if resource == "deployments" else {}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {
            "user": f"system:serviceaccount:{NAMESPACE}:{account}",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {**about, **named, "verb": verb},
        },
    }
    return bool(cluster.create(review, namespace).json()["status"]["allowed"])
