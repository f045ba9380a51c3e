"""What gateways report: taken in once, summed by pipeline, and kept over a restart."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import TypeAdapter, ValidationError

from tidemill_contracts import layout
from tidemill_contracts.pb.routes_pb2 import GatewayReport, Observed
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_serving.deployment import Deployment
from tidemill_serving.observations import Observations

# A crash loses what was reported since the last time; nothing is counted twice, as the numbers of the reports
# are kept with the sums. Without a release nothing is decided by it.
SAVE_SECONDS = 2.0
IDLE_SAVE_SECONDS = 60.0

STORED = TypeAdapter(Observations)


class Sightings:
    """The observations of every pipeline, for several threads."""

    def __init__(self, store: ObjectStore, find: Callable[[str], Deployment]) -> None:
        """Take what knows a pipeline's deployment."""
        self._store = store
        self._find = find
        self._lock = threading.RLock()
        self._known: dict[str, Observations] = {}
        self._changed: set[str] = set()
        self._saved: dict[str, float] = {}
        self._came = threading.Event()

    def take(self, report: GatewayReport) -> None:
        """Count a report, unless it was counted before."""
        by_pipeline: dict[str, list[Observed]] = defaultdict(list)
        for observed in report.observed:
            by_pipeline[observed.model].append(observed)
        for pipeline, versions in by_pipeline.items():
            if self._find(pipeline).stable is None:
                continue
            with self.of(pipeline) as observations:
                deployment = self._find(pipeline)
                if deployment.stable and observations.is_new(report.gateway, report.number):
                    candidate = deployment.candidate.version if deployment.candidate else None
                    observations.add(versions, deployment.stable.version, candidate)
                    self._changed.add(pipeline)
        self._came.set()

    def wait(self, timeout_seconds: float) -> None:
        """Wait until a report came since the last time, but not for long."""
        self._came.wait(timeout_seconds)
        self._came.clear()

    @contextmanager
    def of(self, pipeline: str) -> Iterator[Observations]:
        """Hold the observations of a pipeline, of the present step of its release."""
        with self._lock:
            deployment = self._find(pipeline)
            observations = self._known.get(pipeline) or self._read(pipeline)
            self._known[pipeline] = observations
            release = deployment.release
            present = (release.candidate.release, release.step) if release else (0, 0)
            if present != (observations.release, observations.step):
                observations.begin(*present)
                observations.forget_all_but(deployment.versions())
            yield observations

    def renew(self, pipeline: str) -> None:
        """Count the present step anew."""
        with self.of(pipeline) as observations:
            observations.begin(observations.release, observations.step)
            self._changed.add(pipeline)

    def save(self, *, all_of_them: bool = False) -> None:
        """Write what changed and was not written for some time, or all that changed."""
        now = time.monotonic()
        for pipeline in self._to_save(now, all_of_them=all_of_them):
            with self._lock:
                document = STORED.dump_json(self._known[pipeline])
                self._changed.discard(pipeline)
            # One that cannot be written has its next turn as late as all others.
            self._saved[pipeline] = now
            try:
                self._store.write(layout.observations(pipeline), document)
            except BaseException:
                self._changed.add(pipeline)
                raise

    def _to_save(self, now: float, *, all_of_them: bool) -> list[str]:
        with self._lock:
            return [
                pipeline
                for pipeline in sorted(self._changed)
                if all_of_them or now - self._saved.get(pipeline, 0) >= self._pause_seconds(pipeline)
            ]

    def _pause_seconds(self, pipeline: str) -> float:
        return SAVE_SECONDS if self._known[pipeline].release else IDLE_SAVE_SECONDS

    def _read(self, pipeline: str) -> Observations:
        try:
            return STORED.validate_json(self._store.read(layout.observations(pipeline)))
        except ObjectNotFound:
            return Observations()
        except ValidationError as error:
            get_logger().warning("observations-unreadable", pipeline=pipeline, error=str(error))
            return Observations()
