"""Every pipeline's deployment: written to the bucket first, and remembered here.

One process is to write them. Should there be two, each takes over what the other wrote, and decides by that.
"""

import threading
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import ValidationError

from tidemill_contracts import layout
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_serving.deployment import Deployment
from tidemill_serving.errors import NotNow


@dataclass(frozen=True)
class _Known:
    """A deployment, and how it is written."""

    deployment: Deployment
    text: bytes


class Deployments:
    """Read when first asked for. Whoever writes, or takes over, does so alone; anybody may look meanwhile."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read: dict[str, _Known] | None = None

    def all(self) -> list[Deployment]:
        """Return every deployment, in order of the pipelines' names."""
        known = self._known()
        return [known[pipeline].deployment for pipeline in sorted(known)]

    def wanted(self) -> list[Deployment]:
        """Return those that have something to serve."""
        return [deployment for deployment in self.all() if deployment.stable]

    def get(self, pipeline: str) -> Deployment:
        """Return one deployment; one that was never written has nothing deployed."""
        known = self._known().get(pipeline)
        return known.deployment if known else Deployment(pipeline=pipeline)

    def put(self, deployment: Deployment) -> None:
        """Replace a deployment; from here on a restart knows it.

        Raises NotNow when another process has written it meanwhile, and knows what that wrote from then on.
        """
        pipeline, text = deployment.pipeline, deployment.model_dump_json().encode()
        if self.take_over(pipeline):
            raise NotNow(f"expected to decide alone on {pipeline}, another process did as well")
        self._store.write(layout.deployment(pipeline), text)
        self._read = {**self._known(), pipeline: _Known(deployment, text)}

    def of_others(self) -> list[str]:
        """Name the pipelines whose deployments seem to be written by another process."""
        return [pipeline for pipeline in self._names() if self._find_other(pipeline)]

    def take_over(self, pipeline: str) -> bool:
        """Know from now on what another process wrote; say whether one did."""
        found = self._find_other(pipeline)
        if found is not None:
            get_logger().warning("deployment-of-another-process", pipeline=pipeline)
            self._read = {**self._known(), pipeline: found}
        return found is not None

    def _find_other(self, pipeline: str) -> _Known | None:
        known = self._known().get(pipeline)
        try:
            found = self._find(pipeline)
        except ValidationError as error:
            # It is written anew with the next decision.
            get_logger().warning("deployment-unreadable", pipeline=pipeline, error=str(error))
            return None
        return None if known and found and known.text == found.text else found

    def _known(self) -> dict[str, _Known]:
        with self._lock:
            if self._read is None:
                found = {pipeline: self._find(pipeline) for pipeline in self._names()}
                self._read = {pipeline: known for pipeline, known in found.items() if known}
            return self._read

    def _names(self) -> list[str]:
        return [
            PurePosixPath(name).stem for name in self._store.list(layout.deployment("").removesuffix(".json"))
        ]

    def _find(self, pipeline: str) -> _Known | None:
        try:
            text = self._store.read(layout.deployment(pipeline))
        except ObjectNotFound:
            return None
        return _Known(Deployment.model_validate_json(text), text)
