"""Pipelines as custom resources in a real API server, seen with the rights that the chart gives alone."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml
from controller_world import World
from kube_apiserver import KubeApiServer
from kubernetes.client import ApiClient, CoreV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from kubernetes.utils import create_from_dict

from tidemill_controller.kubernetes_api import PipelineApi
from tidemill_controller.resources import ResourceDeclarations

CRD = Path(__file__).parents[3] / "k8s" / "crds" / "pipelines.tidemill.dev.yaml"
PLACE = ("tidemill.dev", "v1")
ACCOUNT = "controller"
RULES = (
    {"apiGroups": ["tidemill.dev"], "resources": ["pipelines"], "verbs": ["list", "watch", "patch"]},
    {"apiGroups": ["tidemill.dev"], "resources": ["pipelines/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
)
NAMESPACES = itertools.count(1)

Resource = dict[str, Any]


class KubernetesWorld(World):
    """A namespace of its own, whose pipelines a controller watches."""

    def __init__(self, folder: Path, server: KubeApiServer) -> None:
        self.admin = server.client()
        self.namespace = f"world-{next(NAMESPACES)}"
        create_rights(self.admin, self.namespace)
        self.api = PipelineApi(server.client_of(self.namespace, ACCOUNT), self.namespace)
        self.objects = CustomObjectsApi(self.admin)
        self.stop = threading.Event()
        super().__init__(folder)

    def open_declarations(self) -> ResourceDeclarations:
        self.stop.set()
        self.stop = threading.Event()
        self.resources = ResourceDeclarations(self.api, self.store, lambda: self.now)
        self.resources.watch(lambda: None, self.stop)
        return self.resources

    def declare(self, name: str, spec: str) -> None:
        if self.is_gone(name):
            body = pipeline(name, spec)
            self.objects.create_namespaced_custom_object(*PLACE, self.namespace, "pipelines", body)
        else:
            body = {**self.get(name), "spec": yaml.safe_load(spec)}
            self.objects.replace_namespaced_custom_object(*PLACE, self.namespace, "pipelines", name, body)

    def delete(self, name: str) -> None:
        self.objects.delete_namespaced_custom_object(*PLACE, self.namespace, "pipelines", name)

    def get(self, name: str) -> Resource:
        found: Any = self.objects.get_namespaced_custom_object(*PLACE, self.namespace, "pipelines", name)
        return dict(found)

    def is_gone(self, name: str) -> bool:
        try:
            self.get(name)
        except ApiException as error:
            return bool(error.status == HTTPStatus.NOT_FOUND)
        return False

    def status(self, name: str) -> Resource:
        return dict(self.get(name).get("status", {}))

    def condition(self, name: str, kind: str) -> Resource:
        conditions = self.status(name).get("conditions", ())
        return next((dict(each) for each in conditions if each["type"] == kind), {})

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """Return type, reason and message of what `kubectl describe` lists."""
        about = f"involvedObject.name={name},involvedObject.uid={self.get(name)['metadata']['uid']}"
        found = CoreV1Api(self.admin).list_namespaced_event(self.namespace, field_selector=about)
        return sorted((each.type or "", each.reason or "", each.message or "") for each in found.items)


def pipeline(name: str, spec: str) -> Resource:
    """Write a pipeline as a person does."""
    return {
        "apiVersion": "tidemill.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": yaml.safe_load(spec),
    }


def install(server: KubeApiServer) -> None:
    """Make the API server know pipelines."""
    create_from_dict(server.client(), yaml.safe_load(CRD.read_text()))  # type: ignore[no-untyped-call]


def create_rights(admin: ApiClient, namespace: str) -> None:
    """Create a namespace, and the controller's account in it."""
    named = {"metadata": {"name": ACCOUNT, "namespace": namespace}}
    role = {"kind": "Role", "name": ACCOUNT, "apiGroup": "rbac.authorization.k8s.io"}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    rbac = "rbac.authorization.k8s.io/v1"
    for each in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", **named},
        {"apiVersion": rbac, "kind": "Role", **named, "rules": list(RULES)},
        {"apiVersion": rbac, "kind": "RoleBinding", **named, "roleRef": role, "subjects": [subject]},
    ):
        create_from_dict(admin, each)  # type: ignore[no-untyped-call]


@contextmanager
def watching(world: KubernetesWorld) -> Iterator[KubernetesWorld]:
    """End the world's watch in the end."""
    try:
        yield world
    finally:
        world.stop.set()
