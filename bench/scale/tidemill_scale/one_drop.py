"""What one drop asks of the bucket, counted in the services' own code, by how many drops there were before.

    python -m tidemill_scale.one_drop

Ingest and transform run here as they are, over a folder that counts. Earlier spans are laid as ingest lays
them; only those in the window have rows.
"""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tidemill_contracts import layout
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import DatasetIngested
from tidemill_contracts.manifest import SpanManifest, content_id
from tidemill_contracts.notification import ObjectFinalized
from tidemill_ingest.handlers import Ingest
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.logs import configure_logging
from tidemill_runtime.sequence import MARKED_EVERY
from tidemill_scale.counting import Counted, CountingStore
from tidemill_transform.app import load_engine
from tidemill_transform.handlers import Transform
from tidemill_transform.settings import IN_MEMORY
from tidemill_transform.warehouse import Table

PIPELINE = "flights"
WINDOW = 3
SPEC = f"metadata: {{name: {PIPELINE}}}\nspec: {{label: delay > 15, data: {{last: {WINDOW}}}}}"
HISTORIES = (0, 100, 1_000, 5_000)


class NoWarehouse:
    """Takes everything, keeps nothing: BigQuery reads the bucket by itself."""

    def load(self, table: Table, span: int, name: str) -> None:
        pass

    def append(self, table: Table, key: str, rows: object) -> None:
        pass

    def check(self) -> None:
        pass


@dataclass(frozen=True)
class Drop:
    """The requests of one drop. `parts` are files that the pass reads and writes by itself."""

    ingest: Counted
    transform: Counted
    parts: int


class Bucket:
    """A folder in which a pipeline has some history."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder / "bucket")
        self._folder = folder
        self._drops = 0
        self.store.write(layout.pipeline_spec(PIPELINE), SPEC.encode())

    def ingest(self, store: CountingStore) -> DatasetIngested:
        """Drop another file, and have it ingested through `store`."""
        self._drops += 1
        name = layout.drop(PIPELINE, f"{self._drops}.csv")
        rows = [f"{mile},{'UA' if mile % 3 else 'AA'},{mile % 40}\n" for mile in range(self._drops, 400)]
        self.store.write(name, ("distance,carrier,delay\n" + "".join(rows)).encode())
        found = self.store.stat(name)
        new = ObjectFinalized(
            bucket=store.bucket,
            name=name,
            generation=found.generation,
            size_bytes=found.size_bytes,
            time=datetime.now(UTC),
        )
        (event,) = Ingest(store, self._folder, max_file_bytes=1 << 20)(new)
        assert isinstance(event, DatasetIngested), event
        return event

    def transform(self, store: CountingStore, span: DatasetIngested) -> None:
        """Make a dataset version of a window that ends with a span, through `store`."""
        transform = Transform(store, NoWarehouse(), load_engine, IN_MEMORY)
        list(transform.handle_span(_event(span)))

    def grow(self, spans: int, like: DatasetIngested, dataset_id: bytes = b"") -> None:
        """Lay spans down as if they had been ingested, and accepted as one dataset, one after the other."""
        manifest = SpanManifest.model_validate_json(
            self.store.read(layout.span(PIPELINE, like.span_id, "manifest.json"))
        )
        for number in range(like.span + 1, like.span + 1 + spans):
            span_id = content_id(str(number))
            text = manifest.model_copy(update={"span_id": span_id}).model_dump_json().encode()
            self.store.create(layout.span(PIPELINE, span_id, "manifest.json"), text)
            self.store.create(layout.sequence_entry(layout.ACCEPTED_SPANS, PIPELINE, number), dataset_id)
            for sequence in (layout.SPAN_SEQUENCE, layout.DATASET_SEQUENCE):
                self.store.create(layout.sequence_entry(sequence, PIPELINE, number), span_id.encode())
                self.store.create(layout.sequence_key(sequence, PIPELINE, span_id), str(number).encode())
                if number % MARKED_EVERY == 0:
                    self.store.write(layout.sequence_mark(sequence, PIPELINE), str(number).encode())


def count(history: int) -> Drop:
    """Count the requests of a drop that comes after so many others."""
    with tempfile.TemporaryDirectory() as folder:
        bucket = Bucket(Path(folder))
        quiet = CountingStore(bucket.store)
        first = bucket.ingest(quiet)
        bucket.transform(quiet, first)
        if history:
            accepted = layout.sequence_entry(layout.ACCEPTED_SPANS, PIPELINE, first.span)
            bucket.grow(history, first, bucket.store.read(accepted))
        for _ in range(WINDOW - 1):
            bucket.ingest(quiet)
        ingesting, transforming = CountingStore(bucket.store), CountingStore(bucket.store)
        span = bucket.ingest(ingesting)
        before = len(bucket.store.list("datasets/"))
        bucket.transform(transforming, span)
        made = len(bucket.store.list("datasets/")) - before
        return Drop(ingesting.counted, transforming.counted, made)


def _event(data: EventData) -> Event:
    return Event(
        type="x",
        source="/x",
        subject=data.subject,
        data=data,
        id="x",
        time=datetime.now(UTC),
        correlation_id="x",
    )


def main() -> None:
    """Print a line for each length of history."""
    configure_logging("one-drop", log_format="text", level="WARNING")
    columns = "drops before | ingest: writes | pages | names listed | reads | transform: writes | pages"
    columns += " | names listed | reads | parts | most writes to one name"
    print(f"| {columns} |\n|{'---|' * len(columns.split(' | '))}")
    for history in HISTORIES:
        drop = count(history)
        cells: list[object] = [history]
        for each in (drop.ingest, drop.transform):
            cells += [each.writes, each.pages, each.listed, each.reads]
        hottest = (drop.ingest.writes_by_name + drop.transform.writes_by_name).most_common(1)[0]
        print(
            "|", " | ".join(map(str, [*cells, drop.parts, f"{hottest[1]} ({hottest[0]})"])), "|", flush=True
        )


if __name__ == "__main__":
    main()
