"""The release of a model version: load, verify, switch, and keep it so.

The bucket holds what is wanted. A reconciliation holds the model server to it, whoever restarts.
"""

import threading

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_contracts.pb.routes_pb2 import Route
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectStore
from tidemill_serving.deployment import Deployment, Deployments
from tidemill_serving.errors import ModelServerAway, Unservable
from tidemill_serving.model_server import AVAILABLE, ModelConfig, ModelServer
from tidemill_serving.routes import RouteBoard

STABLE = "stable"


class Releases:
    """Every deployment, the model server that carries them, and the board that gateways read."""

    def __init__(self, store: ObjectStore, model_server: ModelServer, board: RouteBoard) -> None:
        self._store = store
        self._deployments = Deployments(store)
        self._model_server = model_server
        self._board = board
        # What the model server is told is always the whole configuration: one change at a time.
        self._lock = threading.Lock()

    def release(self, manifest: ModelManifest) -> Deployment:
        """Deploy a blessed version, or withdraw it; return the deployment that says which.

        A version already decided on stays as decided. Raises ModelServerAway when the server does not answer.
        """
        with self._lock:
            deployment = self._deployments.get(manifest.pipeline)
            if not deployment.decided(manifest.version):
                deployment = self._decide(deployment, manifest)
                self._deployments.put(deployment)
            self._reconcile()
            return deployment

    def reconcile(self) -> None:
        """Hold the model server to what is wanted, and tell gateways what can be asked."""
        with self._lock:
            self._reconcile()

    def _decide(self, deployment: Deployment, manifest: ModelManifest) -> Deployment:
        pipeline, version = manifest.pipeline, manifest.version
        if deployment.stable is not None and deployment.stable.version > version:
            reason = Reason(code="superseded", message=f"version {deployment.stable.version} serves already")
            return deployment.withdraw(version, reason)
        candidate = self._config(deployment, candidate=version)
        self._model_server.configure([candidate, *map(self._config, self._wanted(except_for=pipeline))])
        try:
            self._model_server.await_available(pipeline, version)
            self._model_server.verify(pipeline, version, manifest.golden)
        except Unservable as error:
            return deployment.withdraw(version, Reason(code=error.code, message=error.message))
        return deployment.promote(version, manifest.model_id)

    def _reconcile(self) -> None:
        wanted = self._wanted()
        missing = [
            (deployment.pipeline, version)
            for deployment in wanted
            for version in set(deployment.versions()) - self._loaded(deployment.pipeline)
        ]
        # Labels may only point at loaded versions: where one is missing, the versions come first.
        self._configure(wanted)
        for pipeline, version in missing:
            self._await(pipeline, version)
        if missing:
            self._configure(wanted)
        self._board.show(self._routes(wanted))

    def _configure(self, wanted: list[Deployment]) -> None:
        configs = [self._config(deployment) for deployment in wanted]
        if any(not self._model_server.holds(config) for config in configs):
            self._model_server.configure(configs)

    def _await(self, pipeline: str, version: int) -> None:
        try:
            self._model_server.await_available(pipeline, version)
        except Unservable as error:
            get_logger().error("deployed-version-unavailable", pipeline=pipeline, error=str(error))

    def _wanted(self, *, except_for: str | None = None) -> list[Deployment]:
        deployments = self._deployments.all()
        return [each for each in deployments if each.stable and each.pipeline != except_for]

    def _loaded(self, pipeline: str) -> set[int]:
        states = self._model_server.states(pipeline)
        return {version for version, (state, _) in states.items() if state == AVAILABLE}

    def _config(self, deployment: Deployment, candidate: int | None = None) -> ModelConfig:
        stable = deployment.stable.version if deployment.stable else None
        loaded = self._loaded(deployment.pipeline)
        return ModelConfig(
            name=deployment.pipeline,
            base_path=self._store.uri(layout.model_base(deployment.pipeline)),
            versions=tuple(sorted({*deployment.versions(), *([candidate] if candidate else [])})),
            labels={STABLE: stable} if stable in loaded and stable is not None else {},
        )

    def _routes(self, wanted: list[Deployment]) -> list[Route]:
        routes = []
        for deployment in wanted:
            loaded = self._loaded(deployment.pipeline)
            if deployment.stable and deployment.stable.version in loaded:
                routes.append(
                    Route(
                        model=deployment.pipeline,
                        address=self._model_server.address,
                        stable_version=deployment.stable.version,
                        loaded_versions=sorted(loaded & set(deployment.versions())),
                        labels={STABLE: deployment.stable.version},
                    )
                )
        return routes


def keep_reconciled(releases: Releases, stop: threading.Event, every_seconds: float) -> None:
    """Reconcile again and again until `stop` is set; a model server that is away is tried later."""
    while not stop.is_set():
        try:
            releases.reconcile()
        except ModelServerAway as error:
            get_logger().warning("model-server-away", error=str(error))
        except Exception:  # noqa: BLE001 - the thread's boundary: whatever it was, the next turn may do better
            get_logger().exception("reconcile-failed")
        stop.wait(every_seconds)
