"""Records become drops: each record in exactly one, whoever is killed when, with any number of replicas.

What a landing decides may be carried out any number of times: create the drop, note the keys, and only then
delete the segments. A segment that is still there when every landing is finished is therefore in none.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from tidemill_contracts import layout
from tidemill_contracts.manifest import content_id
from tidemill_ingest import metrics
from tidemill_ingest.checksums import crc32c
from tidemill_ingest.idempotency import Claim, read_claim
from tidemill_ingest.landings import Landing, Landings
from tidemill_ingest.pending import Pending
from tidemill_ingest.segments import Segment, Sent, requests_of
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

THREADS = 8
Contents = Mapping[str, list[tuple[Sent, bytes]]]


@dataclass(frozen=True)
class Limits:
    """Records are landed when there are this many, or this many bytes of them, or one is this old."""

    records: int
    size_bytes: int
    seconds: float

    def first_batch(self, segments: Sequence[Segment]) -> list[Segment]:
        """Return the first segments that are enough for a drop, all when one is too old; none otherwise."""
        batch: list[Segment] = []
        records = size_bytes = 0
        for segment in segments:
            batch.append(segment)
            records += segment.records
            size_bytes += segment.size_bytes
            if records >= self.records or size_bytes >= self.size_bytes:
                return batch
        oldest = min((segment.written_at for segment in batch), default=time.time())
        return batch if batch and time.time() - oldest >= self.seconds else []


class Batcher:
    """Lands the records of all pipelines."""

    def __init__(self, store: ObjectStore, limits: Limits, pending: Pending) -> None:
        self._store = store
        self._limits = limits
        self._pending = pending
        self._landings: dict[str, Landings] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="landing")

    def turn(self) -> None:
        """Land what is due. What fails is tried again in the next turn."""
        waiting: defaultdict[str, list[Segment]] = defaultdict(list)
        for segment in self._segments(layout.RECORDS):
            waiting[segment.pipeline].append(segment)
        self._pending.replace(
            {name: sum(each.size_bytes for each in found) for name, found in waiting.items()}
        )
        for pipeline, segments in waiting.items():
            try:
                if self._limits.first_batch(segments):
                    self._land_due(pipeline)
            except Exception:  # noqa: BLE001 - one pipeline's trouble is not the others'
                get_logger().exception("landing-failed", pipeline=pipeline)

    def _land_due(self, pipeline: str) -> None:
        landings = self._landings.setdefault(pipeline, Landings(self._store, pipeline))
        while True:
            for landing in landings.unfinished():
                self._finish(pipeline, landing, self._contents(landing.segments))
                landings.finished(landing)
            # Only now: whatever was listed earlier may have been landed since.
            segments = self._segments(layout.record_batch(pipeline, ""))
            ghosts = landings.recent_segments()
            self._delete([each.object_name for each in segments if each.object_name in ghosts])
            batch = self._limits.first_batch([each for each in segments if each.object_name not in ghosts])
            contents = self._contents([segment.object_name for segment in batch])
            if not contents:
                return
            landing = Landing(
                number=landings.next_number,
                decided_at=time.time(),
                segments=tuple(contents),
                left_out=self._repeated(contents),
            )
            if landings.decide(landing):
                self._finish(pipeline, landing, contents)
                landings.finished(landing)

    def _finish(self, pipeline: str, landing: Landing, contents: Contents | None) -> None:
        """Carry a landing out. Without contents all but deleting was done, for that comes last."""
        if contents is not None:
            counted = [
                request
                for name, requests in contents.items()
                for index, request in enumerate(requests)
                if index not in landing.left_out.get(name, ())
            ]
            self._drop(pipeline, landing.number, b"".join(body for _, body in counted))
            keyed = [(sent, landing.number) for sent, _ in counted if sent.key is not None]
            list(self._pool.map(self._note_key, keyed))
            metrics.RECORDS.labels("landed").inc(sum(sent.records for sent, _ in counted))
        self._delete(landing.segments)

    def _drop(self, pipeline: str, number: int, body: bytes) -> None:
        name = layout.records_drop(pipeline, number)
        if not body or self._store.create(name, body):
            return
        if self._store.stat(name).crc32c != crc32c(body):
            get_logger().error("drop-name-taken", object=name)
            self._store.create(layout.records_drop(pipeline, number, f"-{content_id(body.decode())}"), body)

    def _note_key(self, landed: tuple[Sent, int]) -> None:
        sent, number = landed
        claim = Claim(digest=sent.digest, records=sent.records, landed=number)
        self._store.write(sent.key or "", claim.model_dump_json().encode())

    def _repeated(self, contents: Contents) -> dict[str, tuple[int, ...]]:
        """Find the requests that were sent before, or whose key is another's: by segment, their indexes."""
        keys = {sent.key for requests in contents.values() for sent, _ in requests if sent.key is not None}
        claims = dict(zip(keys, self._pool.map(partial(read_claim, self._store), keys), strict=True))
        seen: set[str] = set()
        left_out: defaultdict[str, list[int]] = defaultdict(list)
        for name, requests in contents.items():
            for index, (sent, _) in enumerate(requests):
                if sent.key is None:
                    continue
                claim = claims[sent.key]
                is_first = claim is None or (claim.landed is None and claim.digest == sent.digest)
                if is_first and sent.key_id not in seen:
                    seen.add(sent.key_id)
                else:
                    left_out[name].append(index)
        return {name: tuple(indexes) for name, indexes in left_out.items()}

    def _contents(self, names: Sequence[str]) -> Contents | None:
        """Read segments; None when one is gone, which means that another process has landed it."""
        try:
            return dict(zip(names, map(requests_of, self._pool.map(self._store.read, names)), strict=True))
        except ObjectNotFound:
            return None

    def _segments(self, prefix: str) -> list[Segment]:
        found = (Segment.parse(name) for name in self._store.list(prefix))
        return [segment for segment in found if segment is not None]

    def _delete(self, names: Sequence[str]) -> None:
        list(self._pool.map(self._store.delete, names))
