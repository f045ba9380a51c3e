"""Which versions one model server holds: tried out before they serve, and held to what is wanted."""

from collections.abc import Sequence

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectStore
from tidemill_serving.announcing import label_of
from tidemill_serving.deployment import Deployment
from tidemill_serving.errors import ModelServerBusy, Unservable
from tidemill_serving.model_server import AVAILABLE, LOAD_FAILED, ModelConfig, ModelServer

STABLE = "stable"


class Loading:
    """Tells a model server what to load, which is always the whole configuration."""

    def __init__(self, store: ObjectStore, model_server: ModelServer) -> None:
        self.address = model_server.address
        self._store = store
        self._model_server = model_server
        self._loaded: dict[str, frozenset[int]] | None = None
        self._seen: dict[str, frozenset[int]] = {}

    @property
    def is_known(self) -> bool:
        """Whether the model server was ever held to what is wanted: before, nothing can be told of it."""
        return self._loaded is not None

    def loaded(self, pipeline: str) -> frozenset[int]:
        """Return the versions that could answer when the model server was last held to what is wanted.

        Not while it is at that: a model server that has just restarted is about to get its models back.
        Of one that was never held to it, those that can answer.
        """
        loaded = self._seen if self._loaded is None else self._loaded
        return loaded.get(pipeline, frozenset())

    def seen(self, pipeline: str) -> frozenset[int]:
        """Return the versions that can answer by the last look, also while others are being loaded."""
        return self._seen.get(pipeline, frozenset())

    @property
    def size(self) -> int:
        """How many versions could answer by the last look."""
        return sum(map(len, self._seen.values()))

    def look(self, wanted: Sequence[Deployment]) -> None:
        """See which versions can answer, and change nothing."""
        self._seen = {deployment.pipeline: self._look(deployment.pipeline) for deployment in wanted}

    def try_out(self, manifest: ModelManifest, wanted: Sequence[Deployment]) -> Reason | None:
        """Load a version beside those that are wanted, and ask it golden rows; return what was wrong.

        Raises ModelServerBusy when the server has not come to it, as it is still at something else.
        """
        pipeline, version = manifest.pipeline, manifest.version
        others = [deployment for deployment in wanted if deployment.pipeline != pipeline]
        own = next((each for each in wanted if each.pipeline == pipeline), Deployment(pipeline=pipeline))
        try:
            self._model_server.configure([self._config(own, candidate=version), *map(self._config, others)])
            self._model_server.await_available(pipeline, version)
            self._model_server.verify(pipeline, version, manifest.golden)
        except Unservable as error:
            return Reason(code=error.code, message=error.message)
        except ModelServerBusy as error:
            if version not in self._model_server.states(pipeline):
                raise
            return Reason(code=LOAD_FAILED, message=str(error))
        if self._loaded is not None:
            self._loaded = {**self._loaded, pipeline: self._look(pipeline)}
        return None

    def hold(self, wanted: Sequence[Deployment]) -> None:
        """Have every wanted version loaded and labelled; what is not wanted is unloaded.

        A server that is still at something else is told again later.
        """
        try:
            self._load(wanted)
        except ModelServerBusy as error:
            get_logger().warning("model-server-busy", address=self.address, error=str(error))
        self.look(wanted)
        self._loaded = self._seen

    def _load(self, wanted: Sequence[Deployment]) -> None:
        missing = [
            (deployment.pipeline, version)
            for deployment in wanted
            for version in set(deployment.versions()) - self._look(deployment.pipeline)
        ]
        # Labels may only point at loaded versions: where one is missing, the versions come first.
        self._configure(wanted)
        for pipeline, version in missing:
            self._await(pipeline, version)
        if missing:
            self._configure(wanted)

    def _configure(self, wanted: Sequence[Deployment]) -> None:
        configs = [self._config(deployment) for deployment in wanted]
        names = {config.name for config in configs}
        if self._model_server.told() - names or any(not self._model_server.holds(each) for each in configs):
            self._model_server.configure(configs)

    def _await(self, pipeline: str, version: int) -> None:
        try:
            self._model_server.await_available(pipeline, version)
        except Unservable as error:
            get_logger().error("deployed-version-unavailable", pipeline=pipeline, error=str(error))

    def _look(self, pipeline: str) -> frozenset[int]:
        states = self._model_server.states(pipeline)
        return frozenset(version for version, (state, _) in states.items() if state == AVAILABLE)

    def _config(self, deployment: Deployment, candidate: int | None = None) -> ModelConfig:
        loaded = self._look(deployment.pipeline)
        labels = {label: version for label, version in labels_of(deployment).items() if version in loaded}
        return ModelConfig(
            name=deployment.pipeline,
            base_path=self._store.uri(layout.model_base(deployment.pipeline)),
            versions=tuple(sorted({*deployment.versions(), *([candidate] if candidate else [])})),
            labels=labels,
        )


def labels_of(deployment: Deployment) -> dict[str, int]:
    """Return which version each label means."""
    labels = {STABLE: deployment.stable.version} if deployment.stable else {}
    if deployment.release:
        labels[label_of(deployment.release.strategy)] = deployment.release.candidate.version
    return labels
