"""Pipelines declared as custom resources of one namespace; their specs are copied to the bucket."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import yaml
from kubernetes.client.exceptions import ApiException

from tidemill_contracts import layout
from tidemill_controller import resource_events
from tidemill_controller.declarations import Declaration, Report
from tidemill_controller.kubernetes_api import GROUP, VERSION, PipelineApi, Resource
from tidemill_controller.resource_cache import ResourceCache
from tidemill_controller.resource_events import Notice, event_of
from tidemill_controller.resource_status import Status, held_up, shown, status_of, utc_now
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

HEADER = "# Copied from the resource {namespace}/{name}; change that, not this."
FINALIZER = "tidemill.dev/pipeline"
# Between two writes of one status; what changes meanwhile is written at the next look.
STATUS_SECONDS = 1.0
# Between two looks at a spec in the bucket, which nobody should have changed there.
VERIFY_SECONDS = 30.0


@dataclass
class _Told:
    """What this process did for one resource. `notices` are None once they were told."""

    declaration: Declaration | None = None
    status: Status | None = None
    written_at: float = float("-inf")
    verified: tuple[bytes, float] = (b"", float("-inf"))
    notices: dict[str, Notice | None] = field(default_factory=dict)

    def hear(self, notices: Iterable[Notice]) -> None:
        """Take in what is to be told now; what was told, and is no news any more, is forgotten."""
        waiting = {key: notice for key, notice in self.notices.items() if notice is not None}
        now = {each.key: self.notices.get(each.key, each) for each in notices}
        self.notices = {**waiting, **now}


class ResourceDeclarations:
    """Holds a finalizer on every pipeline whose spec was in force, so that its end is not missed."""

    def __init__(self, api: PipelineApi, store: ObjectStore, now: Callable[[], datetime] = utc_now) -> None:
        self._api = api
        self._store = store
        self._now = now
        self._cache = ResourceCache(api)
        self._told: dict[str, _Told] = {}
        self._look_soon: Callable[[], None] = lambda: None

    def watch(self, changed: Callable[[], None], stop: threading.Event) -> None:
        self._look_soon = changed
        threading.Thread(
            target=self._cache.follow, args=(changed, stop), name="watch-pipelines", daemon=True
        ).start()

    def all(self) -> Sequence[Declaration]:
        resources = self._cache.all()
        uids = {resource["metadata"]["uid"] for resource in resources}
        self._told = {uid: self._told.get(uid) or _Told() for uid in uids}
        return [self._declared(resource) for resource in resources if not _is_let_go(resource)]

    def enforce(self, declaration: Declaration) -> None:
        resource, told = self._find(declaration)
        if resource is None or "deletionTimestamp" in resource["metadata"]:
            return
        finalizers = _finalizers(resource)
        if FINALIZER not in finalizers and not self._keep(resource, [*finalizers, FINALIZER]):
            return
        text, verified_at = told.verified
        if text != declaration.text or time.monotonic() - verified_at > VERIFY_SECONDS:
            self._put_in_force(declaration)
            told.verified = (declaration.text, time.monotonic())

    def retract(self, declaration: Declaration) -> None:
        self._store.delete(layout.pipeline_spec(declaration.name))

    def forget(self, declaration: Declaration) -> None:
        resource, _ = self._find(declaration)
        if resource is not None and FINALIZER in _finalizers(resource):
            self._keep(resource, [each for each in _finalizers(resource) if each != FINALIZER])

    def show(self, declaration: Declaration, report: Report) -> None:
        resource, told = self._find(declaration)
        if resource is None:
            return
        now, before = self._now(), _status(resource, told)
        status = status_of(report, declaration.generation, before, now)
        notices = list(resource_events.of_facts(report, now))
        if _verdict(status) != _verdict(before):
            notices.append(resource_events.of_spec(report, declaration.generation, now))
        told.hear(notices)
        if shown(status) != shown(before):
            self._write(resource, told, status)
        self._tell(resource, told)

    def show_held_up(self, declaration: Declaration, why: str) -> None:
        resource, told = self._find(declaration)
        if resource is None:
            return
        before = _status(resource, told)
        status = held_up(why, before, self._now())
        if status["message"] != before.get("message"):
            self._write(resource, told, status)
        told.hear([resource_events.of_deletion(status["message"], self._now())])
        self._tell(resource, told)

    def is_closing(self) -> bool:
        """Say whether the namespace is being deleted: it takes nothing new then, and says so."""
        if not self._cache.all():
            return False
        try:
            self._api.create_event(resource_events.probe(self._cache.all()[0]), dry_run=True)
        except ApiException as error:
            return "NamespaceTerminating" in str(error.body)
        return False

    def check_ready(self) -> None:
        self._cache.check()
        self._api.find_all(limit=1)

    def _declared(self, resource: Resource) -> Declaration:
        """Write the declaration only when it changed: YAML takes its time."""
        metadata, told = resource["metadata"], self._told[resource["metadata"]["uid"]]
        state = (metadata.get("generation", 0), "deletionTimestamp" in metadata)
        known = told.declaration
        if known is None or (known.generation, known.is_deleted) != state:
            known = told.declaration = _declaration(resource)
        return known

    def _find(self, declaration: Declaration) -> tuple[Resource | None, _Told]:
        """Return the resource as it was last seen, None when this life of its name is over."""
        told = self._told.setdefault(declaration.identity, _Told())
        of_name = (each for each in self._cache.all() if each["metadata"]["uid"] == declaration.identity)
        return next(of_name, None), told

    def _keep(self, resource: Resource, finalizers: list[str]) -> bool:
        patched = self._api.patch_finalizers(resource, finalizers)
        if patched is not None:
            self._cache.put(patched)
        return patched is not None

    def _put_in_force(self, declaration: Declaration) -> None:
        name = layout.pipeline_spec(declaration.name)
        try:
            present = self._store.read(name)
        except ObjectNotFound:
            present = b""
        if present != declaration.text:
            self._store.write(name, declaration.text)
            get_logger().info("spec-in-force", pipeline=declaration.name, generation=declaration.generation)

    def _write(self, resource: Resource, told: _Told, status: Status) -> None:
        if time.monotonic() - told.written_at < STATUS_SECONDS:
            self._look_soon()
            return
        patched = self._api.patch_status(resource, status)
        told.status, told.written_at = status, time.monotonic()
        if patched is not None:
            self._cache.put(patched)

    def _tell(self, resource: Resource, told: _Told) -> None:
        for key, notice in told.notices.items():
            if notice is not None:
                self._api.create_event(event_of(resource, notice))
                told.notices[key] = None


def _declaration(resource: Resource) -> Declaration:
    metadata = resource["metadata"]
    document = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Pipeline",
        "metadata": {"name": metadata["name"]},
        "spec": resource.get("spec"),
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return Declaration(
        name=metadata["name"],
        identity=metadata["uid"],
        text=f"{HEADER.format(**metadata)}\n{text}".encode(),
        generation=metadata.get("generation", 0),
        is_deleted="deletionTimestamp" in metadata,
    )


def _is_let_go(resource: Resource) -> bool:
    """Whether a resource is being deleted, and nothing of it is left to do here."""
    return "deletionTimestamp" in resource["metadata"] and FINALIZER not in _finalizers(resource)


def _finalizers(resource: Resource) -> list[str]:
    return list(resource["metadata"].get("finalizers", ()))


def _status(resource: Resource, told: _Told) -> Status:
    return told.status if told.status is not None else resource.get("status") or {}


def _verdict(status: Status) -> tuple[object, object] | None:
    """What a status says of the spec, and of which generation."""
    accepted = (each for each in status.get("conditions", ()) if each["type"] == "Accepted")
    return next(((each["status"], each.get("observedGeneration")) for each in accepted), None)
