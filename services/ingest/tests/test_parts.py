"""Rules of drops of several files: together they are one span, or one reason why not."""

import gzip
import hashlib
import io
import json
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetIngested, DropDeduplicated, DropQuarantined
from tidemill_contracts.manifest import SpanManifest
from tidemill_contracts.notification import ObjectFinalized
from tidemill_ingest.handlers import Ingest
from tidemill_ingest.parts import count_waiting, is_part
from tidemill_runtime.folder import FolderStore

FOLDER = "drops/flights/jan"
LISTED = "drops/flights/jan.manifest.json"


def csv(*rows: str) -> bytes:
    return "\n".join(["n,word", *rows, ""]).encode()


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "bucket")
    store.write(layout.pipeline_spec("flights"), b"metadata: {name: flights}\nspec: {label: late}")
    return store


@pytest.fixture
def ingest(store: FolderStore, tmp_path: Path) -> Ingest:
    return Ingest(store, tmp_path, max_file_bytes=1 << 20, max_decompressed_bytes=1 << 20)


def dropped(store: FolderStore, name: str, content: bytes = b"") -> ObjectFinalized:
    """Put an object into the bucket and describe it as the bucket's notification does."""
    store.write(name, content)
    info = store.stat(name)
    return ObjectFinalized(
        bucket=store.bucket,
        name=name,
        generation=info.generation,
        size_bytes=info.size_bytes,
        time=datetime.now(UTC),
    )


def one(events: Iterable[EventData]) -> EventData:
    (event,) = events
    return event


def completed(store: FolderStore, ingest: Ingest, *parts: bytes, folder: str = FOLDER) -> EventData:
    """Drop parts and then their `_SUCCESS`."""
    for index, part in enumerate(parts):
        assert list(ingest(dropped(store, f"{folder}/part-{index:05d}", part))) == []
    return one(ingest(dropped(store, f"{folder}/_SUCCESS")))


def listed(store: FolderStore, ingest: Ingest, *objects: object) -> EventData:
    """Drop a manifest."""
    return one(ingest(dropped(store, LISTED, json.dumps({"objects": objects}).encode())))


def rows(store: FolderStore, event: EventData) -> dict[str, list[object]]:
    assert isinstance(event, DatasetIngested), event
    table = pq.read_table(store.uri(layout.span("flights", event.span_id, "data.parquet")))
    columns: dict[str, list[object]] = table.to_pydict()
    return columns


def reason(event: EventData) -> tuple[str, str]:
    assert isinstance(event, DropQuarantined), event
    return event.reason.code, event.reason.message


def test_parts_become_one_span_when_their_folder_is_complete(store: FolderStore, ingest: Ingest) -> None:
    event = completed(store, ingest, csv("1,a", "2,b"), csv("3,c"))

    assert isinstance(event, DatasetIngested)
    assert (event.object_name, event.span, event.rows) == (f"{FOLDER}/_SUCCESS", 1, 3)
    assert rows(store, event) == {"n": [1, 2, 3], "word": ["a", "b", "c"]}
    manifest = SpanManifest.model_validate_json(
        store.read(layout.span("flights", event.span_id, "manifest.json"))
    )
    assert manifest.files == (f"{FOLDER}/part-00000", f"{FOLDER}/part-00001")
    assert manifest.size_bytes == len(csv("1,a", "2,b")) + len(csv("3,c"))


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("drops/flights/jan/part-00000-6b1c.c000.snappy.parquet", True),
        ("drops/flights/jan/eval-00000-of-00010.csv.gz", True),
        ("drops/flights/jan/run/part-r-00000", True),
        ("drops/flights/part-00000", False),
        ("drops/flights/jan/day.csv", False),
        ("drops/flights/jan/_SUCCESS", False),
    ],
)
def test_only_what_is_named_as_a_part_in_a_folder_waits(name: str, waits: bool) -> None:  # noqa: FBT001
    assert is_part(name) is waits


def test_other_files_in_a_folder_are_drops_of_their_own(store: FolderStore, ingest: Ingest) -> None:
    other = one(ingest(dropped(store, f"{FOLDER}/day.csv", csv("9,z"))))
    event = completed(store, ingest, csv("1,a"))

    assert rows(store, other) == {"n": [9], "word": ["z"]}
    assert rows(store, event) == {"n": [1], "word": ["a"]}


def test_the_same_parts_in_another_folder_are_no_second_span(store: FolderStore, ingest: Ingest) -> None:
    first = completed(store, ingest, csv("1,a"), csv("3,c"))
    second = completed(store, ingest, csv("1,a"), csv("3,c"), folder="drops/flights/again")

    assert isinstance(first, DatasetIngested)
    assert isinstance(second, DropDeduplicated)
    assert second.span_id == first.span_id


