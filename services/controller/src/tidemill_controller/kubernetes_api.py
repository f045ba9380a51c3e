"""The calls to Kubernetes that the controller makes: its role in the chart allows just these."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from kubernetes import config
from kubernetes.client import ApiClient, CoreV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException
from kubernetes.watch import Watch

from tidemill_controller import metrics

GROUP, VERSION, PLURAL = "tidemill.dev", "v1", "pipelines"
CALL_SECONDS = 10
# The server ends a watch after this time, and it is begun anew where it ended.
WATCH_SECONDS = 60
MERGE_PATCH = "application/merge-patch+json"

Resource = dict[str, Any]


class PipelineApi:
    """Pipelines of one namespace, and events about them. Raises ApiException, or urllib3's HTTPError."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self._client = client
        self._objects, self._core = CustomObjectsApi(client), CoreV1Api(client)
        self._place = (GROUP, VERSION, namespace, PLURAL)

    def find_all(self, limit: int | None = None) -> tuple[list[Resource], str]:
        """Return every pipeline, and the version from which to watch."""
        found: Any = self._objects.list_namespaced_custom_object(
            *self._place, limit=limit, _request_timeout=CALL_SECONDS
        )
        return found["items"], found["metadata"]["resourceVersion"]

    def watch(self, version: str) -> Iterator[tuple[str, Resource]]:
        """Yield changes after a version as their type and the object, for as long as the server does.

        The end of a watch is normal. Raises ApiException of status 410 when the version is too old.
        """
        changes = Watch().stream(  # type: ignore[no-untyped-call]
            self._objects.list_namespaced_custom_object,
            *self._place,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=WATCH_SECONDS,
            _request_timeout=(CALL_SECONDS, WATCH_SECONDS + CALL_SECONDS),
        )
        return ((change["type"], change["object"]) for change in changes if change)

    def patch_finalizers(self, pipeline: Resource, finalizers: list[str]) -> Resource | None:
        """Replace the finalizers of a pipeline as it was seen; None when it is gone. 409 when it changed."""
        seen = pipeline["metadata"]["resourceVersion"]
        metadata = {"resourceVersion": seen, "finalizers": finalizers}
        patch = self._objects.patch_namespaced_custom_object
        return self._patch("finalizer", patch, pipeline, metadata=metadata)

    def patch_status(self, pipeline: Resource, status: Mapping[str, Any]) -> Resource | None:
        """Change a pipeline's status; None when it is gone. What is None is removed."""
        patch = self._objects.patch_namespaced_custom_object_status
        return self._patch("status", patch, pipeline, status=status)

    def create_event(self, event: Resource, *, dry_run: bool = False) -> None:
        """Create an event; one of its name that exists stays as it is."""
        body: Any = event  # the client takes plain documents as well
        try:
            self._core.create_namespaced_event(
                self.namespace, body, dry_run="All" if dry_run else None, _request_timeout=CALL_SECONDS
            )
        except ApiException as error:
            if error.status != HTTPStatus.CONFLICT:
                metrics.WRITES.labels("event", "refused").inc()
                raise
        else:
            metrics.WRITES.labels("event", "written").inc()

    def _patch(self, kind: str, patch: Any, pipeline: Resource, **body: Any) -> Resource | None:
        try:
            patched: Resource = patch(
                *self._place,
                pipeline["metadata"]["name"],
                body,
                _content_type=MERGE_PATCH,
                _request_timeout=CALL_SECONDS,
            )
        except ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            metrics.WRITES.labels(kind, "refused").inc()
            raise
        metrics.WRITES.labels(kind, "written").inc()
        return patched


def in_cluster() -> ApiClient:
    """Open a client with this pod's own service account."""
    config.load_incluster_config()  # type: ignore[no-untyped-call]
    return ApiClient()
