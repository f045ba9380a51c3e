"""What happens when an object lands in the bucket. Handlers are idempotent: a redelivery changes nothing.

A drop ends in exactly one of: a span (`dataset.ingested`), a reference to the span with the same content
(`drop.deduplicated`), or quarantine with a reason (`drop.quarantined`).
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from tidemill_contracts import layout
from tidemill_contracts.event import EventData, InvalidEvent, event_id
from tidemill_contracts.events import DatasetIngested, DropDeduplicated, DropQuarantined, Reason
from tidemill_contracts.manifest import SpanManifest, content_id
from tidemill_contracts.notification import ObjectFinalized, from_message
from tidemill_contracts.pipeline import InvalidSpec, Pipeline, parse_pipeline
from tidemill_contracts.profile import ColumnType
from tidemill_ingest import metrics
from tidemill_ingest.checksums import Checksums
from tidemill_ingest.errors import Refused
from tidemill_ingest.span import DATA_FILE, REJECTS_FILE, check_rejected_share, write_span
from tidemill_runtime.consumer import Message, Rejected, RetryLater
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence
from tidemill_runtime.telling import Cause, Teller

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Drop:
    """A dropped object on its way to a span. Times are of a monotonic clock, in seconds."""

    pipeline: str
    object: ObjectFinalized
    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        return round(time.monotonic() - self.began, 3)


@dataclass(frozen=True)
class Ingest:
    """Turns drops into spans."""

    store: ObjectStore
    scratch_folder: Path
    max_file_bytes: int
    max_decompressed_bytes: int = 20 << 30

    def __call__(self, new: ObjectFinalized) -> Iterator[EventData]:
        """Handle one new object; objects that are not drops are none of our business."""
        if not new.name.startswith(layout.DROPS) or new.name.endswith("/"):
            return
        drop = Drop(layout.pipeline_of_drop(new.name) or "", new)
        quarantined = self._quarantined_before(drop)
        if quarantined is not None:
            yield quarantined
            return
        with TemporaryDirectory(dir=self.scratch_folder, prefix="tidemill-ingest-") as folder:
            try:
                yield self._ingest(drop, Path(folder))
            except Refused as refused:
                yield self._quarantine(drop, refused, Path(folder))

    def _ingest(self, drop: Drop, folder: Path) -> EventData:
        pipeline = self._pipeline(drop.pipeline)
        span_id = self._fetch(drop.object, folder / "source")
        manifest = self._manifest(drop.pipeline, span_id)
        if manifest is None:
            manifest = self._write(drop, pipeline, span_id, folder)
        return self._told(drop, manifest)

    def _pipeline(self, name: str) -> Pipeline:
        try:
            pipeline = parse_pipeline(self.store.read(layout.pipeline_spec(name)))
        except ObjectNotFound as error:
            known = [PurePosixPath(spec).stem for spec in self.store.list("pipelines/")]
            raise Refused("unknown-pipeline", f"expected a pipeline of {known}, received {name!r}") from error
        except InvalidSpec as error:
            raise Refused("invalid-spec", f"the spec of {name} is not valid: {error}") from error
        self.store.create(layout.pinned_spec(name, pipeline.digest()), pipeline.to_json().encode())
        return pipeline

    def _fetch(self, new: ObjectFinalized, path: Path) -> str:
        """Copy the pinned generation to `path` and return the address of its content."""
        if new.size_bytes > self.max_file_bytes:
            raise Refused(
                "too-large", f"expected at most {self.max_file_bytes} bytes, received {new.size_bytes}"
            )
        digest = hashlib.sha256()
        checksums = Checksums(new)
        received = 0
        try:
            with self.store.open(new.name, new.generation) as source, path.open("wb") as target:
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    checksums.update(chunk)
                    received += target.write(chunk)
        except ObjectNotFound as error:
            raise Refused(
                "object-gone", f"the file was deleted or replaced before it was read: {error}"
            ) from error
        if received != new.size_bytes:
            raise RetryLater(f"{new.name}: expected {new.size_bytes} bytes, received {received}")
        if problem := checksums.mismatch():
            raise RetryLater(f"{new.name}: {problem}")
        return content_id(digest.hexdigest())

    def _manifest(self, pipeline: str, span_id: str) -> SpanManifest | None:
        try:
            return SpanManifest.model_validate_json(
                self.store.read(layout.span(pipeline, span_id, "manifest.json"))
            )
        except ObjectNotFound:
            return None

    def _write(self, drop: Drop, pipeline: Pipeline, span_id: str, folder: Path) -> SpanManifest:
        known = self._known_columns(drop.pipeline)
        span = write_span(folder / "source", folder, known, self.max_decompressed_bytes)
        check_rejected_share(span, pipeline.spec.validation.max_rejected_share)
        for file in (DATA_FILE, REJECTS_FILE):
            self.store.upload(layout.span(drop.pipeline, span_id, file), folder / file)
        manifest = SpanManifest(
            pipeline=drop.pipeline,
            span_id=span_id,
            spec_digest=pipeline.digest(),
            object_name=drop.object.name,
            generation=drop.object.generation,
            size_bytes=drop.object.size_bytes,
            rows=span.rows,
            rows_rejected=span.rows_rejected,
            columns=span.columns,
        )
        name = layout.span(drop.pipeline, span_id, "manifest.json")
        if self.store.create(name, manifest.model_dump_json().encode()):
            metrics.ROWS.labels("kept").inc(span.rows)
            metrics.ROWS.labels("rejected").inc(span.rows_rejected)
        # Someone who wrote the same content at the same time may have been first; theirs counts.
        return SpanManifest.model_validate_json(self.store.read(name))

    def _known_columns(self, pipeline: str) -> dict[str, ColumnType]:
        """Columns of the newest span that a dataset was made of; a span that was rejected sets no example."""
        accepted = Sequence(self.store, layout.DATASET_SEQUENCE, pipeline).numbers()
        if not accepted:
            return {}
        span_id = Sequence(self.store, layout.SPAN_SEQUENCE, pipeline).key(max(accepted))
        manifest = self._manifest(pipeline, span_id)
        return {column.name: column.type for column in manifest.columns} if manifest else {}

    def _told(self, drop: Drop, manifest: SpanManifest) -> EventData:
        number = Sequence(self.store, layout.SPAN_SEQUENCE, drop.pipeline).allocate(manifest.span_id)
        if (manifest.object_name, manifest.generation) != (drop.object.name, drop.object.generation):
            metrics.DROPS.labels("deduplicated").inc()
            return DropDeduplicated(
                pipeline=drop.pipeline,
                object_name=drop.object.name,
                generation=drop.object.generation,
                span=number,
                span_id=manifest.span_id,
                seconds=drop.seconds(),
            )
        metrics.DROPS.labels("ingested").inc()
        return DatasetIngested(
            pipeline=drop.pipeline,
            spec_digest=manifest.spec_digest,
            span=number,
            span_id=manifest.span_id,
            object_name=manifest.object_name,
            generation=manifest.generation,
            rows=manifest.rows,
            rows_rejected=manifest.rows_rejected,
            columns=len(manifest.columns),
            seconds=drop.seconds(),
        )

    def _quarantine(self, drop: Drop, refused: Refused, folder: Path) -> DropQuarantined:
        """Keep what was received, then the reason; the reason's existence is the commit."""
        name = self._quarantine_name(drop)
        source = folder / "source"
        kept = refused.code != "object-gone" and source.exists()
        if kept:
            self.store.upload(name, source)
        quarantined = DropQuarantined(
            pipeline=drop.pipeline or None,
            object_name=drop.object.name,
            generation=drop.object.generation,
            reason=Reason(code=refused.code, message=refused.message),
            quarantine_name=name if kept else None,
            seconds=drop.seconds(),
        )
        self.store.create(f"{name}.reason.json", quarantined.model_dump_json().encode())
        metrics.DROPS.labels("quarantined").inc()
        return quarantined

    def _quarantined_before(self, drop: Drop) -> DropQuarantined | None:
        try:
            return DropQuarantined.model_validate_json(
                self.store.read(f"{self._quarantine_name(drop)}.reason.json")
            )
        except ObjectNotFound:
            return None

    @staticmethod
    def _quarantine_name(drop: Drop) -> str:
        return layout.quarantined(drop.pipeline or None, drop.object.name, drop.object.generation)


def on_objects(ingest: Ingest, teller: Teller) -> Callable[[Message], None]:
    """Make the message handler of bucket notifications; each drop starts a correlation of its own."""

    def handle(message: Message) -> None:
        try:
            new = from_message(message.data, message.attributes)
        except InvalidEvent as error:
            raise Rejected("invalid-notification", str(error)) from error
        correlation_id = event_id("drop", f"{new.bucket}/{new.name}/{new.generation}")
        for data in ingest(new):
            teller.tell(data, Cause(correlation_id))

    return handle
