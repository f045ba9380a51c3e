"""Rules of ingest: every drop ends once, as a span, a duplicate, or quarantine with a reason."""

import gzip
import hashlib
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import google_crc32c
import pyarrow.parquet as pq
import pytest

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetIngested, DropDeduplicated, DropQuarantined
from tidemill_contracts.manifest import SpanManifest
from tidemill_contracts.notification import ObjectFinalized
from tidemill_ingest.handlers import Ingest
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.sequence import Sequence

SPEC = b"metadata: {name: flights}\nspec: {label: late}"
GOOD = "carrier,distance,late\n" + "UA,1400,true\nAA,719.5,false\n" * 10


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "bucket")
    store.write(layout.pipeline_spec("flights"), SPEC)
    return store


@pytest.fixture
def ingest(store: FolderStore, tmp_path: Path) -> Ingest:
    return Ingest(store, tmp_path, max_file_bytes=1 << 20)


def dropped(store: FolderStore, content: str | bytes, name: str = "drops/flights/a.csv") -> ObjectFinalized:
    """Put a file into the bucket and describe it as the bucket's notification does."""
    store.write(name, content.encode() if isinstance(content, str) else content)
    info = store.stat(name)
    return ObjectFinalized(
        bucket=store.bucket,
        name=name,
        generation=info.generation,
        size_bytes=info.size_bytes,
        time=datetime.now(UTC),
    )


def objects(store: FolderStore) -> dict[str, int]:
    return {name: store.stat(name).generation for name in store.list("")}


def one(events: Iterable[EventData]) -> EventData:
    (event,) = events
    return event


def test_a_good_file_becomes_a_typed_span(store: FolderStore, ingest: Ingest) -> None:
    event = one(ingest(dropped(store, GOOD)))

    assert isinstance(event, DatasetIngested)
    assert (event.span, event.rows, event.rows_rejected, event.columns) == (1, 20, 0, 3)
    table = pq.read_table(store.uri(layout.span("flights", event.span_id, "data.parquet")))
    assert table.column("distance").to_pylist() == [1400.0, 719.5] * 10
    assert table.column("late").to_pylist() == [True, False] * 10


def test_a_redelivered_notification_tells_the_same_and_writes_nothing(
    store: FolderStore, ingest: Ingest
) -> None:
    new = dropped(store, GOOD)
    first = one(ingest(new))
    before = objects(store)

    for _ in range(4):
        again = one(ingest(new))
        assert again.model_copy(update={"seconds": 0}) == first.model_copy(update={"seconds": 0})
    assert objects(store) == before


def test_the_same_content_under_another_name_is_no_second_span(store: FolderStore, ingest: Ingest) -> None:
    first = one(ingest(dropped(store, GOOD)))
    second = one(ingest(dropped(store, GOOD, "drops/flights/b.csv")))

    assert isinstance(first, DatasetIngested)
    assert isinstance(second, DropDeduplicated)
    assert (second.span, second.span_id) == (first.span, first.span_id)


def test_a_file_that_is_dropped_again_follows_what_the_spec_says_by_then(
    store: FolderStore, ingest: Ingest
) -> None:
    clear = one(ingest(dropped(store, GOOD)))
    store.write(layout.pipeline_spec("flights"), SPEC[:-1] + b", columns: {carrier: {privacy: drop}}}")
    again = one(ingest(dropped(store, GOOD)))

    assert isinstance(clear, DatasetIngested)
    assert isinstance(again, DatasetIngested)
    assert (clear.span, again.span) == (1, 2)
    assert again.restricted_columns == ("carrier",)
    stored = pq.read_schema(store.uri(layout.span("flights", again.span_id, "data.parquet")))
    assert stored.names == ["distance", "late"]


def test_spans_are_numbered_in_the_order_they_are_complete(store: FolderStore, ingest: Ingest) -> None:
    spans = [one(ingest(dropped(store, GOOD + f"DL,{n},true\n", f"drops/flights/{n}.csv"))) for n in range(3)]

    assert [event.span for event in spans if isinstance(event, DatasetIngested)] == [1, 2, 3]