def test_a_redelivery_tells_the_same_though_the_parts_are_gone(store: FolderStore, ingest: Ingest) -> None:
    first = completed(store, ingest, csv("1,a"), csv("3,c"))
    success = store.stat(f"{FOLDER}/_SUCCESS")
    for name in store.list(f"{FOLDER}/"):
        store.delete(name)
    again = one(
        ingest(
            ObjectFinalized(
                bucket=store.bucket,
                name=success.name,
                generation=success.generation,
                size_bytes=0,
                time=datetime.now(UTC),
            )
        )
    )

    assert again.model_copy(update={"seconds": 0}) == first.model_copy(update={"seconds": 0})


def test_parts_may_differ_in_format_and_compression(store: FolderStore, ingest: Ingest) -> None:
    lines = b'{"word": "c", "n": 3}\n{"word": "d"}\n'
    event = completed(
        store, ingest, csv("1,a"), gzip.compress(csv("2,b")), lines, b"", parquet(word=["e"], n=[5]), csv()
    )

    assert rows(store, event) == {"n": [1, 2, 3, None, 5], "word": ["a", "b", "c", "d", "e"]}


@pytest.mark.parametrize(
    ("parts", "numbers"),
    [
        ([csv("1,a"), csv("2.5,b")], [1.0, 2.5]),
        ([csv("1,a"), csv("NA,b")], [1, None]),
        ([csv("1,a"), csv("x,b")], ["1", "x"]),
        ([parquet(n=[True], word=["a"]), csv("false,b")], [True, False]),
        ([parquet(n=[7], word=["a"]), csv("x,b")], ["7", "x"]),
    ],
    ids=["widened", "without values", "text", "bool", "text of numbers"],
)
def test_types_are_those_of_all_parts_together(
    store: FolderStore, ingest: Ingest, parts: list[bytes], numbers: list[object]
) -> None:
    assert rows(store, completed(store, ingest, *parts))["n"] == numbers


@pytest.mark.parametrize(
    ("part", "code", "says"),
    [
        (b"n,other\n1,2\n", "part-columns", "missing ['word'], new ['other']"),
        (b'{"n": 1, "other": 2}\n', "part-columns", "missing [], new ['other']"),
        (b"PAR1 is no more than a beginning\0", "not-parquet", "expected a whole Parquet file"),
        (gzip.compress(csv("1,a"))[:-9], "broken-compression", "expected a whole gzip file"),
        (gzip.compress(csv(*["1,a"] * 150_000)), "too-large", "after decompression"),
    ],
    ids=["columns", "columns of rows", "cut", "cut compression", "too large together"],
)
def test_a_bad_part_quarantines_the_whole_drop_by_name(
    store: FolderStore, ingest: Ingest, part: bytes, code: str, says: str
) -> None:
    event = completed(store, ingest, gzip.compress(csv(*["1,a"] * 150_000)), part)

    assert reason(event)[0] == code
    assert reason(event)[1].startswith(f"{FOLDER}/part-00001: ")
    assert says in reason(event)[1]
    assert store.list("spans/") == []
    assert store.read(f"{FOLDER}/part-00001") == part


def test_rows_that_are_set_aside_are_named_by_their_part(store: FolderStore, ingest: Ingest) -> None:
    event = completed(store, ingest, csv(*["1,a"] * 30), csv(*["1,a"] * 30, "1"))

    assert isinstance(event, DatasetIngested)
    rejects = pq.read_table(store.uri(layout.span("flights", event.span_id, "rejects.parquet")))
    assert rejects["reason"].to_pylist() == [f"{FOLDER}/part-00001: row 31: expected 2 cells, received 1"]


def test_parts_that_are_too_large_together_are_refused(store: FolderStore, tmp_path: Path) -> None:
    event = completed(store, Ingest(store, tmp_path, max_file_bytes=20), csv("1,a"), csv("2,b"))

    assert reason(event) == ("too-large", "expected at most 20 bytes, received 22")


def test_a_folder_that_is_complete_without_parts_is_told(store: FolderStore, ingest: Ingest) -> None:
    dropped(store, f"{FOLDER}/deeper/part-0", csv("1,a"))

    assert reason(one(ingest(dropped(store, f"{FOLDER}/_SUCCESS"))))[0] == "no-parts"


def test_a_folder_that_is_complete_but_for_a_numbered_part_is_told(
    store: FolderStore, ingest: Ingest
) -> None:
    for number in (0, 2):
        dropped(store, f"{FOLDER}/eval-{number:05d}-of-00003.csv", csv(f"{number},a"))
    missing = one(ingest(dropped(store, f"{FOLDER}/_SUCCESS")))
    dropped(store, f"{FOLDER}/eval-00001-of-00003.csv", csv("1,a"))
    complete = one(ingest(dropped(store, f"{FOLDER}/_SUCCESS")))

    assert reason(missing)[0] == "part-missing"
    assert f"{FOLDER}/eval-00001-of-00003: " in reason(missing)[1]
    assert rows(store, complete)["n"] == [0, 1, 2]


def test_parts_of_folders_that_are_not_complete_are_counted(store: FolderStore) -> None:
    for name in ("a/part-0", "a/part-1", "a/x.csv", "b/part-0", "b/_SUCCESS", "part-0"):
        dropped(store, f"drops/flights/{name}")
    count_waiting(store)

    assert REGISTRY.get_sample_value("tidemill_ingest_waiting_parts") == 2


