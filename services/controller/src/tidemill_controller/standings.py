"""What the controller remembers of each pipeline, in the bucket: one process writes, in several threads."""

import threading
import uuid
from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from tidemill_contracts import layout
from tidemill_controller.facts import Facts
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectStore


class Clock(BaseModel):
    """A schedule, and the time up to which it was kept."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schedule: str
    time_zone: str
    kept_until: datetime


class Standing(BaseModel):
    """One pipeline. `identity` tells this life of its name from others.

    `is_provisional`: it was made up here, and gives way to the first one that is given. `began` is no later
    than this life did; None where that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    identity: str
    is_provisional: bool = False
    began: datetime | None = None
    facts: Facts = ()
    clock: Clock | None = None


class Standings:
    """Read once, when first asked for: from then on what is written here is what there is."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._read: dict[str, Standing] | None = None

    def all(self) -> dict[str, Standing]:
        """Return every pipeline that is known, by name."""
        with self._lock:
            return dict(self._known())

    def get(self, pipeline: str) -> Standing | None:
        """Return one pipeline; None when it is not known."""
        with self._lock:
            return self._known().get(pipeline)

    def know(self, pipeline: str, identity: str = "", began: datetime | None = None) -> Standing:
        """Remember a pipeline from now on; one that is known stays, unless this is another life."""
        with self._lock:
            standing = self._known().get(pipeline) or _provisional(began)
            if identity and identity != standing.identity:
                given = {"identity": identity, "is_provisional": False}
                fresh = Standing(identity=identity, began=began)
                standing = standing.model_copy(update=given) if standing.is_provisional else fresh
            self._put(pipeline, standing)
            return standing

    def change(self, pipeline: str, change: Callable[[Standing], Standing]) -> bool:
        """Write a known pipeline anew, if it changes; say whether it did."""
        with self._lock:
            before = self._known().get(pipeline)
            return before is not None and self._put(pipeline, change(before))

    def forget(self, pipeline: str) -> None:
        """Know a pipeline no more."""
        with self._lock:
            self._store.delete(layout.pipeline_standing(pipeline))
            self._known().pop(pipeline, None)

    def _put(self, pipeline: str, standing: Standing) -> bool:
        if self._known().get(pipeline) == standing:
            return False
        self._store.write(layout.pipeline_standing(pipeline), standing.model_dump_json().encode())
        self._known()[pipeline] = standing
        return True

    def _known(self) -> dict[str, Standing]:
        if self._read is None:
            names = self._store.list(layout.pipeline_standing("").removesuffix(".json"))
            self._read = {name.rpartition("/")[2].removesuffix(".json"): self._load(name) for name in names}
        return self._read

    def _load(self, name: str) -> Standing:
        try:
            return Standing.model_validate_json(self._store.read(name))
        except ValidationError as error:
            get_logger().warning("standing-unreadable", object=name, error=str(error))
            return _provisional(None)


def _provisional(began: datetime | None) -> Standing:
    return Standing(identity=uuid.uuid4().hex, is_provisional=True, began=began)
