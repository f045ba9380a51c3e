"""Every pipeline's deployment: written to the bucket first, and remembered here. One process writes them."""

import threading

from tidemill_contracts import layout
from tidemill_runtime.objects import ObjectStore
from tidemill_serving.deployment import Deployment


class Deployments:
    """Read once, when first asked for: from then on what is written here is what there is."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read: dict[str, Deployment] | None = None

    def all(self) -> list[Deployment]:
        """Return every deployment, in order of the pipelines' names."""
        known = self._known()
        return [known[pipeline] for pipeline in sorted(known)]

    def get(self, pipeline: str) -> Deployment:
        """Return one deployment; one that was never written has nothing deployed."""
        return self._known().get(pipeline) or Deployment(pipeline=pipeline)

    def put(self, deployment: Deployment) -> None:
        """Replace a deployment; from here on a restart knows it."""
        self._known()
        self._store.write(layout.deployment(deployment.pipeline), deployment.model_dump_json().encode())
        with self._lock:
            self._read = {**(self._read or {}), deployment.pipeline: deployment}

    def _known(self) -> dict[str, Deployment]:
        with self._lock:
            if self._read is None:
                names = self._store.list(layout.deployment("").removesuffix(".json"))
                read = (Deployment.model_validate_json(self._store.read(name)) for name in names)
                self._read = {deployment.pipeline: deployment for deployment in read}
            return self._read
