"""What happens when an object lands in the bucket. Handlers are idempotent: a redelivery changes nothing.

A drop ends in exactly one of: a span (`dataset.ingested`), a reference to the span with the same content
(`drop.deduplicated`), or quarantine with a reason (`drop.quarantined`). A part of several files has no end of
its own: it waits for the object that completes them.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetIngested, DropDeduplicated, DropQuarantined, Reason
from tidemill_contracts.manifest import Column, SpanManifest
from tidemill_contracts.notification import ObjectFinalized
from tidemill_contracts.pipeline import InvalidSpec, Pipeline, parse_pipeline
from tidemill_ingest import metrics
from tidemill_ingest.errors import Refused
from tidemill_ingest.parts import is_part, note_part
from tidemill_ingest.plan import Expected, address
from tidemill_ingest.receiving import Received, Receiver
from tidemill_ingest.span import check_rejected_share, write_span
from tidemill_ingest.span_writer import DATA_FILE, REJECTS_FILE
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.sequence import Sequence


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
    privacy_key: SecretStr | None = None
    staging_prefix: str = "staging/"

    def __call__(self, new: ObjectFinalized) -> Iterator[EventData]:
        """Handle one new object; objects that are not drops are none of our business."""
        if not new.name.startswith(layout.DROPS) or new.name.endswith("/"):
            return
        if is_part(new.name):
            note_part(self.store, new)
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
        manifest = self._ingested_before(drop)
        if manifest is None:
            pipeline = self._pipeline(drop.pipeline)
            receiver = Receiver(self.store, self.max_file_bytes, self.staging_prefix)
            received = receiver.receive(drop.object, drop.pipeline, folder)
            span_id = address(received.span_id, pipeline.spec.columns)
            manifest = self._manifest(drop.pipeline, span_id)
            if manifest is None:
                manifest = self._write(drop, pipeline, replace(received, span_id=span_id), folder)
            self.store.create(_span_of(drop), manifest.span_id.encode())
        return self._told(drop, manifest)

    def _ingested_before(self, drop: Drop) -> SpanManifest | None:
        """Find the span of a drop that is told of again, whatever has become of its files since."""
        try:
            span_id = self.store.read(_span_of(drop)).decode()
        except ObjectNotFound:
            return None
        return self._manifest(drop.pipeline, span_id)

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

    def _manifest(self, pipeline: str, span_id: str) -> SpanManifest | None:
        try:
            return SpanManifest.model_validate_json(
                self.store.read(layout.span(pipeline, span_id, "manifest.json"))
            )
        except ObjectNotFound:
            return None

    def _write(self, drop: Drop, pipeline: Pipeline, received: Received, folder: Path) -> SpanManifest:
        span_id = received.span_id
        expected = Expected(self._known_columns(drop.pipeline), pipeline.spec.columns)
        key = self.privacy_key.get_secret_value().encode() if self.privacy_key else None
        span = write_span(received.source, folder, expected, self.max_decompressed_bytes, key)
        check_rejected_share(span, pipeline.spec.validation.max_rejected_share)
        for file in (DATA_FILE, REJECTS_FILE):
            self.store.upload(layout.span(drop.pipeline, span_id, file), folder / file)
        manifest = SpanManifest(
            pipeline=drop.pipeline,
            span_id=span_id,
            spec_digest=pipeline.digest(),
            object_name=drop.object.name,
            generation=drop.object.generation,
            size_bytes=received.size_bytes,
            files=received.files,
            rows=span.rows,
            rows_rejected=span.rows_rejected,
            columns=span.columns,
            changes=span.changes,
        )
        name = layout.span(drop.pipeline, span_id, "manifest.json")
        if self.store.create(name, manifest.model_dump_json().encode()):
            metrics.ROWS.labels("kept").inc(span.rows)
            metrics.ROWS.labels("rejected").inc(span.rows_rejected)
        # Someone who wrote the same content at the same time may have been first; theirs counts.
        return SpanManifest.model_validate_json(self.store.read(name))

    def _known_columns(self, pipeline: str) -> tuple[Column, ...]:
        """Columns of the newest span that a dataset was made of; a span that was rejected sets no example."""
        spans = Sequence(self.store, layout.SPAN_SEQUENCE, pipeline)
        accepted = Sequence(self.store, layout.ACCEPTED_SPANS, pipeline).newest_before(spans.newest() + 1)
        if not accepted:
            return ()
        manifest = self._manifest(pipeline, spans.key(accepted))
        return manifest.columns if manifest else ()

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
            restricted_columns=tuple(each.name for each in manifest.columns if each.privacy != "keep"),
            changes=manifest.changes,
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
            changes=refused.changes,
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


def _span_of(drop: Drop) -> str:
    return layout.span_of_drop(drop.pipeline, drop.object.name, drop.object.generation)
