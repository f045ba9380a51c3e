"""What every model server holds, and which of them gateways are led to.

All are told the same. A new one is led to once it has the models, and the others meanwhile: so they can be
replaced while they are asked.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar
from zlib import crc32

from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectStore
from tidemill_serving.deployment import Deployment
from tidemill_serving.errors import ModelServerAway
from tidemill_serving.loading import Loading
from tidemill_serving.model_server import LOAD_FAILED, ModelServer

Result = TypeVar("Result")


class Holding:
    """Tells all model servers what to load.

    `lock` is held by who is at it, from reading what is wanted on.
    """

    def __init__(self, store: ObjectStore, members: Callable[[], Sequence[ModelServer]]) -> None:
        self.lock = threading.Lock()
        self._store = store
        self._members = members
        # Replaced as a whole, as routes are made meanwhile.
        self._loadings: tuple[Loading, ...] = ()
        self._away: frozenset[str] = frozenset()

    @property
    def is_known(self) -> bool:
        """Whether any model server was ever held to what is wanted: before, nothing can be told of them."""
        return any(loading.is_known for loading in self._loadings)

    def held(self, pipeline: str) -> tuple[str, frozenset[int]]:
        """Return where gateways are led to, and which versions could answer there when last looked at."""
        if not self._loadings:
            return "", frozenset()
        choice = max(self._loadings, key=lambda loading: self._preference(loading, pipeline))
        return choice.address, choice.loaded(pipeline)

    def try_out(self, manifest: ModelManifest, wanted: Sequence[Deployment]) -> Reason | None:
        """Have every server load a version beside what is wanted; return what was wrong.

        That one of several cannot load it is a fault of that one; what it answers wrongly anywhere is not.
        """
        faults = self._each(lambda loading: loading.try_out(manifest, wanted))
        wrong = next((fault for fault in faults if fault and fault.code != LOAD_FAILED), None)
        return wrong or (faults[0] if all(faults) else None)

    def hold(self, wanted: Sequence[Deployment], show: Callable[[], None]) -> None:
        """Have every wanted version loaded and labelled everywhere; what is not wanted is unloaded.

        Calls `show` as soon as more is known of them: one that lost its models may take long to load them.
        """

        def hold_one(loading: Loading) -> None:
            loading.hold(wanted)
            show()

        self._each(lambda loading: loading.look(wanted))
        show()
        self._each(hold_one)

    def _each(self, work: Callable[[Loading], Result]) -> list[Result]:
        """Do it for every server that answers; raises ModelServerAway when none does."""
        self._look()
        results: list[Result] = []
        away: dict[str, ModelServerAway] = {}
        for loading in self._loadings:
            try:
                results.append(work(loading))
            except ModelServerAway as error:
                away[loading.address] = error
        self._away = frozenset(away)
        if not results:
            raise next(iter(away.values()))
        for address, why in away.items():
            get_logger().warning("one-model-server-away", address=address, error=str(why))
        return results

    def _look(self) -> None:
        known = {loading.address: loading for loading in self._loadings}
        found = [known.get(each.address) or Loading(self._store, each) for each in self._members()]
        # Who lacks something may load for long; the others answer meanwhile, and hear what is new first.
        self._loadings = tuple(sorted(found, key=lambda loading: -loading.size))

    def _preference(self, loading: Loading, pipeline: str) -> tuple[bool, int, int, int]:
        """Prefer who answers, then who has most of it now; among equals it is always the same one."""
        loaded = loading.loaded(pipeline)
        answers = bool(loaded) and loading.address not in self._away
        has = loaded & loading.seen(pipeline)
        return answers, len(has), len(loaded), crc32(f"{pipeline} {loading.address}".encode())