def test_a_kill_before_the_number_is_given_leaves_one_span(store: FolderStore, ingest: Ingest) -> None:
    new = dropped(store, GOOD)
    one(ingest(new))
    for name in store.list("sequences/"):
        store.delete(name)

    event = one(ingest(new))

    assert isinstance(event, DatasetIngested)
    assert Sequence(store, layout.SPAN_SEQUENCE, "flights").keys() == {1: event.span_id}


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "empty-file", "received 0 bytes"),
        ("carrier,distance,late\n", "no-rows", "received none"),
        ("\n\n", "no-header", "column names"),
        ("a,,c\n1,2,3\n", "blank-column-name", "columns [2]"),
        ("a,b,a\n1,2,3\n", "duplicate-columns", "['a']"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not-text", "binary data"),
        ("имя,город\nИван,Москва\nАнна,Казань\n".encode("cp1251"), "not-utf8", "UTF-8"),  # noqa: RUF001
        (b"name,b\n" + b"x,1\n" * 20_000 + b"\x81\x8d\xff,2\n", "not-utf8", "UTF-8"),
        ("a,b\n" + "1,2\n" * 9 + "1,2,3\n", "too-many-bad-rows", "expected 2 cells, received 3"),
    ],
)
def test_a_file_that_cannot_be_used_is_quarantined_with_its_reason(
    store: FolderStore, ingest: Ingest, content: str | bytes, code: str, says: str
) -> None:
    event = one(ingest(dropped(store, content)))

    assert isinstance(event, DropQuarantined)
    assert event.reason.code == code
    assert says in event.reason.message
    assert event.quarantine_name is not None
    assert store.read(event.quarantine_name) == (content.encode() if isinstance(content, str) else content)
    assert store.list("spans/") == []


def test_quarantine_is_decided_once(store: FolderStore, ingest: Ingest) -> None:
    new = dropped(store, GOOD, "drops/unknown/a.csv")
    first = one(ingest(new))
    store.write(layout.pipeline_spec("unknown"), SPEC.replace(b"flights", b"unknown"))

    assert one(ingest(new)) == first


def test_files_of_one_name_and_time_in_two_folders_are_two_drops(store: FolderStore, ingest: Ingest) -> None:
    bad = dropped(store, b"", "drops/flights/a/day.csv")
    good = replace(dropped(store, GOOD, "drops/flights/b/day.csv"), generation=bad.generation)

    assert isinstance(one(ingest(bad)), DropQuarantined)
    assert store.list("quarantine/") != []
    assert isinstance(one(ingest(good)), DropQuarantined)
    assert len([name for name in store.list("quarantine/") if name.endswith(".reason.json")]) == 2


def test_a_very_long_name_ends_in_quarantine_too(store: FolderStore, ingest: Ingest) -> None:
    event = one(ingest(dropped(store, b"", f"drops/flights/{'x' * 240}.csv")))

    assert isinstance(event, DropQuarantined)
    assert event.reason.code == "empty-file"


def test_the_next_good_file_goes_through_after_a_bad_one(store: FolderStore, ingest: Ingest) -> None:
    one(ingest(dropped(store, b"\0\1\2", "drops/flights/bad.csv")))

    assert isinstance(one(ingest(dropped(store, GOOD))), DatasetIngested)


def test_broken_rows_are_set_aside_with_reasons_and_the_rest_is_kept(
    store: FolderStore, ingest: Ingest
) -> None:
    rows = ["UA,1400,true"] * 300
    rows[7] = "UA,far,true"
    rows[9] = "UA,1400"
    event = one(ingest(dropped(store, "carrier,distance,late\n" + "\n".join(rows))))

    assert isinstance(event, DatasetIngested)
    assert (event.rows, event.rows_rejected) == (298, 2)
    reasons = pq.read_table(store.uri(layout.span("flights", event.span_id, "rejects.parquet")))
    assert sorted(reasons["reason"].to_pylist()) == [
        "column distance: expected int, received 'far'",
        "row 10: expected 3 cells, received 2",
    ]


@pytest.mark.parametrize(
    ("checksum", "right", "wrong"),
    [
        ("crc32c", b64encode(google_crc32c.Checksum(GOOD.encode()).digest()).decode(), "AAAAAA=="),
        ("md5", b64encode(hashlib.md5(GOOD.encode(), usedforsecurity=False).digest()).decode(), "AAAA"),
    ],
)
def test_bytes_that_do_not_fit_their_checksum_are_read_again_later(
    store: FolderStore, ingest: Ingest, checksum: str, right: str, wrong: str
) -> None:
    new = dropped(store, GOOD)

    with pytest.raises(RetryLater, match=f"expected {checksum} {wrong}, received {right}"):
        one(ingest(replace(new, **{checksum: wrong})))  # type: ignore[arg-type]
    assert store.list("quarantine/") == []
    assert isinstance(one(ingest(replace(new, **{checksum: right}))), DatasetIngested)  # type: ignore[arg-type]


