"""The pipelines of a namespace as they were last seen: listed once, and watched from there on."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from kubernetes.client.exceptions import ApiException

from tidemill_controller import metrics
from tidemill_controller.kubernetes_api import PipelineApi, Resource
from tidemill_runtime.logs import get_logger

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0


class ResourceCache:
    """Follows the API server in a thread of its own; whatever happens to a watch, it lists anew."""

    def __init__(self, api: PipelineApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._seen: dict[str, Resource] = {}
        self._trouble = "not listed yet"

    def all(self) -> list[Resource]:
        """Return every pipeline, in order of their names; none before the first list."""
        with self._lock:
            return [self._seen[name] for name in sorted(self._seen)]

    def put(self, resource: Resource) -> None:
        """Take in what a call returned, unless something newer was seen."""
        with self._lock:
            name = resource["metadata"]["name"]
            if name in self._seen and _version(resource) >= _version(self._seen[name]):
                self._seen[name] = resource

    def check(self) -> None:
        """Raise when changes are not noticed at present."""
        if self._trouble:
            raise RuntimeError(f"expected a watch on pipelines of {self._api.namespace}: {self._trouble}")

    def follow(self, changed: Callable[[], None], stop: threading.Event) -> None:
        """List and watch until `stop` is set; call `changed` after every change."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            try:
                version = self._list(changed)
                pause_seconds = FIRST_PAUSE_SECONDS
                while not stop.is_set():
                    version = self._watch(version, changed)
            except Exception as error:  # noqa: BLE001 - the thread's boundary: a new list is right after all
                expired = isinstance(error, ApiException) and error.status == HTTPStatus.GONE
                metrics.RELISTS.labels("expired" if expired else "failed").inc()
                if not expired:
                    self._trouble = repr(error)
                    get_logger().warning("watch-failed", error=repr(error), pause_seconds=pause_seconds)
            stop.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def _list(self, changed: Callable[[], None]) -> str:
        resources, version = self._api.find_all()
        with self._lock:
            self._seen = {resource["metadata"]["name"]: resource for resource in resources}
        self._trouble = ""
        changed()
        return version

    def _watch(self, version: str, changed: Callable[[], None]) -> str:
        for kind, resource in self._api.watch(version):
            version = resource["metadata"]["resourceVersion"]
            if kind != "BOOKMARK":
                self._take(kind, resource)
                changed()
        return version

    def _take(self, kind: str, resource: Resource) -> None:
        with self._lock:
            if kind == "DELETED":
                self._seen.pop(resource["metadata"]["name"], None)
            else:
                self._seen[resource["metadata"]["name"]] = resource


def _version(resource: Resource) -> int:
    version: Any = resource["metadata"]["resourceVersion"]
    return int(version)
