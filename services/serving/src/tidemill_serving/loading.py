"""Which versions one model server holds: tried out before they serve, and held to what is wanted."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectStore
from tidemill_serving.announcing import label_of
from tidemill_serving.deployment import Deployment
from tidemill_serving.errors import ModelServerAway, ModelServerBusy, Unservable
from tidemill_serving.model_server import (
    LOAD_FAILED,
    ModelConfig,
    ModelServer,
    States,
    available,
    has_failed,
)

STABLE = "stable"
# A server takes a configuration at once, unless it loads a model of a name that is new to it.
TURN_SECONDS = 5.0


@dataclass(frozen=True)
class Wish:
    """What should be loaded of one model: what is deployed, and beside it a version that is tried out."""

    deployment: Deployment
    tried: int | None = None

    @property
    def pipeline(self) -> str:
        return self.deployment.pipeline


class Loading:
    """Tells a model server what to load, which is always the whole configuration.

    Several threads may try out versions, and others hold the server to what is wanted. One at a time tells
    it, by what is wished for then; all may look at once.
    """

    def __init__(
        self, store: ObjectStore, model_server: ModelServer, wishes: Callable[[], Sequence[Wish]]
    ) -> None:
        self.address = model_server.address
        self.is_away = False
        # Whether it ever had all it should: before, what it lacks is about to come.
        self.is_known = False
        self._store = store
        self._model_server = model_server
        self._wishes = wishes
        self._telling = threading.Lock()
        self._states: dict[str, States] = {}
        self._loaded: dict[str, frozenset[int]] = {}
        self._missed_at: dict[str, dict[int, float]] = {}

    def loaded(self, pipeline: str) -> frozenset[int]:
        """Return the versions that can answer, and those that could and are about to again.

        They are while the server has time to load them: it may just have restarted.
        """
        return self._loaded.get(pipeline, frozenset())

    def seen(self, pipeline: str) -> frozenset[int]:
        """Return the versions that can answer by the last look, also while others are being loaded."""
        return available(self._states.get(pipeline, {}))

    def look(self) -> None:
        """See which versions can answer, and change nothing."""
        wishes = self._wishes()
        missing = [wish.pipeline for wish in wishes if not self._look_at(wish)]
        self.is_known = self.is_known or not missing
        for known in (self._states, self._loaded, self._missed_at):
            for pipeline in set(known) - {wish.pipeline for wish in self._wishes()}:
                known.pop(pipeline, None)

    def hold(self) -> None:
        """Have every wanted version loaded and labelled, by the last look; what is not wanted is unloaded.

        What takes its time is there at a later look, and a server that is still at something else is told
        again later.
        """
        if self.is_away:
            return
        try:
            # Labels may only point at loaded versions: where one is missing, the versions come first.
            for _ in range(2):
                with self._turn(0):
                    if not self._tell():
                        return
                self.look()
        except ModelServerBusy as error:
            get_logger().warning("model-server-busy", address=self.address, error=str(error))

    def try_out(self, manifest: ModelManifest) -> Reason | None:
        """Load a version, which is wished for, and ask it golden rows; return what was wrong.

        Raises ModelServerBusy when the server has not come to it, as it is still at something else.
        """
        pipeline, version = manifest.pipeline, manifest.version
        [wish] = [wish for wish in self._wishes() if wish.pipeline == pipeline]
        self._look_at(wish)
        with self._turn(TURN_SECONDS):
            fault = self._load(pipeline, version)
        if fault is not None:
            return fault
        try:
            self._model_server.await_available(pipeline, version)
            self._model_server.verify(pipeline, version, manifest.golden)
        except Unservable as error:
            return Reason(code=error.code, message=error.message)
        self._look_at(wish)
        return None

    def _load(self, pipeline: str, version: int) -> Reason | None:
        try:
            self._tell()
        except ModelServerBusy as error:
            if version not in self._model_server.states(pipeline):
                raise
            return Reason(code=LOAD_FAILED, message=str(error))
        return None

    @contextmanager
    def _turn(self, wait_seconds: float) -> Iterator[None]:
        if not self._telling.acquire(timeout=wait_seconds):
            raise ModelServerBusy("expected to be the only one to tell what to load, another is at it")
        try:
            yield
        finally:
            self._telling.release()

    def _tell(self) -> bool:
        """Tell what is wished for now, unless the server has it; say whether it was told."""
        configs = [self._config(wish) for wish in self._wishes()]
        if self._model_server.took(configs) and all(map(self._comes, configs)):
            return False
        self._model_server.configure(configs)
        return True

    def _comes(self, config: ModelConfig) -> bool:
        """Say whether every version was there at the last look, or was to come, or failed."""
        states = self._states.get(config.name, {})
        lost = {version for version, state in states.items() if state == ("END", "")}
        return set(config.versions) <= states.keys() - lost

    def _look_at(self, wish: Wish) -> bool:
        """See which versions of a model can answer; say whether nothing more is to come."""
        self._states[wish.pipeline] = states = self._ask(wish.pipeline)
        now, missed_at = time.monotonic(), self._missed_at.get(wish.pipeline, {})
        missing = [
            version
            for version in set(wish.deployment.versions()) - available(states)
            if not has_failed(*states.get(version, ("", "")))
        ]
        missed_at = self._missed_at[wish.pipeline] = {each: missed_at.get(each, now) for each in missing}
        has_all = all(now - at >= self._model_server.load_timeout_seconds for at in missed_at.values())
        # An answer that is older than the one that a decision goes by does not take the version away.
        kept = self.loaded(wish.pipeline) & {wish.tried} if has_all else self.loaded(wish.pipeline)
        self._loaded[wish.pipeline] = available(states) | kept
        return has_all

    def _ask(self, pipeline: str) -> States:
        try:
            states = self._model_server.states(pipeline)
        except ModelServerAway:
            self.is_away = True
            raise
        self.is_away = False
        return states

    def _config(self, wish: Wish) -> ModelConfig:
        seen = self.seen(wish.pipeline)
        labels = {label: version for label, version in labels_of(wish.deployment).items() if version in seen}
        return ModelConfig(
            name=wish.pipeline,
            base_path=self._store.uri(layout.model_base(wish.pipeline)),
            versions=tuple(sorted({*wish.deployment.versions(), *([wish.tried] if wish.tried else [])})),
            labels=labels,
        )


def labels_of(deployment: Deployment) -> dict[str, int]:
    """Return which version each label means."""
    labels = {STABLE: deployment.stable.version} if deployment.stable else {}
    if deployment.release:
        labels[label_of(deployment.release.strategy)] = deployment.release.candidate.version
    return labels
