"""Objects in a Kubernetes API server, as plain documents over HTTP."""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from kube_apiserver import ADMIN, KubeApiServer

Manifest = dict[str, Any]

CALL_SECONDS = 20
STRICT = {"fieldValidation": "Strict"}


@dataclass(frozen=True)
class Cluster:
    """An API server and someone's rights in it."""

    server: KubeApiServer
    http: httpx.Client
    _plurals: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)

    def apply(self, manifest: Manifest, namespace: str) -> httpx.Response:
        """Apply an object as `kubectl apply --server-side` does; unknown fields are refused."""
        path = f"{self.folder(manifest, namespace)}/{manifest['metadata']['name']}"
        options = {**STRICT, "fieldManager": "tests"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self.http.patch(path, content=json.dumps(manifest), params=options, headers=headers)

    def create(self, manifest: Manifest, namespace: str, **options: str) -> httpx.Response:
        """Create an object; unknown fields are refused."""
        return self.http.post(self.folder(manifest, namespace), json=manifest, params={**STRICT, **options})

    def folder(self, manifest: Mapping[str, Any], namespace: str) -> str:
        """Say where objects of this kind are; raise KeyError when the server knows no such kind."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if (version, kind) not in self._plurals:
            known = self.http.get(root).json().get("resources", [])
            self._plurals.update(
                {
                    (version, each["kind"]): (each["name"], each["namespaced"])
                    for each in known
                    if "/" not in each["name"]
                }
            )
        plural, is_namespaced = self._plurals[version, kind]
        return f"{root}/namespaces/{namespace}/{plural}" if is_namespaced else f"{root}/{plural}"


@contextmanager
def with_rights(server: KubeApiServer, token: str = ADMIN) -> Iterator[Cluster]:
    """Open a cluster with the rights of a token, by default with every right."""
    trusted = ssl.create_default_context(cafile=str(server.certificate))
    headers = {"Authorization": f"Bearer {token}"}
    url = f"https://127.0.0.1:{server.port}"
    with httpx.Client(base_url=url, verify=trusted, headers=headers, timeout=CALL_SECONDS) as http:
        yield Cluster(server, http)


def a_namespace(name: str) -> Manifest:
    """Describe a namespace in which Kubernetes warns of every workload that is not restricted."""
    labels = {"pod-security.kubernetes.io/warn": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
