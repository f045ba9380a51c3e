"""The HTTP server, and what is done beside it: landing records, and tidying up."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial

import uvicorn

from tidemill_ingest.api import create_app
from tidemill_ingest.batcher import Batcher, Limits
from tidemill_ingest.idempotency import forget_old_claims
from tidemill_ingest.parts import count_waiting
from tidemill_ingest.pending import Pending
from tidemill_ingest.periodic import Periodic
from tidemill_ingest.settings import Settings
from tidemill_ingest.uploads import sweep
from tidemill_runtime.objects import ObjectStore
from tidemill_runtime.ops import Check

TIDY_SECONDS = 3600
COUNT_SECONDS = 120


class Server:
    """Everything of the service that needs nothing but the bucket."""

    def __init__(self, settings: Settings, store: ObjectStore) -> None:
        pending = Pending(settings.max_pending_record_bytes)
        limits = Limits(
            settings.record_batch_rows, settings.record_batch_bytes, settings.record_batch_seconds
        )
        batcher = Batcher(store, limits, pending)
        self._settings = settings
        self._app = create_app(settings, store, pending)
        self._store = store
        self._work = (
            Periodic("landing", batcher.turn, min(1.0, settings.record_batch_seconds / 10)),
            Periodic("tidying", self._tidy, TIDY_SECONDS),
            Periodic("parts", partial(count_waiting, store), COUNT_SECONDS),
        )

    @property
    def live(self) -> Mapping[str, Check]:
        """Checks that raise when only a restart helps."""
        return {work.name: work.check_turning for work in self._work}

    def _tidy(self) -> None:
        sweep(self._store, self._settings.upload_keep_seconds, time.time())
        forget_old_claims(self._store, datetime.now(UTC))

    def run(self) -> None:
        """Serve until the process is asked to stop."""
        with ExitStack() as stack:
            for work in self._work:
                work.start()
                stack.callback(work.stop, self._settings.shutdown_seconds)
            uvicorn.run(
                self._app,
                host=self._settings.host,
                port=self._settings.port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=int(self._settings.shutdown_seconds),
            )
