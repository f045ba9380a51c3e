"""Where the quality of answers is known from: what gateways write down, as the bucket announces and keeps it.

A label needs the answer that was logged. Whichever comes first, they meet: a label that comes is searched for
in the logs that are there, and a log that comes is searched for labels that wait.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.manifest import ModelManifest
from tidemill_contracts.notification import ObjectFinalized
from tidemill_contracts.recorded import (
    UNREADABLE,
    Feedback,
    LogFile,
    LoggedPrediction,
    is_feedback,
    pipeline_of,
    read_feedback,
    read_predictions,
)
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence as Numbers
from tidemill_serving.quality import Quality

SEARCH_SECONDS = 1.0
REBUILT_DAYS = 30
READS_AT_ONCE = 8
THRESHOLD = 0.5


class QualityFeed:
    """Fills a Quality from the bucket: `feed(new)` for what is announced, `rebuild` for what was before."""

    def __init__(self, store: ObjectStore, quality: Quality) -> None:
        self._store = store
        self._quality = quality
        self._unsearched: queue.SimpleQueue[tuple[str, Sequence[Feedback]]] = queue.SimpleQueue()
        self._thresholds: dict[tuple[str, int], float] = {}

    def __call__(self, new: ObjectFinalized) -> Iterable[EventData]:
        """Take a new object; there is nothing to tell of it."""
        file = LogFile.parse(new.name)
        if is_feedback(new.name):
            self._take(new.name)
        elif file is not None:
            pipeline = pipeline_of(new.name)
            self._answer(pipeline, new.name, self._quality.wanted(pipeline, file))
        return ()

    def rebuild(self) -> None:
        """Take the newest feedback that the bucket holds, as much as is kept of each pipeline."""
        for name in self._store.list(layout.deployment("").rpartition("/")[0] + "/"):
            self._rebuild(name.rpartition("/")[2].removesuffix(".json"))

    def search(self) -> None:
        """Search the logs for the answers that new labels wait for, each log once."""
        by_hour: defaultdict[tuple[str, str], list[Feedback]] = defaultdict(list)
        while not self._unsearched.empty():
            pipeline, waiting = self._unsearched.get()
            for each in waiting:
                by_hour[pipeline, layout.hour_of(each.predicted_at_ms)].append(each)
        while by_hour:
            (pipeline, hour), waiting = by_hour.popitem()
            try:
                for name in self._store.list(layout.prediction_log(pipeline, hour, "")):
                    self._answer(pipeline, name, _held(LogFile.parse(name), waiting))
            except BaseException:
                # What was taken out of the queue is not searched for yet: the next turn has it again.
                for (unsearched, _), labels in [((pipeline, hour), waiting), *by_hour.items()]:
                    self._unsearched.put((unsearched, labels))
                raise

    def _rebuild(self, pipeline: str) -> None:
        with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="quality") as threads:
            for names in _batches(self._newest_first(pipeline)):
                received_ms = int(names[0].rpartition("/")[2].partition("-")[0])
                if received_ms < self._quality.kept_since_ms(pipeline):
                    # Nothing is said of a prediction before it is made.
                    return
                list(threads.map(self._take, names))

    def _newest_first(self, pipeline: str) -> Iterator[str]:
        today = datetime.now(UTC)
        for days in range(REBUILT_DAYS):
            day = (today - timedelta(days=days)).strftime("%Y-%m-%d")
            yield from reversed(self._store.list(layout.feedback(pipeline, day, "").removesuffix("/")))

    def _take(self, name: str) -> None:
        pipeline, content = pipeline_of(name), self._store.read(name)
        try:
            feedback = list(read_feedback(content))
        except UNREADABLE as error:
            get_logger().warning("feedback-unreadable", object=name, error=str(error))
            return
        if waiting := self._quality.take(pipeline, feedback):
            self._unsearched.put((pipeline, waiting))

    def _answer(self, pipeline: str, name: str, wanted: Container[str] | None) -> None:
        if not wanted:
            return
        by_version: defaultdict[int, list[LoggedPrediction]] = defaultdict(list)
        content = self._store.read(name)
        try:
            for prediction in read_predictions(content, wanted):
                by_version[prediction.version].append(prediction)
        except UNREADABLE as error:
            get_logger().warning("log-unreadable", object=name, error=str(error))
        for version, predictions in by_version.items():
            self._quality.answer(pipeline, predictions, self._threshold(pipeline, version))

    def _threshold(self, pipeline: str, version: int) -> float:
        known = self._thresholds.get((pipeline, version))
        if known is None:
            known = self._thresholds[pipeline, version] = self._read_threshold(pipeline, version)
        return known

    def _read_threshold(self, pipeline: str, version: int) -> float:
        try:
            model_id = Numbers(self._store, layout.MODEL_SEQUENCE, pipeline).key(version)
            content = self._store.read(layout.model_manifest(pipeline, model_id))
        except ObjectNotFound:
            return THRESHOLD
        return ModelManifest.model_validate_json(content).decision_threshold or THRESHOLD


def keep_searching(feed: QualityFeed, stop: threading.Event) -> None:
    """Rebuild once, then search again and again until `stop` is set."""
    is_rebuilt = False
    while not stop.is_set():
        try:
            if not is_rebuilt:
                began = time.monotonic()
                feed.rebuild()
                is_rebuilt = True
                get_logger().info("quality-rebuilt", seconds=round(time.monotonic() - began, 3))
            feed.search()
        except Exception:  # noqa: BLE001 - the thread's boundary: the bucket may be back at the next turn
            get_logger().exception("quality-search-failed")
        stop.wait(SEARCH_SECONDS)


def _held(file: LogFile | None, waiting: Iterable[Feedback]) -> set[str]:
    if file is None:
        return set()
    return {each.prediction_id for each in waiting if file.may_hold(each.gateway, each.predicted_at_ms)}


def _batches(names: Iterator[str], size: int = 64) -> Iterator[list[str]]:
    batch: list[str] = []
    for name in names:
        batch.append(name)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
