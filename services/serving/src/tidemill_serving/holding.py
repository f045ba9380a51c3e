"""What every model server holds, and which of them gateways are led to.

All are told the same. A new one is led to once it has the models, and the others meanwhile: so they can be
replaced while they are asked.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from typing import TypeVar
from zlib import crc32

from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectStore
from tidemill_serving.deployment import Deployment
from tidemill_serving.deployments import Deployments
from tidemill_serving.errors import ModelServerAway
from tidemill_serving.loading import Loading, Wish
from tidemill_serving.model_server import LOAD_FAILED, ModelServer

# How long a turn waits for a server that loads models. It goes on with that; the next turn passes it over.
HOLD_SECONDS = 20.0

Result = TypeVar("Result")


class Holding:
    """Tells all model servers what to load; none of them waits for another, and no model for another's."""

    def __init__(
        self, store: ObjectStore, deployments: Deployments, members: Callable[[], Sequence[ModelServer]]
    ) -> None:
        self._store = store
        self._deployments = deployments
        self._members = members
        self._finding = threading.Lock()
        # Replaced as a whole, as routes are made meanwhile.
        self._loadings: tuple[Loading, ...] = ()
        self._turns: dict[str, threading.Lock] = {}
        self._tried: dict[str, int] = {}

    @property
    def is_known(self) -> bool:
        """Whether any model server ever had what is wanted: before, nothing can be told of them."""
        return any(loading.is_known for loading in self._loadings)

    def held(self, pipeline: str) -> tuple[str, frozenset[int]]:
        """Return where gateways are led to, and which versions could answer there when last looked at."""
        if not self._loadings:
            return "", frozenset()
        choice = max(self._loadings, key=lambda loading: _preference(loading, pipeline))
        return choice.address, choice.loaded(pipeline)

    def turn(self, pipeline: str) -> AbstractContextManager[bool]:
        """Let one version of a model be tried out and decided on at a time."""
        return self._turns.setdefault(pipeline, threading.Lock())

    @contextmanager
    def tried_out(self, manifest: ModelManifest) -> Iterator[Reason | None]:
        """Have every server load a version beside what is wanted, until it is decided; yield what was wrong.

        That one of several cannot load it is a fault of that one; what it answers wrongly anywhere is not.
        Raises ModelServerAway where none has come to it.
        """
        self._tried[manifest.pipeline] = manifest.version
        try:
            if not self._loadings:
                self._find()
            faults = self._each(lambda loading: loading.try_out(manifest))
            wrong = next((fault for fault in faults if fault and fault.code != LOAD_FAILED), None)
            yield wrong or (faults[0] if all(faults) else None)
        finally:
            del self._tried[manifest.pipeline]

    def hold(self, show: Callable[[], None]) -> None:
        """Have every wanted version loaded and labelled everywhere; what is not wanted is unloaded.

        Calls `show` as soon as more is known of them. Raises ModelServerAway when none answers.
        """

        def hold_one(loading: Loading) -> None:
            loading.hold()
            show()

        self._find()
        self._each(Loading.look, HOLD_SECONDS)
        show()
        self._each(hold_one, HOLD_SECONDS)

    def _each(self, work: Callable[[Loading], Result], timeout_seconds: float | None = None) -> list[Result]:
        """Do it for every server at once; return what came of it in time.

        Raises ModelServerAway when none answers.
        """
        loadings = self._loadings
        threads = ThreadPoolExecutor(len(loadings), thread_name_prefix="model-server")
        works = {threads.submit(copy_context().run, work, loading): loading for loading in loadings}
        threads.shutdown(wait=False)
        away: list[ModelServerAway] = []
        results: list[Result] = []
        for done in wait(works, timeout_seconds).done:
            try:
                results.append(done.result())
            except ModelServerAway as error:
                away.append(error)
                get_logger().warning("one-model-server-away", address=works[done].address, error=str(error))
        if len(away) == len(loadings):
            raise away[0]
        return results

    def _find(self) -> None:
        with self._finding:
            known = {loading.address: loading for loading in self._loadings}
            self._loadings = tuple(
                known.get(each.address) or Loading(self._store, each, self._wishes)
                for each in self._members()
            )

    def _wishes(self) -> list[Wish]:
        # In this order: what was tried out is deployed before it is tried out no longer.
        tried = dict(self._tried)
        wanted = {deployment.pipeline: deployment for deployment in self._deployments.wanted()}
        return [
            Wish(wanted.get(pipeline) or Deployment(pipeline=pipeline), tried.get(pipeline))
            for pipeline in sorted({*tried, *wanted})
        ]


def _preference(loading: Loading, pipeline: str) -> tuple[bool, int, int, int]:
    """Prefer who answers, then who has most of it now; among equals it is always the same one."""
    loaded = loading.loaded(pipeline)
    has = loaded & loading.seen(pipeline)
    answers = bool(loaded) and not loading.is_away
    return answers, len(has), len(loaded), crc32(f"{pipeline} {loading.address}".encode())