def test_a_part_that_comes_after_its_folder_is_complete_is_warned_of(
    store: FolderStore, ingest: Ingest
) -> None:
    early = dropped(store, f"{FOLDER}/part-0", csv("1,a"))
    dropped(store, f"{FOLDER}/_SUCCESS")
    late = dropped(store, f"{FOLDER}/part-1", csv("2,b"))
    with capture_logs() as lines:
        assert [*ingest(early), *ingest(late)] == []

    assert [(line["event"], line["object"]) for line in lines] == [("part-came-late", late.name)]


def test_a_manifest_names_objects_that_become_one_span(store: FolderStore, ingest: Ingest) -> None:
    store.write("staging/b.csv", csv("2,b"))
    store.write("drops/flights/parts/part-0", csv("1,a"))
    b = store.stat("staging/b.csv")
    event = listed(
        store,
        ingest,
        {
            "name": "staging/b.csv",
            "generation": str(b.generation),
            "sizeBytes": b.size_bytes,
            "crc32c": b.crc32c,
            "md5": b64encode(hashlib.md5(csv("2,b"), usedforsecurity=False).digest()).decode(),
        },
        {"name": "drops/flights/parts/part-0"},
    )

    assert rows(store, event) == {"n": [1, 2], "word": ["a", "b"]}
    assert isinstance(event, DatasetIngested)
    assert event.object_name == LISTED


@pytest.mark.parametrize(
    ("claim", "code", "says"),
    [
        ({"name": "staging/none.csv"}, "part-missing", "staging/none.csv: expected an object, there is none"),
        ({"name": "staging/a.csv", "generation": 1}, "part-changed", "expected generation 1, present is"),
        ({"name": "staging/a.csv", "sizeBytes": 7}, "part-changed", "expected sizeBytes 7, present is 11"),
        ({"name": "staging/a.csv", "crc32c": "AAAAAA=="}, "part-changed", "expected crc32c AAAAAA=="),
        (
            {"name": "staging/a.csv", "md5": "AAAA"},
            "part-changed",
            "staging/a.csv: expected md5 AAAA, received",
        ),
        ({"name": "staging/a.csv", "size": 11}, "invalid-manifest", "objects.1.size: Extra inputs"),
        ({"name": "staging/good.csv"}, "invalid-manifest", "every object once"),
    ],
)
def test_what_a_manifest_says_must_be_so(
    store: FolderStore, ingest: Ingest, claim: object, code: str, says: str
) -> None:
    store.write("staging/good.csv", csv("1,a"))
    store.write("staging/a.csv", csv("2,b"))
    event = listed(store, ingest, {"name": "staging/good.csv"}, claim)

    assert reason(event)[0] == code
    assert says in reason(event)[1]
    assert store.list("spans/") == []
    assert store.read("staging/good.csv") == csv("1,a")


@pytest.mark.parametrize(
    "name",
    [
        "drops/others/a.csv",
        "spans/flights/x/data.parquet",
        "models/flights/1/saved_model.pb",
        "staging/../spans/flights/x/data.parquet",
        "drops/flights/../others/a.csv",
        "staging//a.csv",
        "/staging/a.csv",
        "staging",
        "stagingother/a.csv",
        "",
    ],
)
def test_a_manifest_reaches_nothing_but_staging_and_its_own_pipeline(
    store: FolderStore, ingest: Ingest, name: str
) -> None:
    assert reason(listed(store, ingest, {"name": name}))[0] == "part-not-allowed"


def test_staging_can_be_kept_apart_by_pipeline(store: FolderStore, tmp_path: Path) -> None:
    apart = Ingest(store, tmp_path, 1 << 20, staging_prefix="staging/{pipeline}/")
    store.write("staging/flights/a.csv", csv("1,a"))
    store.write("staging/others/a.csv", csv("1,a"))

    assert reason(listed(store, apart, {"name": "staging/others/a.csv"}))[0] == "part-not-allowed"
    assert rows(store, listed(store, apart, {"name": "staging/flights/a.csv"}))["n"] == [1]


@pytest.mark.parametrize("text", [b"", b"[]", b'{"objects": []}', b'{"objects": ["a"]}', b"\xff"])
def test_a_manifest_that_is_none_is_quarantined_as_it_came(
    store: FolderStore, ingest: Ingest, text: bytes
) -> None:
    event = one(ingest(dropped(store, LISTED, text)))

    assert reason(event)[0] == "invalid-manifest"
    assert isinstance(event, DropQuarantined)
    assert event.quarantine_name is not None
    assert store.read(event.quarantine_name) == text


def test_batches_of_records_with_the_same_content_are_two_spans(store: FolderStore, ingest: Ingest) -> None:
    spans = [
        one(ingest(dropped(store, layout.records_drop("flights", number), b'{"n": 1}\n')))
        for number in (1, 2)
    ]

    assert [event.span for event in spans if isinstance(event, DatasetIngested)] == [1, 2]