def test_a_compressed_file_over_the_limit_is_quarantined_as_it_was_received(
    store: FolderStore, tmp_path: Path
) -> None:
    content = gzip.compress(GOOD.encode() * 100)
    event = one(Ingest(store, tmp_path, 1 << 20, max_decompressed_bytes=100)(dropped(store, content)))

    assert isinstance(event, DropQuarantined)
    assert event.reason.message == "expected at most 100 bytes after decompression, received more"
    assert event.quarantine_name is not None
    assert store.read(event.quarantine_name) == content


def test_a_file_deleted_before_it_is_read_is_quarantined(store: FolderStore, ingest: Ingest) -> None:
    new = dropped(store, GOOD)
    store.delete(new.name)

    event = one(ingest(new))

    assert isinstance(event, DropQuarantined)
    assert (event.reason.code, event.quarantine_name) == ("object-gone", None)


def test_an_overwritten_generation_is_never_read_as_the_other(store: FolderStore, ingest: Ingest) -> None:
    old = dropped(store, GOOD)
    new = dropped(store, GOOD + "DL,5,true\n")

    old_event, new_event = one(ingest(old)), one(ingest(new))

    assert isinstance(old_event, DropQuarantined)
    assert isinstance(new_event, DatasetIngested)
    assert new_event.rows == 21


def test_a_file_larger_than_the_limit_is_refused_before_it_is_read(
    store: FolderStore, tmp_path: Path
) -> None:
    event = one(Ingest(store, tmp_path, max_file_bytes=10)(dropped(store, GOOD)))

    assert isinstance(event, DropQuarantined)
    assert event.reason.message == f"expected at most 10 bytes, received {len(GOOD)}"


def accept(store: FolderStore, span: int) -> None:
    """Record, as transform does, that a dataset was made of a span."""
    store.create(layout.sequence_entry(layout.ACCEPTED_SPANS, "flights", span), b"some-dataset")


def test_a_file_without_the_columns_of_accepted_files_is_quarantined(
    store: FolderStore, ingest: Ingest
) -> None:
    one(ingest(dropped(store, GOOD)))
    accept(store, 1)
    event = one(ingest(dropped(store, "carrier,miles\nUA,3\n", "drops/flights/b.csv")))

    assert isinstance(event, DropQuarantined)
    assert event.reason.code == "schema-changed"
    assert event.reason.message == (
        "expected the columns of earlier files, received changes: "
        "miles (int) is new; distance (float) is missing; late (bool) is missing"
    )
    assert [(each.change, each.column) for each in event.changes] == [
        ("added", "miles"),
        ("removed", "distance"),
        ("removed", "late"),
    ]


def test_a_file_that_was_never_accepted_sets_no_example(store: FolderStore, ingest: Ingest) -> None:
    one(ingest(dropped(store, "wrong,header\n1,2\n", "drops/flights/wrong.csv")))

    assert isinstance(one(ingest(dropped(store, GOOD))), DatasetIngested)


def test_a_number_column_may_widen_and_never_becomes_text(store: FolderStore, ingest: Ingest) -> None:
    one(ingest(dropped(store, "n,f\n" + "1,1.5\n" * 5)))
    accept(store, 1)
    wide = one(ingest(dropped(store, "n,f\n" + "1.5,2\n" * 5, "drops/flights/b.csv")))
    text = one(ingest(dropped(store, "n,f\n" + "x,2\n" * 5, "drops/flights/c.csv")))

    assert isinstance(wide, DatasetIngested)
    manifest = SpanManifest.model_validate_json(
        store.read(layout.span("flights", wide.span_id, "manifest.json"))
    )
    assert [column.type for column in manifest.columns] == ["float", "float"]
    assert isinstance(text, DropQuarantined)


@pytest.mark.parametrize("name", ["models/flights/1/saved_model.pb", "drops/", "drops/flights/"])
def test_objects_that_are_no_drops_are_left_alone(store: FolderStore, ingest: Ingest, name: str) -> None:
    new = ObjectFinalized(bucket="b", name=name, generation=1, size_bytes=0, time=datetime.now(UTC))

    assert list(ingest(new)) == []


def test_a_drop_for_an_unknown_pipeline_names_those_there_are(store: FolderStore, ingest: Ingest) -> None:
    event = one(ingest(dropped(store, GOOD, "drops/fligths/a.csv")))

    assert isinstance(event, DropQuarantined)
    assert event.reason.message == "expected a pipeline of ['flights'], received 'fligths'"
